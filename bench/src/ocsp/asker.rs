//! An OCSP client: DER requests over plain HTTP connections that stay open.

use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use issuance::Certificate;
use prost::bytes::Bytes;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::limit::NONCE;
use crate::der::{CONTEXT, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, element};
use crate::server::Server;

/// Requests about certificates of one issuer.
pub(crate) struct Questions {
    cert_ids: Vec<Vec<u8>>,
}

impl Questions {
    /// Requests about the birth certificates with these serial numbers.
    pub(crate) fn about_births(server: &Server, serial_numbers: &[Bytes]) -> Result<Self> {
        let issuer = server.authority().directory().join("issuers/factory.cert.pem");
        let issuer = Certificate::from_der(&CertificateDer::from_pem_file(issuer)?)?;
        Ok(Self::new(&issuer, serial_numbers))
    }

    fn new(issuer: &Certificate, serial_numbers: &[Bytes]) -> Self {
        let [name, key] = [issuer.subject(), issuer.public_key().key_bits()]
            .map(|hashed| element(OCTET_STRING, &[digest(&SHA256, hashed).as_ref()]));
        let algorithm = element(SEQUENCE, &[&element(OBJECT_IDENTIFIER, &[ID_SHA256])]);
        let cert_id = |serial: &Bytes| {
            element(SEQUENCE, &[&algorithm, &name, &key, &element(INTEGER, &[serial.as_ref()])])
        };
        Self { cert_ids: serial_numbers.iter().map(cert_id).collect() }
    }

    /// The next request in turn, without a nonce, so that the response can be cached.
    pub(crate) fn plain(&self, turn: usize) -> Result<Vec<u8>> {
        self.question(turn, &[])
    }

    /// The next request with a fresh nonce, whose bytes are returned too; the response cannot be cached.
    pub(crate) fn fresh(&self, turn: usize) -> Result<(Vec<u8>, [u8; NONCE_BYTES])> {
        let mut nonce = [0; NONCE_BYTES];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| anyhow!("no randomness"))?;
        let value = element(OCTET_STRING, &[&element(OCTET_STRING, &[&nonce])]);
        let extensions = element(SEQUENCE, &[&element(SEQUENCE, &[NONCE, &value])]);
        Ok((self.question(turn, &element(CONTEXT + 2, &[&extensions]))?, nonce))
    }

    /// The CertID of the certificate in turn.
    pub(crate) fn cert_id(&self, turn: usize) -> Result<&[u8]> {
        self.cert_ids.get(turn % self.cert_ids.len().max(1)).map(Vec::as_slice).context("a certificate")
    }

    fn question(&self, turn: usize, extensions: &[u8]) -> Result<Vec<u8>> {
        let list = element(SEQUENCE, &[&element(SEQUENCE, &[self.cert_id(turn)?])]);
        Ok(element(SEQUENCE, &[&element(SEQUENCE, &[&list, extensions])]))
    }
}

/// A connection to the public listener.
pub(crate) struct Asker {
    stream: TcpStream,
    written: Vec<u8>,
    read: Vec<u8>,
}

impl Asker {
    /// Connects to the public listener.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, written: Vec::with_capacity(1024), read: Vec::with_capacity(8 * 1024) })
    }

    /// Posts a request and checks that the response has a status.
    pub(crate) async fn ask(&mut self, question: &[u8]) -> Result<&[u8]> {
        let head = format!(
            "POST /ocsp HTTP/1.1\r\nhost: ca\r\ncontent-type: application/ocsp-request\r\ncontent-length: {}\r\n\r\n",
            question.len()
        );
        let answer = self.exchange(&head, question).await?;
        ensure!(answer.get(4..7) == Some(&SUCCESSFUL), "not an answer: {answer:02x?}");
        Ok(answer)
    }

    /// The last response as received: head and body.
    pub(crate) fn last(&self) -> &[u8] {
        &self.read
    }

    /// Gets the resource at this path.
    pub(crate) async fn fetch(&mut self, path: &str) -> Result<&[u8]> {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nhost: ca\r\n\r\n"), &[]).await
    }

    async fn exchange(&mut self, head: &str, body_sent: &[u8]) -> Result<&[u8]> {
        self.written.clear();
        self.written.extend_from_slice(head.as_bytes());
        self.written.extend_from_slice(body_sent);
        self.stream.write_all(&self.written).await?;
        self.read.clear();
        let (start, end) = loop {
            let read = self.stream.read_buf(&mut self.read).await?;
            ensure!(read > 0, "the connection ended");
            if let Some((start, length)) = body(&self.read)?
                && self.read.len() >= start + length
            {
                break (start, start + length);
            }
        };
        self.read.get(start..end).context("a body")
    }
}

/// Offset and length of the body, once the head is complete.
fn body(read: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(read.get(..end).unwrap_or_default())?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "refused: {head}");
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = length.context("a content-length")?;
    Ok(Some((end + 4, length.parse()?)))
}

/// The length that RFC 9654 recommends.
pub(crate) const NONCE_BYTES: usize = 32;

/// `responseStatus successful`, after the tag and length of a response of 256 bytes or more.
const SUCCESSFUL: [u8; 3] = [0x0a, 1, 0];

/// id-sha256.
const ID_SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
