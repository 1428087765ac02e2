//! Operational certificates as at first boot: each device opens a connection, makes one call and closes it.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use hyper_util::rt::TokioIo;
use prost::bytes::Bytes;
use proto::v1::enrollment_service_client::EnrollmentServiceClient;
use proto::v1::{EnrollRequest, GetWorkOrderRequest};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tests::{Answer, Device, KeyAndRequest, ask_on_stream};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use crate::cycle::{Load, Run, alternate};
use crate::limit::{CertificateLimit, HandshakeLimit, anchors, presented, private_key};
use crate::report::{Report, print_table};
use crate::server::Server;
use crate::terms::{Place, Windows};

/// The load.
#[derive(Debug, Args)]
pub(crate) struct Enroll {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    windows: Windows,
}

impl Enroll {
    /// Measures and reports.
    pub(crate) fn run(&self) -> Result<()> {
        let (runtime, server) = self.place.begin()?;
        let site = runtime.block_on(Site::new(&server))?;
        let run = self.measure(&runtime, &server, &site)?;
        let report = Report { name: "enroll", run: &run, aim: 0.75 };
        print_table(std::slice::from_ref(&report));
        if self.place.json {
            println!("{}", report.json());
        }
        Ok(())
    }

    fn measure(&self, runtime: &tokio::runtime::Runtime, server: &Server, site: &Site) -> Result<Run> {
        let window = self.windows.length();
        let expected = self.windows.expected(RATE_MAX);
        let certificate = CertificateLimit::new()?;
        let mut first = runtime.block_on(site.born(server, 1))?;
        let first = first.pop().context("a device")?;
        let handshake = HandshakeLimit::new(&server.credentials(), &first.credentials)?;
        let waiting = RefCell::new(Vec::new());
        alternate(
            server,
            self.windows.count,
            || {
                let missing = expected.saturating_sub(waiting.borrow().len());
                waiting.borrow_mut().extend(runtime.block_on(site.born(server, missing))?);
                Ok(())
            },
            || Ok(certificate.measure(window / 4)? + handshake.measure(window / 4)?),
            || runtime.block_on(first_boots(site, &mut waiting.borrow_mut(), window, self.windows.in_flight)),
        )
    }
}

/// The parts that all devices share.
pub(crate) struct Site {
    address: std::net::SocketAddr,
    anchors: Arc<RootCertStore>,
    chain: Vec<Bytes>,
    trust: proto::v1::TrustBundle,
    made: std::cell::Cell<usize>,
}

/// A device with its birth certificate and its prepared request.
pub(crate) struct Born {
    pub(crate) credentials: tests::Credentials,
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) request: EnrollRequest,
}

impl Site {
    pub(crate) async fn new(server: &Server) -> Result<Self> {
        let request = GetWorkOrderRequest { work_order: server.order().to_owned() };
        let order = server.station().provisioning().get_work_order(request).await?.into_inner();
        let anchors = Arc::new(anchors(&server.credentials())?);
        let trust = order.trust_bundle.context("a trust bundle")?;
        let address = server.authority().grpc();
        Ok(Self { address, anchors, chain: order.chain, trust, made: std::cell::Cell::new(0) })
    }

    /// Adds devices, born on one stream.
    pub(crate) async fn born(&self, server: &Server, count: usize) -> Result<Vec<Born>> {
        let first = self.made.replace(self.made.get() + count);
        let devices: Vec<_> =
            (first..first + count).map(|number| Device::new("cam-2", &format!("SN{number:08}"))).collect();
        let requests = devices.iter().map(|device| device.birth_request(server.order())).collect();
        let mut answers = ask_on_stream(&server.station(), requests).await;
        let born = devices.into_iter().map(|device| {
            let answer = answers.remove(&device.request_id).unwrap_or(Answer::Lost);
            let Answer::Issued(certificate) = answer else { anyhow::bail!("not born: {answer:?}") };
            let credentials = device.credentials(&certificate.certificate, &self.chain, &self.trust);
            let config = self.config(&credentials)?;
            let csr = KeyAndRequest::fresh().csr;
            let request = EnrollRequest { request_id: device.request_id.clone(), csr };
            Ok(Born { credentials, config, request })
        });
        born.collect()
    }

    pub(crate) fn config(&self, credentials: &tests::Credentials) -> Result<Arc<ClientConfig>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(self.anchors.clone())
            .with_client_auth_cert(presented(credentials), private_key(credentials)?)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }

    /// Connects, calls, and disconnects.
    async fn first_boot(&self, device: Born) -> Result<Duration> {
        let started = Instant::now();
        let channel = self.connect(device.config).await?;
        EnrollmentServiceClient::new(channel).enroll(device.request).await?;
        Ok(started.elapsed())
    }

    /// Opens a device's connection.
    pub(crate) async fn connect(&self, config: Arc<ClientConfig>) -> Result<Channel> {
        let connector = TlsConnector::from(config);
        let address = self.address;
        let connect = tower::service_fn(move |_: http::Uri| {
            let connector = connector.clone();
            async move {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let name = ServerName::try_from("localhost").map_err(std::io::Error::other)?;
                connector.connect(name, stream).await.map(TokioIo::new)
            }
        });
        // The connector speaks TLS, unknown to the endpoint.
        Ok(Endpoint::from_static("http://localhost").connect_with_connector(connect).await?)
    }
}

async fn first_boots(
    site: &Site,
    waiting: &mut Vec<Born>,
    window: Duration,
    in_flight: usize,
) -> Result<Load> {
    let mut load = Load::new()?;
    let mut boots = FuturesUnordered::new();
    let started = Instant::now();
    boots.extend(waiting.drain(..in_flight.min(waiting.len())).map(|device| site.first_boot(device)));
    while let Some(booted) = boots.next().await {
        load.answered(booted?);
        if started.elapsed() < window {
            boots.extend(waiting.pop().map(|device| site.first_boot(device)));
        }
    }
    load.elapsed = started.elapsed();
    Ok(load)
}

/// Above the rate of any core of today; devices for a window are made for this rate.
const RATE_MAX: f64 = 3_500.0;
