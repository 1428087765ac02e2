//! A root and the issuers below it, made with rcgen.

use identity::Csr;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SubjectPublicKeyInfo, date_time_ymd,
};

use super::days::day;

/// One root with a factory, an operational and an infrastructure issuer.
pub struct Issuers {
    pub root: Vec<u8>,
    pub factory: Authority,
    pub operational: Authority,
    pub infrastructure: Authority,
}

pub struct Authority {
    pub certificate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

/// What a certificate shall say.
#[derive(Clone)]
pub struct CertificateSpec {
    pub product: String,
    pub serial: String,
    pub for_clients: bool,
    pub from: (i32, u8, u8),
    pub until: (i32, u8, u8),
}

/// A certificate for a device, its chain and the roots, X.509 DER.
#[derive(Clone)]
pub struct Issued {
    pub certificate: Vec<u8>,
    pub chain: Vec<Vec<u8>>,
    pub anchors: Vec<Vec<u8>>,
}

impl Issued {
    /// What is installed before there is a certificate.
    pub fn deferred(&self) -> Self {
        Self { certificate: Vec::new(), chain: Vec::new(), ..self.clone() }
    }
}

impl CertificateSpec {
    pub fn birth(product: &str, serial: &str) -> Self {
        Self {
            product: product.to_owned(),
            serial: serial.to_owned(),
            for_clients: false,
            from: day(-20),
            until: (9999, 12, 31),
        }
    }

    pub fn operational(product: &str, serial: &str) -> Self {
        Self { for_clients: true, until: (2090, 1, 1), ..Self::birth(product, serial) }
    }
}

impl Issuers {
    pub fn new() -> Self {
        let (root_params, root_key) = (authority_params("root"), KeyPair::generate().unwrap());
        let root = root_params.self_signed(&root_key).unwrap().der().to_vec();
        let root_issuer = Issuer::new(root_params, root_key);
        let below = |name: &str| {
            let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
            let certificate = params.signed_by(&key, &root_issuer).unwrap().der().to_vec();
            Authority { certificate, issuer: Issuer::new(params, key) }
        };
        Self {
            root,
            factory: below("factory"),
            operational: below("operational"),
            infrastructure: below("infrastructure"),
        }
    }

    /// The credential for a request, from one of the issuers.
    pub fn credential(&self, from: &Authority, csr: &[u8], spec: &CertificateSpec) -> Issued {
        Issued {
            certificate: from.certify(csr, spec),
            chain: vec![from.certificate.clone()],
            anchors: vec![self.root.clone()],
        }
    }

    /// The anchors of a trust bundle.
    pub fn root_only(&self) -> Vec<Vec<u8>> {
        vec![self.root.clone()]
    }

    /// A server's certificate chain and key (PEM).
    pub fn server(&self, from: (i32, u8, u8), until: (i32, u8, u8)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.infrastructure.issuer).unwrap();
        let chain = pem(certificate.der()) + &pem(&self.infrastructure.certificate);
        (chain, key.serialize_pem())
    }
}

impl Authority {
    pub fn certify(&self, csr: &[u8], spec: &CertificateSpec) -> Vec<u8> {
        let csr = Csr::from_der(csr).unwrap();
        let key = SubjectPublicKeyInfo::from_der(csr.public_key().spki()).unwrap();
        let mut params = CertificateParams::default();
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, "Test");
        name.push(DnType::OrganizationalUnitName, spec.product.as_str());
        name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), spec.serial.as_str());
        params.distinguished_name = name;
        params.not_before = date_time_ymd(spec.from.0, spec.from.1, spec.from.2);
        params.not_after = date_time_ymd(spec.until.0, spec.until.1, spec.until.2);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        // Ours begin with 0x40 to 0x7f, as those of the CA.
        let mut serial_number = [0; 16];
        aws_lc_rs::rand::fill(&mut serial_number).unwrap();
        serial_number[0] = 0x40 | (serial_number[0] & 0x3f);
        params.serial_number = Some(serial_number.to_vec().into());
        if spec.for_clients {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
        params.signed_by(&key, &self.issuer).unwrap().der().to_vec()
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let (year, month, first) = day(-20);
    params.not_before = date_time_ymd(year, month, first);
    params.not_after = date_time_ymd(9999, 12, 31);
    params
}

pub fn pem(der: &[u8]) -> String {
    pkcs8::der::pem::encode_string("CERTIFICATE", pkcs8::der::pem::LineEnding::LF, der).unwrap()
}
