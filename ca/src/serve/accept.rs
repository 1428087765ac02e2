//! From TCP to TLS, within limits: ten thousand connections that say nothing cost a bounded amount of memory and stop nobody
//! (R-CA-15).

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::io::BufWriter;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::connection::{Connection, Cut, Place};
use super::shares::Shares;
use crate::config::Limits;
use crate::http::metrics::{Dropped, Metrics};
use crate::tls::PeerCertificate;

/// Accepts until stopped. Owns the handshakes in flight; connections belong to who receives them.
pub(super) struct Acceptor {
    pub(super) listener: TcpListener,
    pub(super) tls: TlsAcceptor,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
}

impl Acceptor {
    /// Sends each connection that completed its handshake, until `stop`.
    pub(super) async fn run(self, ready: mpsc::Sender<io::Result<Connection>>, stop: CancellationToken) {
        let mut handshakes = JoinSet::new();
        let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
        let mut places = Places::new(&self.limits);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(done) = handshakes.join_next() => {
                    // An error is a handshake that was cut; it was counted there.
                    let Ok(Some((stream, address))) = done else { continue };
                    let Some(connection) = self.admit(stream, address, &mut places) else { continue };
                    if ready.send(Ok(connection)).await.is_err() {
                        break;
                    }
                }
                accepted = self.listener.accept() => match accepted {
                    Ok((tcp, address)) => {
                        self.make_room(&mut oldest_first, handshakes.len());
                        oldest_first.push_back(handshakes.spawn(self.handshake(tcp, address)));
                    }
                    Err(error) => {
                        // Of a single connection, or no more files: then wait until some were closed.
                        if is_lasting(&error) {
                            warn!(%error, "cannot accept connections");
                            sleep(ACCEPT_PAUSE).await;
                        }
                    }
                },
            }
        }
    }

    fn handshake(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
    ) -> impl Future<Output = Option<(tokio_rustls::server::TlsStream<TcpStream>, SocketAddr)>> + Send + 'static
    {
        let (tls, metrics, limit) =
            (self.tls.clone(), Arc::clone(&self.metrics), self.limits.handshake_timeout);
        async move {
            let _in_flight = metrics.handshakes_in_flight();
            // Small messages must not wait for others.
            tcp.set_nodelay(true).ok();
            match timeout(limit, tls.accept(tcp)).await {
                Ok(Ok(stream)) => {
                    metrics.handshake_completed();
                    return Some((stream, address));
                }
                Ok(Err(error)) => {
                    metrics.dropped(Dropped::HandshakeFailed);
                    // Who shows a certificate that is not good is a caller whom we refuse; all else is noise of the network.
                    match refused_certificate(&error) {
                        Some(why) => {
                            info!(peer.address = %address, ?why, "refused a client certificate in the handshake");
                        }
                        None => debug!(peer.address = %address, %error, "TLS handshake refused"),
                    }
                }
                Err(_) => {
                    metrics.dropped(Dropped::HandshakeTooSlow);
                    debug!(peer.address = %address, "TLS handshake too slow");
                }
            }
            None
        }
    }

    /// Cuts the oldest handshake when there are as many as there may be: an honest one takes milliseconds, so the oldest is the
    /// least likely to come to anything.
    fn make_room(&self, oldest_first: &mut VecDeque<AbortHandle>, in_flight: usize) {
        if in_flight >= self.limits.handshakes_max {
            while let Some(oldest) = oldest_first.pop_front() {
                if !oldest.is_finished() {
                    oldest.abort();
                    self.metrics.dropped(Dropped::HandshakeCrowdedOut);
                    break;
                }
            }
        }
        if oldest_first.len() > 2 * self.limits.handshakes_max {
            oldest_first.retain(|handshake| !handshake.is_finished());
        }
    }

    fn admit(
        &self,
        stream: tokio_rustls::server::TlsStream<TcpStream>,
        address: SocketAddr,
        places: &mut Places,
    ) -> Option<Connection> {
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let peer = PeerCertificate::new(shown.map(AsRef::as_ref));
        let Some((place, cut_another)) = places.take(&peer) else {
            self.metrics.dropped(Dropped::TooManyConnections);
            debug!(peer.address = %address, "connection refused: there are too many, in all or with this certificate");
            return None;
        };
        if cut_another {
            self.metrics.dropped(Dropped::AnonymousCrowdedOut);
        }
        let stream = BufWriter::with_capacity(WRITE_BUFFER_BYTES, stream);
        Some(Connection { stream, peer, place, _open: self.metrics.connections_open() })
    }
}

/// Places for connections. Those with a certificate and those without do not take each other's, and one certificate takes only its share.
struct Places {
    known: Arc<Semaphore>,
    shares: Arc<Shares>,
    anonymous: VecDeque<Weak<Cut>>,
    anonymous_max: usize,
}

impl Places {
    fn new(limits: &Limits) -> Self {
        Self {
            known: Arc::new(Semaphore::new(limits.connections_max)),
            shares: Shares::of(limits.connections_max),
            anonymous: VecDeque::new(),
            anonymous_max: limits.anonymous_connections_max,
        }
    }

    /// A place, and whether another connection was cut for it.
    fn take(&mut self, peer: &PeerCertificate) -> Option<(Place, bool)> {
        if let Some(certificate) = peer.digest() {
            let share = self.shares.take(certificate)?;
            let permit = Arc::clone(&self.known).try_acquire_owned().ok()?;
            return Some((Place::Known { _permit: permit, _share: share }, false));
        }
        let mut cut_another = false;
        if self.anonymous.len() >= self.anonymous_max {
            self.anonymous.retain(|connection| connection.strong_count() > 0);
        }
        if self.anonymous.len() >= self.anonymous_max
            && let Some(oldest) = self.anonymous.pop_front().and_then(|oldest| oldest.upgrade())
        {
            oldest.now();
            cut_another = true;
        }
        let cut = Arc::new(Cut::default());
        self.anonymous.push_back(Arc::downgrade(&cut));
        Some((Place::Anonymous(cut), cut_another))
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

/// What is written between two flushes and leaves together: an answer with its certificate and chain. Longer ones leave in parts.
const WRITE_BUFFER_BYTES: usize = 8 * 1024;

/// How long to wait when there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
