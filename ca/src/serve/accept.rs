//! From TCP to TLS, within limits: ten thousand connections that say nothing cost a bounded amount of memory and stop nobody
//! (R-CA-15).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use diagnostics::Limit;
use http::{Request, Response};
use hyper::server::conn::http2::Builder;
use hyper_util::rt::TokioExecutor;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::io::AsyncBufReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tower::Service;
use tracing::{debug, info, warn};

use super::connection::{Connection, http2};
use super::places::{Cut, Places};
use super::wire::Wire;
use crate::config::Limits;
use crate::http::metrics::{Dropped, Metrics};
use crate::tls::PeerCertificate;

/// Accepts, and serves what it accepted. Owns the tasks of connections, each from its first byte to its end.
pub(super) struct Acceptor<S> {
    tls: watch::Receiver<Arc<rustls::ServerConfig>>,
    limits: Limits,
    metrics: Arc<Metrics>,
    http2: Builder<TokioExecutor>,
    service: S,
    places: Mutex<Places>,
    stop: CancellationToken,
}

impl<S> Acceptor<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    pub(super) fn new(
        tls: watch::Receiver<Arc<rustls::ServerConfig>>,
        limits: Limits,
        metrics: Arc<Metrics>,
        service: S,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let (http2, places) = (http2(&limits), Mutex::new(Places::new(&limits)));
        Arc::new(Self { tls, limits, metrics, http2, service, places, stop })
    }

    /// Accepts until stopped, then waits until all connections have ended.
    pub(super) async fn run(self: Arc<Self>, listener: TcpListener) {
        let connections = TaskTracker::new();
        let mut handshakes = Handshakes::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, address)) => {
                    if handshakes.make_room(self.limits.handshakes_max) {
                        self.metrics.dropped(Dropped::HandshakeCrowdedOut);
                    }
                    connections.spawn(Arc::clone(&self).connection(tcp, address, handshakes.begin()));
                }
                Err(error) => {
                    // Of a single connection, or no more files: then wait until some were closed.
                    if is_lasting(&error) {
                        if NOT_ACCEPTED.admits() {
                            warn!(%error, "cannot accept connections");
                        }
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        drop(listener);
        connections.close();
        connections.wait().await;
    }

    /// From the handshake to the end.
    async fn connection(self: Arc<Self>, tcp: TcpStream, address: SocketAddr, handshake: Arc<Cut>) {
        let stream = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            () = handshake.ended() => return,
            stream = self.shake_hands(tcp, address) => stream,
        };
        drop(handshake);
        let Some(connection) = stream.and_then(|stream| self.admit(stream, address)) else { return };
        if let Err(error) = connection.serve(&self.http2, self.service.clone(), &self.stop).await {
            debug!(peer.address = %address, %error, "a connection broke");
        }
    }

    async fn shake_hands(&self, tcp: TcpStream, address: SocketAddr) -> Option<TlsStream<TcpStream>> {
        let _in_flight = self.metrics.handshakes_in_flight();
        // Small messages must not wait for others.
        tcp.set_nodelay(true).ok();
        // Who takes nothing would not even be asked by HTTP/2 whether it is still there.
        set_tcp_user_timeout(&tcp, UNTAKEN_MS_MAX).ok();
        match timeout(self.limits.handshake_timeout, self.hear(tcp)).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => {
                self.metrics.dropped(Dropped::HandshakeFailed);
                // Who shows a certificate that is not good is a caller whom we refuse; all else is noise of the network.
                match refused_certificate(&error) {
                    Some(why) if CERTIFICATES_REFUSED.admits() => {
                        info!(peer.address = %address, ?why, "refused a client certificate in the handshake");
                    }
                    _ => debug!(peer.address = %address, %error, "TLS handshake refused"),
                }
            }
            Err(_) => {
                self.metrics.dropped(Dropped::HandshakeTooSlow);
                debug!(peer.address = %address, "TLS handshake too slow");
            }
        }
        None
    }

    /// The handshake, and then the first that is said: HTTP/2 would wait for it without end.
    async fn hear(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let tls = TlsAcceptor::from(Arc::clone(&self.tls.borrow()));
        let mut stream = tls.accept(tcp).await?;
        self.metrics.handshake_completed();
        // It is read again; so is what breaks here.
        stream.fill_buf().await.ok();
        Ok(stream)
    }

    fn admit(&self, stream: TlsStream<TcpStream>, address: SocketAddr) -> Option<Connection> {
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let peer = PeerCertificate::new(shown.map(AsRef::as_ref));
        let taken = self.places.lock().unwrap_or_else(PoisonError::into_inner).take(&peer);
        let Some((place, cut_another)) = taken else {
            self.metrics.dropped(Dropped::TooManyConnections);
            debug!(peer.address = %address, "connection refused: there are too many, in all or with this certificate");
            return None;
        };
        if cut_another {
            self.metrics.dropped(Dropped::AnonymousCrowdedOut);
        }
        let wire = Wire::new(stream, place.cut().map(Arc::clone));
        Some(Connection { wire, peer, _place: place, _open: self.metrics.connections_open() })
    }
}

/// Handshakes that were begun, oldest first. One that has ended has dropped its [`Cut`].
#[derive(Default)]
struct Handshakes(VecDeque<Weak<Cut>>);

impl Handshakes {
    /// For as long as the handshake takes.
    fn begin(&mut self) -> Arc<Cut> {
        let cut = Arc::new(Cut::default());
        self.0.push_back(Arc::downgrade(&cut));
        cut
    }

    /// Cuts the oldest one when there are `max`, and says so: an honest one takes milliseconds, so the oldest is the least likely to
    /// come to anything.
    fn make_room(&mut self, max: usize) -> bool {
        // Most end in the order in which they began.
        while self.0.front().is_some_and(|oldest| oldest.strong_count() == 0) {
            self.0.pop_front();
        }
        if self.0.len() >= max {
            self.0.retain(|handshake| handshake.strong_count() > 0);
        }
        if self.0.len() < max {
            return false;
        }
        let oldest = self.0.pop_front().and_then(|oldest| oldest.upgrade());
        oldest.as_deref().inspect(|oldest| oldest.now()).is_some()
    }
}

/// Why the client's certificate ended the handshake, if it did.
fn refused_certificate(error: &io::Error) -> Option<&rustls::CertificateError> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(why) => Some(why),
        _ => None,
    }
}

/// Whether the next `accept` would fail the same way: not one connection that its other end has given up.
fn is_lasting(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// Strangers decide how many these are.
static CERTIFICATES_REFUSED: Limit = Limit::new("refused a client certificate in the handshake");

static NOT_ACCEPTED: Limit = Limit::new("cannot accept connections");

/// How long to wait when there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long the other end may take nothing of what was sent: as long as it may leave HTTP/2's question unanswered.
const UNTAKEN_MS_MAX: u32 = 50_000;
