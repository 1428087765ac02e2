//! The root's CRL: signed by `init` and `touchmark-ca root-crl`; the serving CA only publishes it (R-CRL-13).

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use identity::IssuerName;
use issuance::{
    Certificate, CrlDraft, CrlEntry, CrlFields, CrlNumber, CrlScope, CrlSummary, PreparedCrl, Refusal,
    SignatureAlgorithm, seal_crl,
};
use ledger::EntryNumber;
use signer::{Signer, SignerError, verifies};

use super::crl::{Crl, CrlBytes, CrlId, CrlMeta};

/// A CRL of the issuers that the root has revoked, to be signed by the root.
#[derive(Debug)]
pub struct RootCrlDraft {
    prepared: PreparedCrl,
    entries: Vec<u8>,
}

impl RootCrlDraft {
    /// A CRL with this number and these entries. `this_update` is not after `now`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(
        root: &Certificate,
        number: CrlNumber,
        entries: &[CrlEntry],
        this_update: SystemTime,
        now: SystemTime,
    ) -> Result<Self, RootCrlError> {
        let terms =
            CrlFields { number, this_update, next_update: now + ROOT_CRL_LIFETIME, scope: CrlScope::Full };
        let draft = CrlDraft::new(root, &terms, now)?;
        let mut bytes = Vec::new();
        for entry in entries {
            draft.entry(entry, &mut bytes)?;
        }
        let mut hash = draft.hash(bytes.len() as u64)?;
        hash.entries(&bytes)?;
        Ok(Self { prepared: hash.finish()?, entries: bytes })
    }

    /// The `TBSCertList`, DER, for a key on another machine.
    pub fn to_be_signed(&self) -> Vec<u8> {
        self.prepared.to_be_signed(&self.entries)
    }

    /// The signed CRL, DER.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub async fn sign(self, signer: &dyn Signer) -> Result<Vec<u8>, RootCrlError> {
        let signature = signer.sign_digest(self.prepared.digest()).await?;
        let sealed = self.prepared.seal(&signature)?;
        Ok([sealed.head, self.entries, sealed.tail].concat())
    }
}

/// Assembles a CRL that was signed on another machine, verifies its signature, and returns its DER and its
/// fields.
///
/// # Errors
/// When it is not a CRL of this root, or the signature is not the root's over these bytes.
pub fn root_crl_signed_elsewhere(
    root: &Certificate,
    to_be_signed: &[u8],
    signature: &[u8],
) -> Result<(Vec<u8>, CrlSummary), RootCrlError> {
    let algorithm = SignatureAlgorithm::of(root.public_key())
        .filter(|_| verifies(root.public_key(), to_be_signed, signature))
        .ok_or(RootCrlError::NotSigned)?;
    let der = seal_crl(to_be_signed, algorithm, signature)?;
    let summary = CrlSummary::from_der(&der).ok().filter(|summary| *summary.issuer == *root.subject());
    summary.map(|summary| (der, summary)).ok_or(RootCrlError::NoList)
}

/// The path of the root's CRL, beside its certificate.
pub fn root_crl_file(issuers_dir: &Path) -> PathBuf {
    issuers_dir.join("root.crl")
}

/// Replaces the root's CRL, durably.
///
/// # Errors
/// When it cannot be written.
pub fn write_root_crl(issuers_dir: &Path, der: &[u8]) -> Result<(), RootCrlError> {
    let path = root_crl_file(issuers_dir);
    files::replace(&path, 0o644, der).map_err(|source| RootCrlError::Io { path, source })
}

/// Reads the CRL that `init` or `root-crl` wrote.
///
/// # Errors
/// When it is not there, damaged, or of another root.
pub fn read_root_crl(issuers_dir: &Path, root: &Certificate) -> Result<Crl, RootCrlError> {
    let path = root_crl_file(issuers_dir);
    let der = std::fs::read(&path).map_err(|source| RootCrlError::Io { path: path.clone(), source })?;
    let summary = CrlSummary::from_der(&der).ok().filter(|summary| *summary.issuer == *root.subject());
    let summary = summary.ok_or(RootCrlError::Damaged(path))?;
    let (entries_at, entries_bytes) = summary.entries;
    let meta = CrlMeta {
        id: CrlId { issuer: IssuerName::Root, shard: None },
        number: summary.number,
        this_update: summary.this_update,
        next_update: summary.next_update,
        as_of: EntryNumber(0),
        count: 0,
    };
    Ok(Crl::new(meta, entries_at as u64, entries_bytes as u64, CrlBytes::Memory(Bytes::from(der))))
}

/// Why there is no CRL of the root: the operator must act.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the name and the type of some fields say all")]
pub enum RootCrlError {
    /// The file cannot be read or written.
    #[error("{} cannot be used; touchmark-ca root-crl makes it", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// The file is not a CRL of this root.
    #[error("{} is not a CRL of this root; touchmark-ca root-crl makes it", .0.display())]
    Damaged(PathBuf),
    /// The imported signature is not the root's.
    #[error(
        "the signature is not the root's over this list: sign the very file that --export wrote, with the root's key"
    )]
    NotSigned,
    /// The imported file is signed by the root and is not a CRL.
    #[error("this is not what --export wrote: it is no CRL of this root")]
    NoList,
    /// The imported CRL is not newer than the one that is here.
    #[error("{}", overtaken(*number, *newest))]
    Overtaken { number: CrlNumber, newest: CrlNumber },
    /// It would break a rule.
    #[error("the root's CRL cannot be made")]
    Refused(#[from] Refusal),
    /// It cannot be signed.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// In hexadecimal, as `openssl crl -crlnumber` shows numbers.
fn overtaken(number: CrlNumber, newest: CrlNumber) -> String {
    let shown = |number: CrlNumber| {
        let (epoch, counter) = number.parts();
        format!("0x{:x}", u128::from(epoch) << 64 | u128::from(counter))
    };
    match number == newest {
        true => format!("this list, number {}, is here already", shown(number)),
        false => {
            format!("this is list {}, and list {} is here, which is newer", shown(number), shown(newest))
        }
    }
}

/// 12 months (R-CRL-13): the key is offline, and somebody must fetch it for the next CRL.
const ROOT_CRL_LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);
