//! Hostile callers over real sockets: idle connections, half-sent calls, unfinished handshakes, half-sent
//! requests. Each attack goes on until it is dropped.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prost::bytes::Bytes;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::raw::RawCodec;
use crate::{Caller, Credentials};

/// An attack that goes on until it is dropped.
#[derive(Debug, Default)]
pub struct Attack {
    /// The source address, if one was chosen.
    from: Option<Ipv4Addr>,
    tasks: JoinSet<()>,
    open: Arc<AtomicUsize>,
    tried: Arc<AtomicUsize>,
}

impl Attack {
    /// Comes from this address; all of 127.0.0.0/8 is the loopback.
    pub fn from(address: Ipv4Addr) -> Self {
        Self { from: Some(address), ..Self::default() }
    }

    /// The number of open connections.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// The number of attempts to open one.
    pub fn tried(&self) -> usize {
        self.tried.load(Ordering::SeqCst)
    }

    /// This many idle connections over mTLS that speak HTTP/2 and answer its PINGs; each is opened again when
    /// it is closed.
    pub fn idle(&mut self, server: SocketAddr, who: Option<&Credentials>, trust: &str, connections: usize) {
        let (connector, from) = (connector(who, trust), self.from);
        for _ in 0..connections {
            let (connector, open, tried) =
                (connector.clone(), Arc::clone(&self.open), Arc::clone(&self.tried));
            self.tasks.spawn(async move {
                loop {
                    tried.fetch_add(1, Ordering::SeqCst);
                    if let Some(mut stream) = connect(server, from, &connector).await {
                        let mut seen = false;
                        while frame(&mut stream).await.is_some() {
                            // The server's first frame means that it has accepted the connection.
                            if !std::mem::replace(&mut seen, true) {
                                open.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                        if seen {
                            open.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            });
        }
    }

    /// This many connections, each with this many calls whose message never comes; started again when they
    /// end.
    pub fn half_calls(
        &mut self,
        server: SocketAddr,
        who: &Credentials,
        path: &'static str,
        connections: usize,
        calls: usize,
    ) {
        for _ in 0..connections {
            let caller = Caller::new(server, who);
            for _ in 0..calls {
                let channel = caller.channel();
                self.tasks.spawn(async move {
                    loop {
                        let mut client = tonic::client::Grpc::new(channel.clone());
                        if client.ready().await.is_ok() {
                            let never = tonic::Request::new(tokio_stream::pending::<Bytes>());
                            let path = path.parse().expect("a path");
                            // A stream stays open with its answers.
                            if let Ok(answers) = client.streaming(never, path, RawCodec).await {
                                let mut answers = answers.into_inner();
                                while let Ok(Some(_)) = answers.message().await {}
                            }
                        }
                        tokio::time::sleep(AGAIN_AFTER).await;
                    }
                });
            }
        }
    }

    /// This many handshakes at a time, each with a new key exchange, closed when it is complete.
    pub fn handshakes(&mut self, server: SocketAddr, who: Option<&Credentials>, trust: &str, at_once: usize) {
        let (connector, from) = (connector(who, trust), self.from);
        for _ in 0..at_once {
            let (connector, tried) = (connector.clone(), Arc::clone(&self.tried));
            self.tasks.spawn(async move {
                loop {
                    tried.fetch_add(1, Ordering::SeqCst);
                    if connect(server, from, &connector).await.is_none() {
                        tokio::time::sleep(AGAIN_AFTER).await;
                    }
                }
            });
        }
    }

    /// This many connections that send these bytes and then nothing, opened again when they are closed.
    pub fn half_sent(&mut self, server: SocketAddr, bytes: &'static [u8], connections: usize) {
        let from = self.from;
        for _ in 0..connections {
            let (open, tried) = (Arc::clone(&self.open), Arc::clone(&self.tried));
            self.tasks.spawn(async move {
                loop {
                    tried.fetch_add(1, Ordering::SeqCst);
                    if let Some(mut stream) = open_tcp(server, from).await
                        && stream.write_all(bytes).await.is_ok()
                    {
                        open.fetch_add(1, Ordering::SeqCst);
                        let mut answer = [0; 512];
                        while stream.read(&mut answer).await.is_ok_and(|read| read > 0) {}
                        open.fetch_sub(1, Ordering::SeqCst);
                    }
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            });
        }
    }

    /// Runs any other attack in a loop.
    pub fn repeat<F: Future<Output = ()> + Send>(&mut self, mut what: impl FnMut() -> F + Send + 'static) {
        self.tasks.spawn(async move {
            loop {
                what().await;
            }
        });
    }
}

fn connector(who: Option<&Credentials>, trust: &str) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    for anchor in CertificateDer::pem_slice_iter(trust.as_bytes()) {
        roots.add(anchor.expect("PEM")).expect("an anchor");
    }
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = match who {
        Some(who) => {
            let chain = who.presented_der().into_iter().map(CertificateDer::from).collect();
            let key = PrivateKeyDer::from_pem_slice(who.key.as_bytes()).expect("a key");
            config.with_client_auth_cert(chain, key).expect("a credential")
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// A connection on which HTTP/2 has started.
async fn connect(
    server: SocketAddr,
    from: Option<Ipv4Addr>,
    connector: &TlsConnector,
) -> Option<TlsStream<TcpStream>> {
    let tcp = open_tcp(server, from).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = connector.connect(name, tcp).await.ok()?;
    stream.write_all(PREFACE).await.ok()?;
    Some(stream)
}

async fn open_tcp(server: SocketAddr, from: Option<Ipv4Addr>) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    if let Some(from) = from {
        socket.bind((from, 0).into()).ok()?;
    }
    socket.connect(server).await.ok()
}

/// Reads a frame and answers a PING; `None`: the connection has ended or GOAWAY was received.
async fn frame(stream: &mut TlsStream<TcpStream>) -> Option<()> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length.min(FRAME_BYTES_MAX)];
    stream.read_exact(&mut payload).await.ok()?;
    if (head[3], head[4] & 1) == (PING, 0) {
        stream.write_all(&[&[0, 0, 8, PING, 1, 0, 0, 0, 0], payload.as_slice()].concat()).await.ok()?;
    }
    Some(())
}

/// The client's preface, without settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// RFC 9113, section 6.7.
const PING: u8 = 6;

/// The longest frame without another agreement.
const FRAME_BYTES_MAX: usize = 16 * 1024;

/// The shortest pause that leaves the test's own processor free.
const AGAIN_AFTER: Duration = Duration::from_millis(20);
