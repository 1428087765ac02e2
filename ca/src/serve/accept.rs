//! From TCP to TLS, within limits: ten thousand connections that say nothing cost a bounded amount of memory and stop nobody
//! (R-CA-15).

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use authority::{Authority, PeerCertificate};
use diagnostics::Limit;
use http::{Request, Response};
use hyper::server::conn::http2::Builder;
use hyper_util::rt::TokioExecutor;
use rustix::net::sockopt::set_tcp_user_timeout;
use store::Store;
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
use super::holders::Holders;
use super::places::Places;
use super::visitor::{Visitor, Who};
use super::wire::Wire;
use super::withdrawal::close_withdrawn;
use crate::config::Limits;
use crate::crowd::{Crowd, Entered, Guest};
use crate::http::metrics::{Dropped, Metrics};

/// Accepts, and serves what it accepted. Owns the tasks of connections, each from its first byte to its end.
pub(super) struct Acceptor<W, S> {
    tls: watch::Receiver<Arc<rustls::ServerConfig>>,
    limits: Limits,
    metrics: Arc<Metrics>,
    http2: Builder<TokioExecutor>,
    service: S,
    authority: Arc<Authority<W>>,
    holders: Arc<Holders>,
    handshakes: Arc<Crowd>,
    places: Arc<Places>,
    stop: CancellationToken,
}

impl<W, S> Acceptor<W, S>
where
    W: Store,
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    pub(super) fn new(
        tls: watch::Receiver<Arc<rustls::ServerConfig>>,
        limits: Limits,
        metrics: Arc<Metrics>,
        service: S,
        authority: Arc<Authority<W>>,
        holders: Arc<Holders>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            tls,
            limits,
            metrics,
            http2: http2(&limits),
            service,
            authority,
            handshakes: Crowd::new(limits.handshakes_max),
            places: Places::new(&limits, Arc::clone(&holders)),
            holders,
            stop,
        })
    }

    /// Accepts until stopped, then waits until all connections have ended. Meanwhile closes those whose certificates are withdrawn.
    pub(super) async fn run(self: Arc<Self>, listener: TcpListener) {
        let (authority, places) = (Arc::clone(&self.authority), Arc::clone(&self.places));
        tokio::select! {
            () = self.accept(listener) => {}
            () = close_withdrawn(&authority, &places) => {}
        }
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let connections = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, address)) => {
                    // Nobody is served among them, so there is always one to be cut.
                    let Some((handshake, entered)) = self.handshakes.enter(address.ip()) else { continue };
                    if entered == Entered::CutAnother {
                        self.metrics.dropped(Dropped::HandshakeCrowdedOut);
                    }
                    connections.spawn(Arc::clone(&self).connection(tcp, address, handshake));
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
    async fn connection(self: Arc<Self>, tcp: TcpStream, address: SocketAddr, handshake: Guest) {
        let stream = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            () = handshake.cut().ended() => return,
            stream = self.shake_hands(tcp, address) => stream,
        };
        drop(handshake);
        let Some(stream) = stream else { return };
        let Some(connection) = self.admit(stream, address).await else { return };
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

    /// Completes the TLS handshake and waits for the first bytes of the application: HTTP/2 has no time limit for its preface.
    async fn hear(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let tls = TlsAcceptor::from(Arc::clone(&self.tls.borrow()));
        let mut stream = tls.accept(tcp).await?;
        self.metrics.handshake_completed();
        // It is read again; so is what breaks here.
        stream.fill_buf().await.ok();
        Ok(stream)
    }

    /// Finds out who it is, and a place for it. A principal has its share of places; a stranger, and whoever is refused, may be cut for the
    /// next one.
    async fn admit(&self, stream: TlsStream<TcpStream>, address: SocketAddr) -> Option<Connection> {
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let peer = PeerCertificate::new(shown.map(AsRef::as_ref));
        let mut visitor = Arc::new(self.recognise(peer.clone()).await);
        let mut taken = self.places.take(&visitor, address.ip());
        // Only now: a hold or revocation that comes after this look finds the connection among the open ones.
        if let (Some(caller), true) = (visitor.caller(), taken.is_some())
            && self.authority.check_caller(caller).await.is_err()
        {
            visitor = Arc::new(Visitor::refused(peer));
            taken = self.places.take(&visitor, address.ip());
        }
        let Some((place, entered)) = taken else {
            self.metrics.dropped(Dropped::TooManyConnections);
            debug!(peer.address = %address, "connection refused: its holder has its share, or all places are taken");
            return None;
        };
        if entered == Entered::CutAnother {
            self.metrics.dropped(match visitor.who {
                Who::Refused => Dropped::RefusedCrowdedOut,
                Who::Nobody | Who::Known { .. } => Dropped::AnonymousCrowdedOut,
            });
        }
        Some(Connection { wire: Wire::new(stream), visitor, place, _open: self.metrics.connections_open() })
    }

    async fn recognise(&self, peer: PeerCertificate) -> Visitor {
        if peer.der().is_none() {
            return Visitor::nobody();
        }
        match self.authority.holder(&peer).await {
            Ok(caller) => {
                let holder = self.holders.holder(&caller);
                Visitor::known(peer, caller, holder)
            }
            Err(_) => Visitor::refused(peer),
        }
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
