//! A CA whose certificates name its CRLs and OCSP, devices, and other verifiers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use prost::bytes::Bytes;
use proto::v1::selection::By;
use proto::v1::{DeviceId, RevokeRequest, Selection};

use crate::seed::fresh_request_id;
use crate::{CertificateAuthority, Credentials, Device, Factory, OrderTerms};

/// A running CA, its factory, and a directory for files.
#[derive(Debug)]
pub struct Site {
    pub authority: CertificateAuthority,
    pub factory: Factory,
    directory: tempfile::TempDir,
}

/// A device with its birth certificate and an operational one.
#[derive(Debug)]
pub struct Holder {
    pub id: DeviceId,
    pub birth: Credentials,
    pub operational: Credentials,
}

impl Site {
    pub fn open() -> Self {
        Self::around(CertificateAuthority::founded_with_public_url())
    }

    /// Around a CA that was made and does not run yet.
    pub fn around(mut authority: CertificateAuthority) -> Self {
        authority.serve();
        let factory = Factory::of(&authority);
        Self { authority, factory, directory: tempfile::tempdir().unwrap() }
    }

    /// Kills the CA, and runs it again.
    pub fn kill_and_serve(&mut self) {
        self.authority.kill();
        self.serve_again();
    }

    /// Runs a CA that has ended again.
    pub fn serve_again(&mut self) {
        self.authority.serve();
        self.factory = Factory::of(&self.authority);
    }

    /// `cam-2/SN` with this number, born at a station of its own.
    pub async fn device(&self, unit: u32) -> Holder {
        let name = format!("line-{unit}");
        let station = self.factory.station(&name).await;
        let order = self.factory.order(OrderTerms::new(1, &[&name])).await;
        let device = Device::new("cam-2", &format!("SN{unit:06}"));
        let birth = self.factory.born(&station, &order, &device).await;
        let operational = self.factory.enrolled(&birth).await;
        Holder { id: device.id, birth, operational }
    }

    /// Revokes this many certificates, as an operator, and waits until all of it is recorded.
    pub async fn revoke(&self, by: By, certificates: u64, reason: &str) {
        let request = RevokeRequest {
            request_id: fresh_request_id(),
            selection: Some(Selection { by: Some(by) }),
            reason: reason.into(),
            invalidity_date: None,
            expected_certificates: certificates,
            remark: String::new(),
        };
        let mut progress = self.factory.operator().lifecycle().revoke(request).await.unwrap().into_inner();
        while progress.message().await.unwrap().is_some_and(|progress| !progress.done) {}
    }

    /// Head and body of a public resource.
    pub fn fetch(&self, path: &str) -> (String, Vec<u8>) {
        plain_http(self.authority.public(), &format!("GET {path} HTTP/1.0\r\nhost: ca\r\n\r\n"), &[])
    }

    /// A CRL, which must exist.
    pub fn crl(&self, path: &str) -> Vec<u8> {
        let (head, body) = self.fetch(path);
        assert!(head.starts_with("HTTP/1.0 200"), "{path}: {head}");
        body
    }

    /// A file that lasts as long as the site.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The result of openssl's OCSP client: the status, and its lines about time and reason.
    pub fn openssl_ocsp(&self, holder: &Credentials, extra: &[&str]) -> String {
        let certificate = self.write("leaf.pem", &holder.certificate);
        let issuer = self.write("issuer.pem", &holder.chain);
        let root = self.write("root.pem", &holder.trust);
        let url = format!("http://{}/ocsp", self.authority.public());
        let mut command = Command::new("openssl");
        command.arg("ocsp").args(extra).arg("-issuer").arg(issuer).arg("-cert").arg(certificate);
        let output = command.args(["-url", &url, "-CAfile"]).arg(root).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stderr).contains("Response verify OK"), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The result of GnuTLS's OCSP client, and the file with the response.
    pub fn ocsptool(&self, holder: &Credentials) -> (String, PathBuf) {
        let certificate = self.write("leaf.pem", &holder.certificate);
        let issuer = self.write("issuer.pem", &holder.chain);
        let answer = self.directory.path().join("answer.der");
        let url = format!("--ask=http://{}/ocsp", self.authority.public());
        let mut command = Command::new("ocsptool");
        command.arg(url).arg("--load-issuer").arg(&issuer).arg("--load-cert").arg(certificate);
        command.arg("--load-trust").arg(issuer).arg("--outder").arg("--outfile").arg(&answer);
        let output = command.output().unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("Verifying OCSP Response: Success"), "{text}");
        (text, answer)
    }

    /// The result of `openssl verify -crl_check_all` with these CRLs.
    pub fn openssl_verify(&self, holder: &Credentials, lists: &[&str]) -> String {
        let certificate = self.write("leaf.pem", &holder.certificate);
        let (issuer, root) = (self.write("issuer.pem", &holder.chain), self.write("root.pem", &holder.trust));
        let text: String = lists.iter().map(|path| pem(&self.crl(path))).collect();
        let lists = self.write("lists.pem", &text);
        let mut command = Command::new("openssl");
        command.args(["verify", "-x509_strict", "-crl_check_all", "-CAfile"]).arg(root).arg("-untrusted");
        let output = command.arg(issuer).arg("-CRLfile").arg(lists).arg(certificate).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    /// The CRL entry as openssl prints it: date and reason.
    pub fn listed(&self, path: &str, serial: &str) -> Option<(String, String)> {
        let file = self.write("list.der", self.crl(path));
        let output = Command::new("openssl")
            .args(["crl", "-inform", "DER", "-noout", "-text", "-in"])
            .arg(file)
            .output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        let (_, after) = text.split_once(&format!("Serial Number: {serial}"))?;
        let line = |text: &str, from: &str| {
            let (_, after) = text.split_once(from)?;
            Some(after.lines().next()?.trim().to_owned())
        };
        let date = line(after, "Revocation Date: ")?;
        // Up to the next entry, because an entry without a reason is shorter.
        let entry = after.split("Serial Number: ").next().unwrap_or_default();
        let reason = entry.split_once("CRL Reason Code:").and_then(|(_, after)| after.lines().nth(1));
        Some((date, reason.unwrap_or_default().trim().to_owned()))
    }
}

impl Holder {
    /// The operational certificate's serial number as openssl prints it in CRLs.
    pub fn serial(&self) -> String {
        self.operational.serial_number().iter().map(|octet| format!("{octet:02X}")).collect()
    }
}

impl Credentials {
    /// The certificate's serial number as bytes.
    pub fn serial_number(&self) -> Bytes {
        let der = self.certificate_der();
        let (_, certificate) = x509_parser::parse_x509_certificate(&der).expect("a certificate");
        Bytes::copy_from_slice(certificate.raw_serial())
    }
}

/// One request on a new connection: head and body of the response.
pub fn plain_http(address: SocketAddr, head: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(ANSWERED_WITHIN)).unwrap();
    // Sent at once, so that a client that is refused before the body is read does not see the connection
    // break.
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    (String::from_utf8_lossy(&answer[..end]).into_owned(), answer[end + 4..].to_vec())
}

fn pem(list: &[u8]) -> String {
    pem::encode(&pem::Pem::new("X509 CRL", list))
}

/// For the loopback on a busy machine.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
