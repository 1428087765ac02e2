//! Accepts connections within limits: ten thousand silent ones cost little and keep nobody out (R-CA-15).

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use authority::{Authority, Proof};
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

use super::super::connection_limits::ConnectionLimits;
use super::super::peer::{Identity, Peer};
use super::super::quota::PerClientQuota;
use super::super::revocation::close_revoked;
use super::coalescing_stream::CoalescingStream;
use super::connection::{Connection, http2};
use crate::config::Limits;
use crate::http::metrics::{DropReason, Metrics};
use crate::network_limit::{Acquired, Network, NetworkLimit, NetworkPermit};
use crate::tls::proof_of;

pub(in crate::serve) struct Acceptor<S> {
    tls: watch::Receiver<Arc<rustls::ServerConfig>>,
    limits: Limits,
    metrics: Arc<Metrics>,
    http2: Builder<TokioExecutor>,
    service: S,
    authority: Arc<Authority>,
    quota: Arc<PerClientQuota>,
    handshakes: Arc<NetworkLimit>,
    connection_limits: Arc<ConnectionLimits>,
    stop: CancellationToken,
}

impl<S> Acceptor<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    pub(in crate::serve) fn new(
        tls: watch::Receiver<Arc<rustls::ServerConfig>>,
        limits: Limits,
        metrics: Arc<Metrics>,
        service: S,
        authority: Arc<Authority>,
        quota: Arc<PerClientQuota>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            tls,
            limits,
            metrics,
            http2: http2(&limits),
            service,
            authority,
            handshakes: NetworkLimit::new(limits.handshakes_max),
            connection_limits: ConnectionLimits::new(&limits, Arc::clone(&quota)),
            quota,
            stop,
        })
    }

    /// Accepts until stopped, and waits for the end of all connections. Closes revoked ones meanwhile.
    pub(in crate::serve) async fn run(self: Arc<Self>, listener: TcpListener) {
        let (authority, connection_limits) =
            (Arc::clone(&self.authority), Arc::clone(&self.connection_limits));
        tokio::select! {
            () = self.accept(listener) => {}
            () = close_revoked(&authority, &connection_limits) => {}
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
                    // Permits of handshakes are never active, so there is always one to evict.
                    let Some((permit, acquired)) = self.handshakes.acquire(address.ip()) else { continue };
                    if acquired == Acquired::Evicted {
                        self.metrics.dropped(DropReason::HandshakeEvicted);
                    }
                    connections.spawn(Arc::clone(&self).connection(tcp, address, permit));
                }
                Err(error) => {
                    // Out of file descriptors: wait until some connections were closed.
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

    async fn connection(self: Arc<Self>, tcp: TcpStream, address: SocketAddr, permit: NetworkPermit) {
        let stream = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            () = permit.evicted() => return,
            stream = self.accept_tls(tcp, address) => stream,
        };
        drop(permit);
        let Some(stream) = stream else { return };
        let Some(connection) = self.admit(stream, address).await else { return };
        if let Err(error) = connection.serve(&self.http2, self.service.clone(), &self.stop).await {
            debug!(peer.address = %address, %error, "a connection broke");
        }
    }

    async fn accept_tls(&self, tcp: TcpStream, address: SocketAddr) -> Option<TlsStream<TcpStream>> {
        let _in_flight = self.metrics.handshakes_in_flight();
        // No Nagle: small messages must not wait for acknowledgements.
        tcp.set_nodelay(true).ok();
        // No PING can be sent to a client whose window is full: a TCP user timeout detects it.
        set_tcp_user_timeout(&tcp, UNACKNOWLEDGED_MS_MAX).ok();
        match timeout(self.limits.handshake_timeout, self.handshake(tcp)).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => {
                self.metrics.dropped(DropReason::HandshakeFailed);
                // A refused certificate is a caller with a problem; other failures are noise of the network.
                match refused_certificate(&error) {
                    Some(why) if CERTIFICATES_REFUSED.admits() => {
                        info!(peer.address = %address, ?why, "refused a client certificate in the handshake");
                    }
                    _ => debug!(peer.address = %address, %error, "TLS handshake refused"),
                }
            }
            Err(_) => {
                self.metrics.dropped(DropReason::HandshakeTooSlow);
                debug!(peer.address = %address, "TLS handshake too slow");
            }
        }
        None
    }

    /// TLS handshake and the first application bytes: hyper has no timeout for the HTTP/2 preface.
    async fn handshake(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let tls = TlsAcceptor::from(Arc::clone(&self.tls.borrow()));
        let mut stream = tls.accept(tcp).await?;
        self.metrics.handshake_completed();
        // Fills the buffer and consumes nothing; an error shows again at the next read.
        stream.fill_buf().await.ok();
        Ok(stream)
    }

    async fn admit(&self, stream: TlsStream<TcpStream>, address: SocketAddr) -> Option<Connection> {
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let (proof, network) = (shown.map(proof_of), Network::of(address.ip()));
        let identity = self.identify(proof.as_ref()).await;
        let mut peer = Arc::new(Peer::new(proof.clone(), identity, network));
        let mut acquired = self.connection_limits.acquire(&peer, address.ip());
        // Checked after the connection is in the index: a revocation after this check finds it there.
        if let (Some(caller), true) = (peer.caller(), acquired.is_some())
            && self.authority.check_caller(caller).await.is_err()
        {
            peer = Arc::new(Peer::new(proof, Identity::Refused, network));
            acquired = self.connection_limits.acquire(&peer, address.ip());
        }
        let Some((permit, acquired)) = acquired else {
            self.metrics.dropped(DropReason::TooManyConnections);
            debug!(peer.address = %address, "connection refused: the limit of its principal or of all principals is reached");
            return None;
        };
        if acquired == Acquired::Evicted {
            self.metrics.dropped(match peer.identity {
                Identity::Refused => DropReason::RefusedEvicted,
                Identity::BareKey => DropReason::BareKeyEvicted,
                Identity::Anonymous | Identity::Principal { .. } => DropReason::AnonymousEvicted,
            });
        }
        Some(Connection {
            stream: CoalescingStream::new(stream),
            peer,
            permit,
            _open: self.metrics.connections_open(),
        })
    }

    async fn identify(&self, proof: Option<&Proof>) -> Identity {
        match proof {
            None => Identity::Anonymous,
            Some(Proof::BareKey(_)) => Identity::BareKey,
            // TLS proves no token.
            Some(Proof::Token(_)) => Identity::Refused,
            Some(Proof::Certificate(certificate)) => match self.authority.recognise(certificate).await {
                Ok(caller) => Identity::Principal { usage: self.quota.usage(&caller), caller },
                Err(_) => Identity::Refused,
            },
        }
    }
}

/// Why the client's certificate was refused, if that is what ended the handshake.
fn refused_certificate(error: &io::Error) -> Option<&rustls::CertificateError> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(why) => Some(why),
        _ => None,
    }
}

/// Whether the next `accept` would fail, too: not so when only this connection was reset by its client.
fn is_lasting(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// Unauthenticated clients can cause any number of these.
static CERTIFICATES_REFUSED: Limit = Limit::new("refused a client certificate in the handshake");

static NOT_ACCEPTED: Limit = Limit::new("cannot accept connections");

/// How long to wait when no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long sent bytes may stay unacknowledged, in milliseconds: keepalive interval and timeout together.
const UNACKNOWLEDGED_MS_MAX: u32 = 50_000;
