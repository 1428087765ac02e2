//! Credential directories, and keys with their requests.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use pem::{EncodeConfig, LineEnding, Pem};
use prost::bytes::Bytes;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

/// The content of a credential directory, in PEM.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub certificate: String,
    pub chain: String,
    pub key: String,
    pub trust: String,
}

impl Credentials {
    pub fn read(directory: &Path) -> Self {
        let file = |name: &str| {
            let path = directory.join(name);
            std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
        };
        Self {
            certificate: file("cert.pem"),
            chain: file("chain.pem"),
            key: file("key.pem"),
            trust: file("trust.pem"),
        }
    }

    /// From the CA's answer.
    pub fn from_der(key: &KeyPair, certificate: &[u8], chain: &[Bytes], anchors: &[Bytes]) -> Self {
        Self {
            certificate: pem(certificate),
            chain: chain.iter().map(|der| pem(der)).collect(),
            key: key.serialize_pem(),
            trust: anchors.iter().map(|der| pem(der)).collect(),
        }
    }

    pub fn write(&self, directory: &Path) {
        std::fs::create_dir_all(directory).expect("the directory can be made");
        for (name, text) in
            [("cert.pem", &self.certificate), ("chain.pem", &self.chain), ("trust.pem", &self.trust)]
        {
            std::fs::write(directory.join(name), text).expect("the file can be written");
        }
        let mut key = std::fs::OpenOptions::new();
        let mut key =
            key.write(true).create_new(true).mode(0o600).open(directory.join("key.pem")).expect("a new file");
        std::io::Write::write_all(&mut key, self.key.as_bytes()).expect("the file can be written");
    }

    /// The leaf in DER.
    pub fn certificate_der(&self) -> Vec<u8> {
        ders(&self.certificate).swap_remove(0)
    }

    /// The leaf and its chain, in DER.
    pub fn presented_der(&self) -> Vec<Vec<u8>> {
        ders(&format!("{}{}", self.certificate, self.chain))
    }

    /// The anchors, in DER.
    pub fn anchors_der(&self) -> Vec<Vec<u8>> {
        ders(&self.trust)
    }
}

/// A new P-256 key and a request signed by it.
#[derive(Debug)]
pub struct KeyAndRequest {
    pub key: KeyPair,
    pub csr: Bytes,
}

impl KeyAndRequest {
    pub fn fresh() -> Self {
        Self::of(KeyPair::generate().expect("a key can be made"))
    }

    pub fn of(key: KeyPair) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let csr = params.serialize_request(&key).expect("a request can be signed").der().to_vec().into();
        Self { key, csr }
    }

    /// Another request for the same key: ECDSA signatures differ each time.
    pub fn again(&self) -> Bytes {
        let key = KeyPair::try_from(self.key.serialize_der()).expect("the key can be read back");
        Self::of(key).csr
    }
}

fn pem(der: &[u8]) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new("CERTIFICATE", der), config)
}

fn ders(text: &str) -> Vec<Vec<u8>> {
    pem::parse_many(text).expect("PEM").into_iter().map(Pem::into_contents).collect()
}
