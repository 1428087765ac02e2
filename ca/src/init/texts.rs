//! The texts that `init` writes: the configuration, and what it prints.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use issuance::Certificate;
use pkcs8::LineEnding;
use pkcs8::der::Document;
use serde::Serialize;

use super::certificates::Certificates;
use super::{Plan, operator_dir};
use crate::config::{HTTP_LISTEN_DEFAULT, LISTEN_DEFAULT, METRICS_LISTEN_DEFAULT};

/// What `init` made, and where.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Made {
    /// The directory of the installation.
    pub dir: PathBuf,
    /// The configuration for `touchmark-ca serve`.
    pub config: PathBuf,
    /// The first operator's credential directory.
    pub operator: PathBuf,
    /// The passphrase file of the issuers' keys.
    pub passphrase_file: PathBuf,
    /// The root's private key, which belongs offline.
    pub root_key: PathBuf,
    /// The base of the CRL URLs in certificates; `None`: they have none.
    pub public_url: Option<String>,
    /// All certificates.
    pub certificates: Vec<MadeCertificate>,
}

/// One certificate that was made.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MadeCertificate {
    /// The issuer's name, `documents`, `server`, or `operator NAME`.
    pub name: String,
    /// The PEM file.
    pub path: PathBuf,
    /// Hexadecimal (RFC 5280, section 4.1.2.2).
    pub serial_number: String,
    /// SHA-256 over the certificate, as `openssl x509 -fingerprint -sha256` shows it.
    pub sha256: String,
}

impl Made {
    pub(super) fn new(plan: &Plan, made: &Certificates) -> Self {
        let dir = &plan.dir;
        let issuers = made.issuers().map(|issuer| {
            let path = dir.join("issuers").join(signer::certificate_file(issuer.name));
            listed(issuer.name.to_string(), path, &issuer.certificate)
        });
        let server = listed("server".to_owned(), dir.join("server/cert.pem"), &made.server.certificate);
        let path = dir.join("issuers").join(signer::document_certificate_file());
        let documents = listed("documents".to_owned(), path, &made.documents.certificate);
        let operator_path = operator_dir(dir).join("cert.pem");
        let operator =
            listed(format!("operator {}", made.operator.name), operator_path, &made.operator.certificate);
        Self {
            dir: dir.clone(),
            config: dir.join("ca.toml"),
            operator: operator_dir(dir),
            passphrase_file: plan.passphrase_file.clone().unwrap_or_else(|| dir.join("passphrase")),
            root_key: dir.join("issuers").join(signer::key_file(identity::IssuerName::Root)),
            public_url: plan.public_url.clone(),
            certificates: issuers.into_iter().chain([documents, server, operator]).collect(),
        }
    }

    /// The summary for people: what was made, what to protect, what to do next.
    pub fn text(&self) -> String {
        let mut text = format!("Made a certificate authority in {}\n\n", self.dir.display());
        for certificate in &self.certificates {
            text += &format!("  {:<16} {}\n", certificate.name, certificate.path.display());
        }
        let [dir, config, operator, passphrase, root_key] =
            [&self.dir, &self.config, &self.operator, &self.passphrase_file, &self.root_key]
                .map(|path| quoted(path));
        text += &format!(
            "\nWARNING: the issuers' keys are in files, as safe as this machine and no safer.\n\
             \x20 {passphrase} opens them: keep a copy elsewhere, and never beside a copy of {dir}.\n\
             \x20 {root_key} is needed only for new issuers, and for\n\
             \x20 `touchmark-ca root-crl` and `touchmark-ca document-signer`: take it offline now, for example onto two USB\n\
             \x20 sticks that lie in two safes, and remove it here. Serving does not need it.\n\
             \x20 {operator}/key.pem lets its holder do everything an operator may do.\n"
        );
        if self.public_url.is_none() {
            text += &format!(
                "\nWARNING: certificates will not say where their CRL is, because there was no --public-url and no --host.\n\
                 \x20 Birth certificates never end: before the first device is made, set public-url in {config}.\n"
            );
        }
        text += &format!(
            "\n\
             Next:\n\
             \x20 touchmark-ca serve --config {config}\n\
             and then, in another terminal:\n\
             \x20 touchmark --credentials {operator} work-order list\n"
        );
        text
    }
}

pub(super) fn certificate_pem(certificate: &Certificate) -> String {
    let document = Document::try_from(certificate.der()).ok();
    document.and_then(|document| document.to_pem("CERTIFICATE", LineEnding::LF).ok()).unwrap_or_default()
}

pub(super) fn client_toml(listen: SocketAddr) -> String {
    let host = if listen.ip().is_unspecified() { "127.0.0.1".to_owned() } else { listen.ip().to_string() };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let port = if listen.port() == 0 { 8443 } else { listen.port() };
    format!("# Where the certificate authority is.\nserver = \"https://{host}:{port}\"\n")
}

pub(super) fn ca_toml(plan: &Plan) -> String {
    let text = |value: &str| toml::Value::String(value.to_owned()).to_string();
    let or_default = |field: &str, value: String, default: &str| {
        let hash = if value == default { "# " } else { "" };
        format!("{hash}{field} = {}\n", text(&value))
    };
    let enrollment = match &plan.enrollment_url {
        Some(url) => format!("enrollment-url = {}\n", text(url)),
        None => "# enrollment-url = \"https://ca.example.com:8443\"\n".to_owned(),
    };
    let public_url = match &plan.public_url {
        Some(url) => format!("public-url = {}\n", text(url)),
        None => "# public-url = \"http://ca.example.com:8080\"\n".to_owned(),
    };
    let passphrase = match &plan.passphrase_file {
        Some(path) => format!("passphrase-file = {}\n", text(&path.to_string_lossy())),
        None => "# passphrase-file = \"passphrase\"\n".to_owned(),
    };
    format!(
        "# The certificate authority. Paths are relative to this file; what is commented out shows the default.\n\
         # After a change: touchmark-ca check-config --config ca.toml. All fields: touchmark-ca check-config --help.\n\
         \n\
         # Who makes the devices: O in every certificate.\n\
         organization = {organization}\n\
         # Where gRPC is served.\n\
         {listen}\
         # Where /metrics, /healthz and /readyz are served in plain HTTP: keep it on the loopback.\n\
         {metrics_listen}\
         # Where CRLs, OCSP responses and issuers' certificates are served to everybody in plain HTTP.\n\
         {http_listen}\
         # How everybody reaches that: it is written into certificates, so take a name that you keep.\n\
         {public_url}\
         # Where devices reach this CA at first boot. The host must be a name in the server's certificate (init --host).\n\
         {enrollment}\
         # How logs are written to stderr: text or json.\n\
         # log-format = \"text\"\n\
         # Keys that get no certificate: taken again whenever it changes.\n\
         blocked-keys-file = \"{BLOCKED_KEYS}\"\n\
         \n\
         [log]\n\
         # What keeps the ledger.\n\
         kind = \"files\"\n\
         \n\
         [store]\n\
         # dir = \"store\"\n\
         \n\
         [issuers]\n\
         # dir = \"issuers\"\n\
         {passphrase}\
         \n\
         [server]\n\
         # credentials = \"server\"\n\
         \n\
         [profiles]\n\
         # The object identifier of your hardware, below your own enterprise number; birth certificates then say it.\n\
         # hardware-type = \"1.3.6.1.4.1.PEN.1\"\n\
         # backdate-minutes = 60\n\
         \n\
         [profiles.ldevid]\n\
         # lifetime-days = 30\n\
         \n\
         [limits]\n\
         # connections-max = 8192\n\
         # requests-max = 4096\n",
        organization = text(&plan.organization),
        listen = or_default("listen", plan.listen.to_string(), LISTEN_DEFAULT),
        http_listen = or_default("http-listen", plan.http_listen.to_string(), HTTP_LISTEN_DEFAULT),
        metrics_listen =
            or_default("metrics-listen", plan.metrics_listen.to_string(), METRICS_LISTEN_DEFAULT),
    )
}

pub(super) fn blocked_keys() -> &'static str {
    "# Keys that get no certificate, besides the published test keys, which never do. One entry a line: the SHA-256 over the\n\
     # SubjectPublicKeyInfo in hex, or its first 30 digits or more. What follows a # is a comment. For a certificate or a key:\n\
     #   openssl x509 -in cert.pem -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum\n\
     #   openssl pkey -in key.pem -pubout -outform DER | sha256sum\n\
     # Write the next list beside this one and move it here: it is taken within seconds, without a restart; the log says how many entries it\n\
     # has. A list with a mistake is not taken, and the one before it stays in force.\n\
     # Certificates that exist are not touched: touchmark revoke --key SHA256 --reason keyCompromise revokes them.\n"
}

pub(super) const BLOCKED_KEYS: &str = "blocked-keys.txt";

fn listed(name: String, path: PathBuf, certificate: &Certificate) -> MadeCertificate {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.der());
    let sha256: Vec<String> = digest.as_ref().iter().map(|octet| format!("{octet:02X}")).collect();
    let serial_number = certificate.serial_number().to_string();
    MadeCertificate { name, path, serial_number, sha256: sha256.join(":") }
}

/// A path, quoted for a shell if necessary.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@".contains(c);
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
