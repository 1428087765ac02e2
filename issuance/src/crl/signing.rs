//! From entries to a signed CRL: hashes the head, which states the length of the entries, then the entries
//! and the extensions.

use aws_lc_rs::digest::{Context, Digest, SHA256, SHA384};
use identity::der::SEQUENCE;

use crate::{Refusal, SignatureAlgorithm, encode};

/// Hashes the bytes to be signed. Takes the bytes of the entries in order, in pieces of any size.
pub struct CrlHash {
    /// The `TBSCertList` up to its entries.
    head: Vec<u8>,
    extensions: Vec<u8>,
    algorithm: SignatureAlgorithm,
    context: Context,
    entries_bytes: u64,
    missing: u64,
}

impl CrlHash {
    pub(super) fn new(
        fields: Vec<u8>,
        extensions: Vec<u8>,
        algorithm: SignatureAlgorithm,
        entries_bytes: u64,
    ) -> Result<Self, Refusal> {
        let too_long = Refusal::Encoding { what: "a CRL of over 1 GiB" };
        let entries = usize::try_from(entries_bytes).ok().filter(|bytes| *bytes <= ENTRIES_BYTES_MAX);
        let entries = entries.ok_or(too_long)?;
        let mut list = Vec::new();
        // "When there are no revoked certificates, the revoked certificates list MUST be absent."
        // -- <https://www.rfc-editor.org/rfc/rfc5280#section-5.1.2.6> (R-CRL-02)
        if entries > 0 {
            encode::header(&mut list, SEQUENCE, entries);
        }
        let mut head = Vec::with_capacity(fields.len() + list.len() + 8);
        encode::header(&mut head, SEQUENCE, fields.len() + list.len() + entries + extensions.len());
        head.extend_from_slice(&fields);
        head.extend_from_slice(&list);
        let mut context = Context::new(match algorithm {
            SignatureAlgorithm::EcdsaP256Sha256 => &SHA256,
            SignatureAlgorithm::EcdsaP384Sha384 => &SHA384,
        });
        context.update(&head);
        Ok(Self { head, extensions, algorithm, context, entries_bytes, missing: entries_bytes })
    }

    /// Hashes the next bytes of the entries.
    ///
    /// # Errors
    /// When there are more bytes than announced.
    pub fn entries(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let left = u64::try_from(bytes.len()).ok().and_then(|length| self.missing.checked_sub(length));
        self.missing = left.ok_or(OTHER_LENGTH)?;
        self.context.update(bytes);
        Ok(())
    }

    /// Ends the entries.
    ///
    /// # Errors
    /// When there were fewer bytes than announced.
    pub fn finish(mut self) -> Result<PreparedCrl, Refusal> {
        if self.missing != 0 {
            return Err(OTHER_LENGTH);
        }
        self.context.update(&self.extensions);
        Ok(PreparedCrl {
            head: self.head,
            extensions: self.extensions,
            algorithm: self.algorithm,
            digest: self.context.finish(),
            entries_bytes: self.entries_bytes,
        })
    }
}

/// A CRL that is ready to be signed.
#[derive(Debug)]
pub struct PreparedCrl {
    head: Vec<u8>,
    extensions: Vec<u8>,
    algorithm: SignatureAlgorithm,
    digest: Digest,
    entries_bytes: u64,
}

impl PreparedCrl {
    /// The digest to sign, with the hash of the issuer's signature algorithm.
    pub fn digest(&self) -> &[u8] {
        self.digest.as_ref()
    }

    /// The exact bytes to sign, for a key that is offline (R-CRL-13). `entries` are passed once more.
    pub fn to_be_signed(&self, entries: &[u8]) -> Vec<u8> {
        [self.head.as_slice(), entries, &self.extensions].concat()
    }

    /// Returns the bytes before and after the entries. Does not verify the signature.
    ///
    /// # Errors
    /// When the signature is empty or longer than any that we make.
    pub fn seal(self, signature: &[u8]) -> Result<SealedCrl, Refusal> {
        encode::check_signature(signature)?;
        let entries = usize::try_from(self.entries_bytes).map_err(|_| OTHER_LENGTH)?;
        let mut tail = self.extensions;
        encode::signed_tail(&mut tail, self.algorithm, signature);
        let mut head = Vec::with_capacity(self.head.len() + 8);
        encode::header(&mut head, SEQUENCE, self.head.len() + entries + tail.len());
        head.extend_from_slice(&self.head);
        Ok(SealedCrl { head, tail })
    }
}

/// Assembles a CRL that was signed elsewhere. Does not verify the signature or parse the CRL.
///
/// # Errors
/// When the signature is empty or longer than any that we make.
pub fn seal_crl(
    to_be_signed: &[u8],
    algorithm: SignatureAlgorithm,
    signature: &[u8],
) -> Result<Vec<u8>, Refusal> {
    encode::check_signature(signature)?;
    Ok(encode::certificate(to_be_signed, algorithm, signature))
}

/// A signed CRL: `head`, then the entries as hashed, then `tail`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedCrl {
    /// The bytes before the entries.
    pub head: Vec<u8>,
    /// The bytes after the entries.
    pub tail: Vec<u8>,
}

/// About twenty million entries; readers with 32-bit lengths can still parse it.
const ENTRIES_BYTES_MAX: usize = 1024 * 1024 * 1024;

const OTHER_LENGTH: Refusal = Refusal::Encoding { what: "a CRL with other entries than were counted" };
