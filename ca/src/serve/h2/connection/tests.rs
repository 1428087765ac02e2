//! Connections over real sockets, from callers who read slowly, not at all, or say what they must not.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2::{self, SendRequest};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::accept::Acceptor;
use super::*;
use crate::http::metrics::{Figures, Metrics};
use crate::serve::open::tests::opened;
use crate::serve::quota::PerClientQuota;

/// An acceptor over what `init` made, with [`answer`] behind it.
struct Served {
    _dir: tempfile::TempDir,
    address: std::net::SocketAddr,
    connector: TlsConnector,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Served {
    async fn start(change: impl FnOnce(&mut Limits)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut settings, opened) = opened(dir.path()).await;
        change(&mut settings.limits);
        let metrics = Arc::new(Metrics::new(Arc::new(Figures::default)));
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = tower::service_fn(answer);
        let quota = PerClientQuota::new(settings.limits.connections_max, settings.limits.requests_max);
        let (limits, authority) = (settings.limits, Arc::clone(&opened.authority));
        let counted = Arc::clone(&metrics);
        let acceptor =
            Acceptor::new(opened.server.config(), limits, counted, service, authority, quota, stop.clone());
        let running = tokio::spawn(acceptor.run(listener));
        let root = CertificateDer::from_pem_file(settings.server_credentials.join("trust.pem")).unwrap();
        Self { _dir: dir, address, connector: connector(root), metrics, stop, running }
    }

    /// A connection that says nothing yet; the system takes as much for it as it likes, or very little.
    async fn connect(&self, takes_little: bool) -> TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        if takes_little {
            socket.set_recv_buffer_size(4096).unwrap();
        }
        let tcp = socket.connect(self.address).await.unwrap();
        self.connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap()
    }

    async fn caller(&self, window: u32) -> (SendRequest<Full<Bytes>>, JoinHandle<hyper::Result<()>>) {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(window);
        let stream = TokioIo::new(self.connect(false).await);
        let (caller, connection) = builder.handshake(stream).await.unwrap();
        (caller, tokio::spawn(connection))
    }

    async fn until_counted(&self, line: &str) {
        let seen = timeout(PATIENCE, async {
            while !self.metrics.text().unwrap().lines().any(|counted| counted == line) {
                sleep(Duration::from_millis(10)).await;
            }
        });
        seen.await.unwrap_or_else(|_| panic!("{line} is not in\n{}", self.metrics.text().unwrap()));
    }

    async fn stopped(self) -> Arc<Metrics> {
        self.stop.cancel();
        timeout(PATIENCE, self.running).await.unwrap().unwrap();
        self.metrics
    }
}

fn connector(root: CertificateDer<'static>) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// To `/panic` nothing; to a number as many bytes, in messages, and a status; to all else how much was sent.
async fn answer(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    assert_ne!(path, "panic", "asked to");
    let length = match path.parse() {
        Ok(length) => length,
        Err(_) => request.into_body().collect().await.unwrap().to_bytes().len(),
    };
    let message = Bytes::from_static(&[b'm'; MESSAGE_BYTES]);
    let messages = (0..length / MESSAGE_BYTES).map(move |_| Frame::data(message.clone()));
    let trailers = http::HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), 0.into())]);
    let frames = messages.chain([Frame::trailers(trailers)]).map(Ok::<_, Infallible>);
    Ok(Response::new(Body::new(StreamBody::new(stream::iter(frames)))))
}

fn ask(path: &str) -> Request<Full<Bytes>> {
    Request::post(format!("https://localhost/{path}")).body(Full::default()).unwrap()
}

/// How many bytes came, and that the status came behind them.
async fn received(answer: Response<Incoming>) -> usize {
    let whole = timeout(PATIENCE, answer.into_body().collect()).await.unwrap().unwrap();
    assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
    whole.to_bytes().len()
}

#[tokio::test]
async fn readers_with_tiny_windows_get_all_of_their_answers() {
    let served = Served::start(|_| ()).await;
    let (mut caller, connection) = served.caller(100).await;
    let length = 8 * MESSAGE_BYTES;
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(caller.send_request(ask(&length.to_string())).await.unwrap());
    }
    for answer in answers {
        assert_eq!(received(answer).await, length);
    }
    drop(caller);
    connection.await.unwrap().unwrap();
    served.until_counted("touchmark_connections 0").await;
}

#[tokio::test]
async fn who_sends_more_than_a_window_is_given_another() {
    let served = Served::start(|_| ()).await;
    let (mut caller, _connection) = served.caller(65_535).await;
    let sent = Full::new(Bytes::from_static(&[0; 400 * MESSAGE_BYTES]));
    let request = Request::post("https://localhost/count").body(sent).unwrap();
    let answer = timeout(PATIENCE, caller.send_request(request)).await.unwrap().unwrap();
    assert_eq!(received(answer).await, 400 * MESSAGE_BYTES);
}

#[tokio::test]
async fn a_handler_that_panics_harms_its_own_call_only() {
    let served = Served::start(|_| ()).await;
    let (mut caller, connection) = served.caller(65_535).await;
    caller.send_request(ask("panic")).await.unwrap_err();
    assert_eq!(received(caller.send_request(ask("0")).await.unwrap()).await, 0);
    drop(caller);
    connection.await.unwrap().unwrap();
    served.until_counted("touchmark_connections 0").await;
}

/// It is more than all buffers on the way take: what is left waits in the server until there is room on the
/// wire.
#[tokio::test]
async fn an_answer_begun_before_a_stop_arrives_whole() {
    let served = Served::start(|_| ()).await;
    let mut stream = served.connect(true).await;
    let length = 2000 * MESSAGE_BYTES;
    stream.write_all(&[PREFACE, WIDE, &raw_request(1, &length.to_string())].concat()).await.unwrap();
    let mut head = vec![0; 9];
    stream.read_exact(&mut head).await.unwrap();
    served.stop.cancel();
    let mut received = 0;
    let mut status_came = false;
    // Up to the end of TLS, in order.
    while let Some((kind, flags, payload)) = frame(&mut stream, std::mem::take(&mut head)).await {
        match kind {
            DATA => received += payload.len(),
            HEADERS => status_came |= flags & END_STREAM != 0,
            // We leave after the answer to this.
            PING_KIND if flags & ACK == 0 => {
                stream
                    .write_all(&[&[0, 0, 8, PING_KIND, ACK, 0, 0, 0, 0], payload.as_slice()].concat())
                    .await
                    .unwrap();
            }
            _ => {}
        }
    }
    assert_eq!((received, status_came), (length, true));
    let metrics = served.stopped().await;
    assert!(metrics.text().unwrap().contains("touchmark_connections 0\n"));
}

#[tokio::test]
async fn a_stop_waits_for_nobody_who_only_shakes_hands() {
    let served = Served::start(|_| ()).await;
    let _silent = TcpStream::connect(served.address).await.unwrap();
    served.until_counted("touchmark_handshakes_in_flight 1").await;
    let metrics = served.stopped().await;
    assert!(metrics.text().unwrap().contains("touchmark_handshakes_in_flight 0\n"));
}

#[tokio::test]
async fn who_says_nothing_after_the_handshake_takes_no_place_and_is_cut_like_one_in_it() {
    let served = Served::start(|limits| limits.handshake_timeout = Duration::from_millis(500)).await;
    let mut silent = served.connect(false).await;
    assert!(!matches!(timeout(PATIENCE, silent.read(&mut [0])).await.unwrap(), Ok(1..)));
    served.until_counted("touchmark_connections_dropped_total{reason=\"handshake_too_slow\"} 1").await;
    served.until_counted("touchmark_connections 0").await;
    let _silent = served.connect(false).await;
    served.until_counted("touchmark_handshakes_total 2").await;
    served.stopped().await;
}

#[tokio::test]
async fn a_ping_is_answered_when_nothing_else_is_to_say() {
    let served = Served::start(|_| ()).await;
    let mut stream = served.connect(false).await;
    stream.write_all(PREFACE).await.unwrap();
    until_frame(&mut stream, SETTINGS, ACK).await;
    for _ in 0..3 {
        stream.write_all(PING).await.unwrap();
        until_frame(&mut stream, PING_KIND, ACK).await;
    }
}

#[tokio::test]
async fn who_breaks_the_protocol_is_told_so_before_the_end() {
    let served = Served::start(|_| ()).await;
    let mut stream = served.connect(false).await;
    stream.write_all(PREFACE).await.unwrap();
    // Data of no stream.
    stream.write_all(&[0, 0, 1, 0, 0, 0, 0, 0, 0, b'?']).await.unwrap();
    until_frame(&mut stream, GOAWAY, 0).await;
    // TLS ends in order too, or this were an error.
    assert_eq!(timeout(PATIENCE, stream.read(&mut [0])).await.unwrap().unwrap(), 0);
    served.until_counted("touchmark_connections 0").await;
}

/// HTTP/2 then waits for room to write and reads nothing, so that a failing read alone would never be seen.
#[tokio::test]
async fn a_stranger_who_reads_nothing_is_cut_for_another() {
    let served = Served::start(|limits| limits.anonymous_connections_max = 1).await;
    let mut deaf = served.connect(true).await;
    deaf.write_all(PREFACE).await.unwrap();
    let pings = PING.repeat(1000);
    // Its answers fill all buffers, and then its questions.
    while let Ok(sent) = timeout(Duration::from_millis(300), deaf.write_all(&pings)).await {
        sent.unwrap();
    }
    let mut other = served.connect(false).await;
    other.write_all(PREFACE).await.unwrap();
    until_frame(&mut other, SETTINGS, ACK).await;
    served.until_counted("touchmark_connections_dropped_total{reason=\"anonymous_crowded_out\"} 1").await;
    served.until_counted("touchmark_connections 1").await;
}

/// Reads frames until one of this kind with these flags.
async fn until_frame(stream: &mut TlsStream<TcpStream>, kind: u8, flags: u8) {
    loop {
        let (came, with, _) =
            frame(stream, vec![]).await.unwrap_or_else(|| panic!("no frame of kind {kind}"));
        if (came, with) == (kind, flags) {
            return;
        }
    }
}

/// The kind, the flags and the payload of the next frame, of which `head` was read; `None`: the end.
async fn frame(stream: &mut TlsStream<TcpStream>, mut head: Vec<u8>) -> Option<(u8, u8, Vec<u8>)> {
    timeout(PATIENCE, async {
        if head.is_empty() {
            head.resize(9, 0);
            if stream.read(&mut head[..1]).await.unwrap() == 0 {
                return None;
            }
            stream.read_exact(&mut head[1..]).await.unwrap();
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await.unwrap();
        Some((head[3], head[4], payload))
    })
    .await
    .unwrap()
}

/// All of a request without a message, on this stream.
fn raw_request(id: u8, path: &str) -> Vec<u8> {
    // RFC 7541, appendix A: POST, https, then :path and :authority.
    let path = [&[0x83, 0x87, 0x04, path.len() as u8 + 1, b'/'], path.as_bytes()].concat();
    let fields = [path.as_slice(), &[0x01, 9], b"localhost"].concat();
    [&[0, 0, fields.len() as u8, HEADERS, 0x05, 0, 0, 0, id], fields.as_slice()].concat()
}

/// What a client says first: who it is, and no settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Windows as large as they may be: settings, and an update for the connection.
const WIDE: &[u8] = b"\0\0\x06\x04\0\0\0\0\0\0\x04\x7f\xff\xff\xff\0\0\x04\x08\0\0\0\0\0\x7f\xff\0\0";

const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0touching";

/// RFC 9113, section 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING_KIND: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;

const MESSAGE_BYTES: usize = 6000;
const PATIENCE: Duration = Duration::from_secs(30);
