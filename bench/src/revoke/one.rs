//! Revokes one certificate: the time until its shard's CRL, its OCSP response and the feed show it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join4;
use prost::bytes::Bytes;
use proto::v1::revocation_service_client::RevocationServiceClient;
use proto::v1::{
    CertificateSummary, DeviceId, ListCertificatesRequest, RevokeRequest, Selection, WatchRevocationsRequest,
    WatchRevocationsResponse, list_certificates_request, selection::By,
};
use tests::Caller;
use tonic::Streaming;

use crate::der::{INTEGER, element};
use crate::ocsp::{Asker, Questions};
use crate::server::Server;

/// Measured from the operator's call on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) list: Duration,
    pub(super) answer: Duration,
    pub(super) feed: Duration,
}

/// The longest of several, each of another device.
pub(super) async fn slowest(server: &Server, serials: impl Iterator<Item = String>) -> Result<Told> {
    let mut slowest = Told { list: Duration::ZERO, answer: Duration::ZERO, feed: Duration::ZERO };
    for serial in serials {
        let told = revoke_one(server, serial).await?;
        slowest.list = slowest.list.max(told.list);
        slowest.answer = slowest.answer.max(told.answer);
        slowest.feed = slowest.feed.max(told.feed);
    }
    Ok(slowest)
}

async fn revoke_one(server: &Server, serial: String) -> Result<Told> {
    let operator = server.authority().operator();
    let certificate = birth_certificate(&operator, serial).await?;
    let request = WatchRevocationsRequest { cursor: String::new(), from_now: true };
    let mut feed =
        RevocationServiceClient::new(operator.channel()).watch_revocations(request).await?.into_inner();
    feed.message().await?.context("the first message")?;
    let address = server.authority().public();
    let (lists, status) = (Asker::connect(address).await?, Asker::connect(address).await?);
    let questions = Questions::about_births(server, std::slice::from_ref(&certificate.serial_number))?;

    let started = Instant::now();
    let asked = ask(&operator, &certificate.serial_number);
    let listed = until_listed(lists, &certificate);
    let answered = until_answered(status, &questions);
    let heard = until_heard(&mut feed, &certificate.serial_number);
    let ((), list, answer, feed) = try_join4(asked, listed, answered, heard).await?;
    let since = |then: Instant| then.duration_since(started);
    Ok(Told { list: since(list), answer: since(answer), feed: since(feed) })
}

async fn birth_certificate(operator: &Caller, serial: String) -> Result<CertificateSummary> {
    let device = DeviceId { product: "cam-2".to_owned(), serial };
    let selection = Some(list_certificates_request::Selection::Device(device));
    let request = ListCertificatesRequest { selection, page: None };
    let mut known = operator.lifecycle().list_certificates(request).await?.into_inner().certificates;
    known.pop().context("a birth certificate")
}

async fn ask(operator: &Caller, serial_number: &Bytes) -> Result<()> {
    let request = RevokeRequest {
        request_id: serial_number.clone(),
        selection: Some(Selection { by: Some(By::SerialNumber(serial_number.clone())) }),
        reason: "keyCompromise".to_owned(),
        invalidity_date: None,
        expected_certificates: 1,
        remark: String::new(),
    };
    let mut progress = operator.lifecycle().revoke(request).await?.into_inner();
    while progress.message().await?.is_some() {}
    Ok(())
}

async fn until_listed(mut asker: Asker, certificate: &CertificateSummary) -> Result<Instant> {
    let path = format!("/crl/factory/{}.crl", certificate.shard.context("a shard")?);
    let entry = element(INTEGER, &[&certificate.serial_number]);
    let started = Instant::now();
    while !asker.fetch(&path).await?.windows(entry.len()).any(|bytes| bytes == entry) {
        ensure!(started.elapsed() < TOLD_WITHIN, "it is not on the list");
        tokio::time::sleep(POLL).await;
    }
    Ok(Instant::now())
}

async fn until_answered(mut asker: Asker, questions: &Questions) -> Result<Instant> {
    let (question, cert_id) = (questions.plain(0)?, questions.cert_id(0)?);
    let started = Instant::now();
    loop {
        let answer = asker.ask(&question).await?;
        let at = answer.windows(cert_id.len()).position(|bytes| bytes == cert_id).context("a CertID")?;
        if answer.get(at + cert_id.len()) == Some(&REVOKED) {
            return Ok(Instant::now());
        }
        ensure!(started.elapsed() < TOLD_WITHIN, "the answer is still another");
        tokio::time::sleep(POLL).await;
    }
}

async fn until_heard(
    feed: &mut Streaming<WatchRevocationsResponse>,
    serial_number: &Bytes,
) -> Result<Instant> {
    while let Some(page) = feed.message().await? {
        if page.events.iter().any(|event| event.serial_number == serial_number) {
            return Ok(Instant::now());
        }
    }
    anyhow::bail!("the feed ended")
}

/// `revoked`, RFC 6960, section 4.2.1.
const REVOKED: u8 = 0xa1;

/// Ten times the target.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(2);
