//! Renewals over three kinds of connections: a new one for each; one on which the device called a moment
//! before; one of thousands of idle connections.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryStreamExt};
use proto::v1::enrollment_service_client::EnrollmentServiceClient;
use proto::v1::{GetRenewalInfoRequest, RenewRequest};
use rustls::ClientConfig;
use tests::{Credentials, Device, KeyAndRequest};
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use crate::cycle::{Load, Run, alternate};
use crate::enroll::{Born, Site};
use crate::limit::{CertificateLimit, HandshakeLimit};
use crate::report::{Report, print_table};
use crate::server::Server;
use crate::terms::{Place, Windows};

/// The load.
#[derive(Debug, Args)]
// Every renewal needs a device that was born, enrolled and connected before; that takes ten times as long.
#[command(
    mut_arg("count", |count| count.default_value("5")),
    mut_arg("seconds", |seconds| seconds.default_value("0.75"))
)]
pub(crate) struct Renew {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    windows: Windows,
    /// Measure this kind of connection only [default: all, one after the other].
    #[arg(long)]
    only: Option<Connection>,
}

/// The state of the connection before the renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Connection {
    /// None: each renewal opens one.
    New,
    /// Opened a moment before for `GetRenewalInfo`.
    Warm,
    /// Opened long before, with those of all other devices.
    Idle,
}

/// A device with an operational certificate in use and a prepared request.
struct Enrolled {
    config: Arc<ClientConfig>,
    open: Option<Channel>,
    request: RenewRequest,
}

impl Renew {
    /// Measures and reports.
    pub(crate) fn run(&self) -> Result<()> {
        let (runtime, server) = self.place.begin()?;
        let site = runtime.block_on(Site::new(&server))?;
        let mut runs = Vec::new();
        for connection in Connection::ALL.into_iter().filter(|one| self.only.is_none_or(|only| only == *one))
        {
            let fleet = Fleet { site: &site, server: &server, connection, in_flight: self.windows.in_flight };
            runs.push((connection, self.measure(&runtime, &fleet)?));
        }
        let reports: Vec<_> = runs.iter().map(|(connection, run)| connection.report(run)).collect();
        print_table(&reports);
        if self.place.json {
            let (first, others) = reports.split_first().context("something was measured")?;
            let mut figures = first.json();
            for other in others {
                figures[other.name.trim_start_matches("renew-")] = other.json();
            }
            println!("{figures}");
        }
        Ok(())
    }

    fn measure(&self, runtime: &Runtime, fleet: &Fleet<'_>) -> Result<Run> {
        let window = self.windows.length();
        let expected = self.windows.expected(RATE_MAX);
        let certificate = CertificateLimit::new()?;
        let first = runtime.block_on(fleet.site.born(fleet.server, 1))?.pop().context("a device")?;
        let handshake = HandshakeLimit::new(&fleet.server.credentials(), &first.credentials)?;
        let waiting: RefCell<Vec<Enrolled>> = RefCell::default();
        // The cost of closing connections belongs to no renewal.
        let used: RefCell<Vec<Channel>> = RefCell::default();
        alternate(
            fleet.server,
            self.windows.count,
            || {
                used.borrow_mut().clear();
                let missing = expected.saturating_sub(waiting.borrow().len());
                waiting.borrow_mut().extend(runtime.block_on(fleet.enrolled(missing))?);
                Ok(())
            },
            || match fleet.connection {
                Connection::New => Ok(certificate.measure(window / 4)? + handshake.measure(window / 4)?),
                Connection::Warm | Connection::Idle => certificate.measure(window / 2),
            },
            || runtime.block_on(fleet.load(&mut waiting.borrow_mut(), &mut used.borrow_mut(), window)),
        )
    }
}

impl Connection {
    const ALL: [Self; 3] = [Self::New, Self::Warm, Self::Idle];

    fn report(self, run: &Run) -> Report<'_> {
        let (name, aim) = match self {
            Self::New => ("renew", 0.75),
            Self::Warm => ("renew-warm", 0.75),
            Self::Idle => ("renew-idle", 0.0),
        };
        Report { name, run, aim }
    }
}

/// The devices and the CA.
struct Fleet<'a> {
    site: &'a Site,
    server: &'a Server,
    connection: Connection,
    in_flight: usize,
}

impl Fleet<'_> {
    /// Adds devices with a certificate in use.
    async fn enrolled(&self, count: usize) -> Result<Vec<Enrolled>> {
        let born = self.site.born(self.server, count).await?;
        let enrolling = futures::stream::iter(born).map(|born| self.enroll(born));
        enrolling.buffer_unordered(PREPARED_AT_ONCE).try_collect().await
    }

    async fn enroll(&self, born: Born) -> Result<Enrolled> {
        let channel = self.site.connect(born.config).await?;
        let key = KeyAndRequest::fresh();
        let request = proto::v1::EnrollRequest { csr: key.csr.clone(), ..born.request };
        let answer = EnrollmentServiceClient::new(channel).enroll(request).await?.into_inner();
        let certificate = answer.certificate.context("a certificate")?.certificate;
        let anchors = answer.trust_bundle.context("a trust bundle")?.anchors;
        let credentials = Credentials::from_der(&key.key, &certificate, &answer.chain, &anchors);
        let config = self.site.config(&credentials)?;
        let request_id = Device::new("cam-2", "SN00000000").request_id;
        let request = RenewRequest { request_id, csr: KeyAndRequest::fresh().csr };
        // The first call confirms the certificate, which belongs to the enrolment.
        let confirmed = self.opened(Enrolled { config, open: None, request }).await?;
        Ok(match self.connection {
            Connection::Idle => confirmed,
            Connection::New | Connection::Warm => Enrolled { open: None, ..confirmed },
        })
    }

    /// Connects and calls `GetRenewalInfo`.
    async fn opened(&self, device: Enrolled) -> Result<Enrolled> {
        let channel = self.site.connect(device.config.clone()).await?;
        EnrollmentServiceClient::new(channel.clone()).get_renewal_info(GetRenewalInfoRequest {}).await?;
        Ok(Enrolled { open: Some(channel), ..device })
    }

    /// One window: until it ends or no devices are left. Connections that are opened before are opened for
    /// [`OPENED_BEFORE`] devices at a time, and those of earlier devices are closed then.
    async fn load(
        &self,
        waiting: &mut Vec<Enrolled>,
        used: &mut Vec<Channel>,
        window: Duration,
    ) -> Result<Load> {
        let mut load = Load::new()?;
        if self.connection != Connection::Warm {
            self.renewals(waiting, used, &mut load, window).await?;
            return Ok(load);
        }
        while load.elapsed < window && !waiting.is_empty() {
            let before = self.server.answering_us()?;
            used.clear();
            let some = waiting.split_off(waiting.len().saturating_sub(OPENED_BEFORE));
            let opening = futures::stream::iter(some).map(|device| self.opened(device));
            let mut opened = opening.buffer_unordered(PREPARED_AT_ONCE).try_collect().await?;
            load.prepared_us += self.server.answering_us()? - before;
            self.renewals(&mut opened, used, &mut load, Duration::MAX).await?;
        }
        Ok(load)
    }

    /// Renews this many at a time, until the window ends or no devices are left.
    async fn renewals(
        &self,
        waiting: &mut Vec<Enrolled>,
        used: &mut Vec<Channel>,
        load: &mut Load,
        length: Duration,
    ) -> Result<()> {
        let started = Instant::now();
        let first = waiting.drain(..self.in_flight.min(waiting.len()));
        let mut asking: FuturesUnordered<_> = first.map(|device| self.renew(device)).collect();
        while let Some(renewed) = asking.next().await {
            let (took, open) = renewed?;
            load.answered(took);
            used.extend(open);
            if started.elapsed() < length {
                asking.extend(waiting.pop().map(|device| self.renew(device)));
            }
        }
        load.elapsed += started.elapsed();
        Ok(())
    }

    /// Returns the latency, and the connection that was open before.
    async fn renew(&self, device: Enrolled) -> Result<(Duration, Option<Channel>)> {
        let started = Instant::now();
        let channel = match device.open.clone() {
            Some(open) => open,
            None => self.site.connect(device.config).await?,
        };
        EnrollmentServiceClient::new(channel).renew(device.request).await?;
        Ok((started.elapsed(), device.open))
    }
}

/// Above the rate of any core of today; devices for a window are made for this rate.
const RATE_MAX: f64 = 7_000.0;

/// Devices that are enrolled at a time before a window.
const PREPARED_AT_ONCE: usize = 32;

/// Devices that call `GetRenewalInfo` before the first of them renews: as many as come in a tenth of a
/// second.
const OPENED_BEFORE: usize = 128;
