//! Many devices behind TCP ports of this process, one address for each slot: real ones with a key each, or
//! echoes that give recorded answers.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use prost::Message;
use proto::v1;
use proto::v1::device_message::Response;
use proto::v1::station_message::Request;
use rcgen::SigningKey;
use serde::{Deserialize, Serialize};
use tests::KeyAndRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// One request and its answer, as bytes on the link.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Exchange {
    pub(super) request: Vec<u8>,
    pub(super) answer: Vec<u8>,
}

/// The listeners of all slots. Dropping them closes them.
pub(super) struct Devices {
    port: u16,
    shared: Arc<Shared>,
    _listeners: JoinSet<()>,
}

struct Shared {
    answers_after: Duration,
    /// Made before the window.
    keys: Mutex<VecDeque<KeyAndRequest>>,
    /// The exchanges of the first unit.
    exchanges: Mutex<Vec<Exchange>>,
    /// The answers of echoes; otherwise devices think.
    echo: Option<Vec<Exchange>>,
}

impl Devices {
    /// Devices for so many units, each of which answers after a pause.
    pub(super) async fn start(slots: u8, units: usize, answers_after: Duration) -> Result<Self> {
        let keys = (0..units + usize::from(slots)).map(|_| KeyAndRequest::fresh()).collect();
        Self::listen(
            slots,
            Shared { answers_after, keys: Mutex::new(keys), exchanges: Mutex::default(), echo: None },
        )
        .await
    }

    /// Far ends that answer each frame with the recorded answer in its place.
    pub(super) async fn echo(slots: u8, exchanges: Vec<Exchange>) -> Result<Self> {
        let answers_after = Duration::ZERO;
        let (keys, none) = (Mutex::default(), Mutex::default());
        Self::listen(slots, Shared { answers_after, keys, exchanges: none, echo: Some(exchanges) }).await
    }

    async fn listen(slots: u8, shared: Shared) -> Result<Self> {
        let shared = Arc::new(shared);
        let first = TcpListener::bind((address(1), 0)).await?;
        let port = first.local_addr()?.port();
        let mut listeners = JoinSet::new();
        listeners.spawn(accept(first, Arc::clone(&shared)));
        for slot in 2..=slots {
            let listener =
                TcpListener::bind((address(slot), port)).await.context("an address for each slot")?;
            listeners.spawn(accept(listener, Arc::clone(&shared)));
        }
        Ok(Self { port, shared, _listeners: listeners })
    }

    /// The station's `--link`.
    pub(super) fn link(&self) -> String {
        format!("tcp:127.0.1.{{slot}}:{}", self.port)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// What the first unit exchanged, once its link is closed.
    pub(super) async fn exchanges(&self) -> Result<Vec<Exchange>> {
        let closed = async {
            loop {
                let exchanges = self.shared.exchanges.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if !exchanges.is_empty() {
                    return exchanges;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(CLOSED_WITHIN, closed).await.context("no unit closed its link")
    }
}

/// After the end of the station.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// Linux answers at every address of the loopback's network.
pub(super) fn address(slot: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, slot)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut units = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while units.try_join_next().is_some() {}
        stream.set_nodelay(true).ok();
        let shared = Arc::clone(&shared);
        units.spawn(async move {
            // The station sees a link that is closed, and says so.
            unit(stream, &shared).await.ok();
        });
    }
}

/// One unit, for as long as its link is open.
async fn unit(mut stream: TcpStream, shared: &Shared) -> Result<()> {
    let key = shared.keys.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let mut device = Device { key, serial: String::new(), install: None };
    let mut decoder = link::Decoder::new();
    let mut buffer = vec![0; 16 * 1024];
    let mut exchanges = Vec::new();
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            break;
        }
        for payload in decoder.push(buffer.get(..length).unwrap_or_default()).flatten() {
            let answer = match &shared.echo {
                Some(recorded) => recorded.get(exchanges.len()).context("one request more")?.answer.clone(),
                None => device.answer(&payload)?,
            };
            if !shared.answers_after.is_zero() {
                tokio::time::sleep(shared.answers_after).await;
            }
            stream.write_all(&answer).await?;
            exchanges.push(Exchange { request: link::encode(&payload)?, answer });
        }
    }
    let mut first = shared.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
    if first.is_empty() {
        *first = exchanges;
    }
    Ok(())
}

struct Device {
    key: Option<KeyAndRequest>,
    serial: String,
    install: Option<v1::Install>,
}

impl Device {
    /// The frame that answers a message.
    fn answer(&mut self, payload: &[u8]) -> Result<Vec<u8>> {
        let message = v1::StationMessage::decode(payload)?;
        let response = match message.request.context("a request")? {
            Request::Hello(hello) => {
                self.serial = hello.assigned_serial;
                Response::Hello(v1::HelloResponse {
                    protocol_version: 1,
                    device: Some(v1::DeviceId { product: hello.product, serial: self.serial.clone() }),
                    firmware: "bench".to_owned(),
                    key_types: vec!["p256".to_owned()],
                    step: v1::FactoryStep::Blank.into(),
                    ..v1::HelloResponse::default()
                })
            }
            Request::GenerateKey(_) => {
                let csr = self.key.as_ref().context("a key for each unit")?.csr.clone();
                Response::GenerateKey(v1::GenerateKeyResponse { csr })
            }
            Request::Install(install) => {
                self.install = Some(install);
                Response::Install(v1::InstallResponse {})
            }
            Request::ReadBack(read_back) => Response::ReadBack(self.read_back(&read_back.nonce)?),
            Request::Lock(_) => Response::Lock(v1::LockResponse {}),
        };
        let answer =
            v1::DeviceMessage { exchange: message.exchange, response: Some(response), from_device: true };
        Ok(link::encode(&answer.encode_to_vec())?)
    }

    fn read_back(&self, nonce: &[u8]) -> Result<v1::ReadBackResponse> {
        let install = self.install.clone().context("an installed certificate")?;
        let trust = install.trust_bundle.context("trust anchors")?;
        let anchors: Vec<Vec<u8>> = trust.anchors.iter().map(|anchor| anchor.to_vec()).collect();
        let message = provisioner::read_back_message(&nonce.try_into()?);
        let key = &self.key.as_ref().context("a key for each unit")?.key;
        Ok(v1::ReadBackResponse {
            certificate: install.certificate,
            chain: install.chain,
            anchors_digest: provisioner::anchors_digest(&anchors).into(),
            signature: key.sign(&message)?.into(),
        })
    }
}
