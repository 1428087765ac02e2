//! Unavoidable CPU: verify a request, sign and encode a certificate, and the server's half of a TLS
//! handshake.
//!
//! Uses libraries only, so that the efficiency shows what our own code adds.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use prost::bytes::Bytes;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
    SubjectPublicKeyInfo,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tests::Credentials;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::cores::{on_the_servers_core, thread_cpu};

/// An issuer's key without a CA.
pub(crate) struct CertificateLimit {
    issuer: Issuer<'static, KeyPair>,
    requests: Vec<Bytes>,
}

impl CertificateLimit {
    /// Prepares requests of keys that the server does not get.
    pub(crate) fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("factory");
        let issuer = Issuer::new(params, KeyPair::generate()?);
        let requests = (0..REQUESTS).map(|_| tests::KeyAndRequest::fresh().csr).collect();
        Ok(Self { issuer, requests })
    }

    /// CPU microseconds for one certificate, measured on the server's core during `length`.
    pub(crate) fn measure(&self, window: Duration) -> Result<f64> {
        on_the_servers_core(|| {
            let started = thread_cpu();
            let mut operations = 0_u32;
            for request in self.requests.iter().cycle() {
                std::hint::black_box(self.issue(request)?);
                operations += 1;
                if thread_cpu() - started >= window {
                    break;
                }
            }
            Ok(micros(thread_cpu() - started) / f64::from(operations))
        })
    }

    fn issue(&self, request: &[u8]) -> Result<Vec<u8>> {
        let (rest, csr) = X509CertificationRequest::from_der(request)?;
        ensure!(rest.is_empty(), "trailing bytes");
        csr.verify_signature()?;
        let key = SubjectPublicKeyInfo::from_der(csr.certification_request_info.subject_pki.raw)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name("cam-2");
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), "SN00000001");
        let mut serial_number = [0x40; 16];
        aws_lc_rs::rand::fill(&mut serial_number[1..]).map_err(|_| anyhow!("no randomness"))?;
        params.serial_number = Some(SerialNumber::from_slice(&serial_number));
        params.not_after = rcgen::date_time_ymd(9999, 12, 31);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(&key, &self.issuer)?.der().to_vec())
    }
}

/// Both ends of a handshake with client authentication, in memory.
pub(crate) struct HandshakeLimit {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl HandshakeLimit {
    /// Uses the certificates of the real CA and device.
    pub(crate) fn new(server: &Credentials, device: &Credentials) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let anchors = Arc::new(anchors(server)?);
        let verifier =
            WebPkiClientVerifier::builder_with_provider(anchors.clone(), provider.clone()).build()?;
        let mut config = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(presented(server), private_key(server)?)?;
        config.send_tls13_tickets = 0;
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(anchors)
            .with_client_auth_cert(presented(device), private_key(device)?)?;
        Ok(Self { server: Arc::new(config), client: Arc::new(client) })
    }

    /// CPU microseconds of the server's half, measured on the server's core during `length`.
    pub(crate) fn measure(&self, window: Duration) -> Result<f64> {
        on_the_servers_core(|| {
            let started = thread_cpu();
            let (mut servers, mut operations) = (Duration::ZERO, 0_u32);
            while thread_cpu() - started < window {
                servers += self.shake_hands()?;
                operations += 1;
            }
            Ok(micros(servers) / f64::from(operations))
        })
    }

    fn shake_hands(&self) -> Result<Duration> {
        let mut client = ClientConnection::new(self.client.clone(), ServerName::try_from("localhost")?)?;
        let mut wire = Vec::with_capacity(8 * 1024);
        let started = thread_cpu();
        let mut server = ServerConnection::new(self.server.clone())?;
        let mut servers = thread_cpu() - started;
        while server.is_handshaking() {
            wire.clear();
            client.write_tls(&mut wire)?;
            let started = thread_cpu();
            let mut unread = wire.as_slice();
            while !unread.is_empty() {
                server.read_tls(&mut unread)?;
                server.process_new_packets()?;
            }
            let mut answer = Vec::with_capacity(8 * 1024);
            while server.wants_write() {
                server.write_tls(&mut answer)?;
            }
            servers += thread_cpu() - started;
            let mut unread = answer.as_slice();
            while !unread.is_empty() {
                client.read_tls(&mut unread)?;
                client.process_new_packets()?;
            }
        }
        Ok(servers)
    }
}

/// The trusted roots of these credentials.
pub(crate) fn anchors(credentials: &Credentials) -> Result<RootCertStore> {
    let mut anchors = RootCertStore::empty();
    for anchor in credentials.anchors_der() {
        anchors.add(CertificateDer::from(anchor))?;
    }
    Ok(anchors)
}

/// The certificate chain of these credentials.
pub(crate) fn presented(credentials: &Credentials) -> Vec<CertificateDer<'static>> {
    credentials.presented_der().into_iter().map(CertificateDer::from).collect()
}

/// The private key of these credentials.
pub(crate) fn private_key(credentials: &Credentials) -> Result<PrivateKeyDer<'static>> {
    use rustls_pki_types::pem::PemObject;
    PrivateKeyDer::from_pem_slice(credentials.key.as_bytes()).context("a private key")
}

fn name(unit: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, tests::ORGANIZATION);
    name.push(DnType::OrganizationalUnitName, unit);
    name
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Enough different keys that caches do not help.
const REQUESTS: usize = 2_000;
