//! The test cases: chains in files, purpose, time, and whether they are good.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::ProfileName;
use issuance::Profile;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use crate::pki::Pki;

/// One chain to judge.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) leaf: PathBuf,
    /// Between leaf and root, leaf's issuer first.
    pub(crate) chain: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) purpose: Purpose,
    pub(crate) at: SystemTime,
    pub(crate) good: bool,
}

/// The purpose of the leaf.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Client,
    Server,
}

impl Case {
    pub(crate) fn unix_time(&self) -> u64 {
        self.at.duration_since(UNIX_EPOCH).unwrap().as_secs()
    }
}

/// Every leaf of a fresh installation: good where and when intended, and bad elsewhere.
pub(crate) fn cases(directory: &Path) -> Vec<Case> {
    let pki = Pki::fresh();
    let root = write(directory, "root", &[pki.holder(ProfileName::Root).certificate.der()]);
    let case = |name: &str, profile: ProfileName, purpose, at, good| Case {
        name: name.to_owned(),
        leaf: write(directory, &format!("{profile}"), &[pki.holder(profile).certificate.der()]),
        chain: write(directory, &format!("{profile}.chain"), &[pki.issuer_of(profile).certificate.der()]),
        root: root.clone(),
        purpose,
        at,
        good,
    };
    // Signers of OCSP responses and of documents are neither client nor server; what they sign is tested
    // elsewhere.
    let is_peer = |name: &ProfileName| !matches!(name, ProfileName::OcspSigner | ProfileName::Document);
    let leaves =
        ProfileName::all().filter(|name| Profile::standard(*name).path_length.is_none() && is_peer(name));
    let mut cases: Vec<Case> = leaves
        .map(|profile| {
            let purpose = if profile == ProfileName::Credential(identity::Role::Service) {
                Purpose::Server
            } else {
                Purpose::Client
            };
            case(&format!("{profile} now"), profile, purpose, pki.now, true)
        })
        .collect();
    let (year_2060, year_2100) = (UNIX_EPOCH + seconds(2_840_140_800), UNIX_EPOCH + seconds(4_102_444_800));
    cases.extend([
        case("idevid in 2060 (R-AR-02, R-AR-09)", ProfileName::Idevid, Purpose::Client, year_2060, true),
        case("idevid in 2100 (R-AR-02, R-AR-09)", ProfileName::Idevid, Purpose::Client, year_2100, true),
        case("expired ldevid", ProfileName::Ldevid, Purpose::Client, pki.after(31), false),
        case(
            "ldevid before it begins",
            ProfileName::Ldevid,
            Purpose::Client,
            pki.now - seconds(7_200),
            false,
        ),
        case("ldevid as a server", ProfileName::Ldevid, Purpose::Server, pki.now, false),
        case(
            "service as a client",
            ProfileName::Credential(identity::Role::Service),
            Purpose::Client,
            pki.now,
            false,
        ),
        case("document as a client (R-DOC-01)", ProfileName::Document, Purpose::Client, pki.now, false),
        case("document as a server (R-DOC-01)", ProfileName::Document, Purpose::Server, pki.now, false),
    ]);
    let strange = Case {
        chain: write(
            directory,
            "stranger.chain",
            &[pki.holder(ProfileName::OperationalCa).certificate.der()],
        ),
        ..case("idevid under another issuer", ProfileName::Idevid, Purpose::Client, pki.now, false)
    };
    cases.push(strange);
    cases.push(below_path_length(&pki, directory, &root));
    cases
}

/// A CA below the factory issuer, whose path length is 0, and a leaf below it (R-5280-10). Ours refuses to
/// make it, so rcgen does.
fn below_path_length(pki: &Pki, directory: &Path, root: &Path) -> Case {
    let factory = pki.holder(ProfileName::FactoryCa);
    let issuer = Issuer::from_ca_cert_der(&factory.certificate.der().into(), &factory.key).unwrap();
    let (sub_key, leaf_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let params = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.use_authority_key_identifier_extension = true;
        params.not_before = pki.now.into();
        params.not_after = pki.after(10).into();
        params
    };
    let mut sub_params = params("sub");
    sub_params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    sub_params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let sub = sub_params.signed_by(&sub_key, &issuer).unwrap();
    let mut leaf_params = params("leaf");
    leaf_params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let leaf = leaf_params.signed_by(&leaf_key, &Issuer::from_params(&sub_params, &sub_key)).unwrap();
    Case {
        name: "a CA below an issuer of path length 0 (R-5280-10)".into(),
        leaf: write(directory, "below", &[leaf.der()]),
        chain: write(directory, "below.chain", &[sub.der(), factory.certificate.der()]),
        root: root.to_owned(),
        purpose: Purpose::Client,
        at: pki.now + seconds(60),
        good: false,
    }
}

/// Writes certificates as PEM.
pub(crate) fn write(directory: &Path, name: &str, certificates: &[&[u8]]) -> PathBuf {
    let path = directory.join(format!("{name}.pem"));
    let text: String =
        certificates.iter().map(|der| pem::encode(&pem::Pem::new("CERTIFICATE", *der))).collect();
    std::fs::write(&path, text).unwrap();
    path
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
