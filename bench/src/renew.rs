//! Operational certificates that follow one another: over a connection that is open, and with a connection of its own for each.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryStreamExt};
use proto::v1::enrollment_service_client::EnrollmentServiceClient;
use proto::v1::{GetTrustBundleRequest, RenewRequest};
use tests::{Credentials, Device, KeyAndRequest};
use tonic::transport::Channel;

use crate::cycle::{Load, Run, alternate};
use crate::enroll::{Born, Site};
use crate::limit::{CertificateLimit, HandshakeLimit};
use crate::report::{Report, print_table};
use crate::server::Server;
use crate::terms::{Place, Windows};

/// What to measure, and for how long.
#[derive(Debug, Args)]
// Every renewal needs a device that was born, enrolled and connected before: that takes ten times as long.
#[command(
    mut_arg("count", |count| count.default_value("5")),
    mut_arg("seconds", |seconds| seconds.default_value("0.75"))
)]
pub(crate) struct Renew {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    windows: Windows,
}

/// What the connection was before the question.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Connection {
    New,
    Warm,
}

/// A device with an operational certificate in use, and the question that it will ask.
struct Enrolled {
    config: std::sync::Arc<rustls::ClientConfig>,
    warm: Channel,
    request: RenewRequest,
}

impl Renew {
    /// Measures and reports.
    pub(crate) fn run(&self) -> Result<()> {
        let (runtime, server) = self.place.begin()?;
        let site = runtime.block_on(Site::new(&server))?;
        let new = self.measure(&runtime, &server, &site, Connection::New)?;
        let warm = self.measure(&runtime, &server, &site, Connection::Warm)?;
        let reports = [
            Report { name: "renew", run: &new, aim: 0.75 },
            Report { name: "renew-warm", run: &warm, aim: 0.75 },
        ];
        print_table(&reports);
        if self.place.json {
            reports.iter().for_each(|report| println!("{}", report.json()));
        }
        Ok(())
    }

    fn measure(
        &self,
        runtime: &tokio::runtime::Runtime,
        server: &Server,
        site: &Site,
        connection: Connection,
    ) -> Result<Run> {
        let window = self.windows.length();
        let expected = self.windows.expected(RATE_MAX);
        let certificate = CertificateLimit::new()?;
        let first = runtime.block_on(site.born(server, 1))?.pop().context("a device")?;
        let handshake = HandshakeLimit::new(&server.credentials(), &first.credentials)?;
        let waiting: RefCell<Vec<Enrolled>> = RefCell::default();
        // What a connection costs when it ends is nobody's renewal.
        let used: RefCell<Vec<Channel>> = RefCell::default();
        alternate(
            server,
            self.windows.count,
            || {
                used.borrow_mut().clear();
                let missing = expected.saturating_sub(waiting.borrow().len());
                waiting.borrow_mut().extend(runtime.block_on(enrolled(site, server, missing))?);
                Ok(())
            },
            || match connection {
                Connection::New => Ok(certificate.measure(window / 4)? + handshake.measure(window / 4)?),
                Connection::Warm => certificate.measure(window / 2),
            },
            || {
                let mut waiting = waiting.borrow_mut();
                let used = &mut used.borrow_mut();
                runtime.block_on(renewals(
                    site,
                    &mut waiting,
                    window,
                    self.windows.in_flight,
                    connection,
                    used,
                ))
            },
        )
    }
}

/// So many devices more, with a certificate in use and a connection that is open.
async fn enrolled(site: &Site, server: &Server, count: usize) -> Result<Vec<Enrolled>> {
    let born = site.born(server, count).await?;
    futures::stream::iter(born)
        .map(|born| enroll(site, born))
        .buffer_unordered(PREPARED_AT_ONCE)
        .try_collect()
        .await
}

async fn enroll(site: &Site, born: Born) -> Result<Enrolled> {
    let channel = site.connect(born.config).await?;
    let key = KeyAndRequest::fresh();
    let request = proto::v1::EnrollRequest { csr: key.csr.clone(), ..born.request };
    let answer = EnrollmentServiceClient::new(channel).enroll(request).await?.into_inner();
    let certificate = answer.certificate.context("a certificate")?.certificate;
    let anchors = answer.trust_bundle.context("a trust bundle")?.anchors;
    let credentials = Credentials::from_der(&key.key, &certificate, &answer.chain, &anchors);
    let config = site.config(&credentials)?;
    let warm = site.connect(config.clone()).await?;
    // The first call confirms the certificate: that belongs to the enrolment.
    EnrollmentServiceClient::new(warm.clone()).get_trust_bundle(GetTrustBundleRequest {}).await?;
    let request_id = Device::new("cam-2", "SN00000000").request_id;
    let request = RenewRequest { request_id, csr: KeyAndRequest::fresh().csr };
    Ok(Enrolled { config, warm, request })
}

async fn renewals(
    site: &Site,
    waiting: &mut Vec<Enrolled>,
    window: Duration,
    in_flight: usize,
    connection: Connection,
    used: &mut Vec<Channel>,
) -> Result<Load> {
    let mut load = Load::new()?;
    let mut asking = FuturesUnordered::new();
    let started = Instant::now();
    let first = waiting.drain(..in_flight.min(waiting.len()));
    asking.extend(first.map(|device| renew(site, device, connection)));
    while let Some(renewed) = asking.next().await {
        let (took, connection_before) = renewed?;
        load.answered(took);
        used.push(connection_before);
        if started.elapsed() < window {
            asking.extend(waiting.pop().map(|device| renew(site, device, connection)));
        }
    }
    load.elapsed = started.elapsed();
    Ok(load)
}

/// How long it took; and the connection that was open before.
async fn renew(site: &Site, device: Enrolled, connection: Connection) -> Result<(Duration, Channel)> {
    let started = Instant::now();
    let channel = match connection {
        Connection::New => site.connect(device.config).await?,
        Connection::Warm => device.warm.clone(),
    };
    EnrollmentServiceClient::new(channel).renew(device.request).await?;
    Ok((started.elapsed(), device.warm))
}

/// Faster than any core of today renews: devices for a window are made for this rate.
const RATE_MAX: f64 = 7_000.0;

/// Devices that are enrolled at a time before a window.
const PREPARED_AT_ONCE: usize = 32;
