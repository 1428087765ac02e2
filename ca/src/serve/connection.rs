//! One open connection, with its place in the count and what TLS knows of its other end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::shares::Share;
use crate::http::metrics::Gauged;
use crate::tls::PeerCertificate;

/// A connection after its handshake.
pub(super) struct Connection {
    /// Buffered: what is written until the next flush leaves in one TLS record and one packet.
    pub(super) stream: BufWriter<TlsStream<TcpStream>>,
    pub(super) peer: PeerCertificate,
    pub(super) place: Place,
    /// Counts it among the open ones until it is dropped.
    pub(super) _open: Gauged,
}

/// What a connection holds of the limits.
pub(super) enum Place {
    /// One of those that showed a certificate.
    Known {
        /// Given back when the connection ends.
        _permit: OwnedSemaphorePermit,
        /// Of its certificate.
        _share: Share,
    },
    /// One of those that did not: may be cut for a fresh one.
    Anonymous(Arc<Cut>),
}

/// Ends a connection from outside.
#[derive(Default)]
pub(super) struct Cut {
    done: AtomicBool,
    waker: AtomicWaker,
}

impl Cut {
    /// Ends it: the next read fails.
    pub(super) fn now(&self) {
        self.done.store(true, Ordering::Release);
        self.waker.wake();
    }
}

impl Connected for Connection {
    type ConnectInfo = PeerCertificate;

    fn connect_info(&self) -> PeerCertificate {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Place::Anonymous(cut) = &self.place {
            cut.waker.register(cx.waker());
            if cut.done.load(Ordering::Acquire) {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    /// No: HTTP/2 then puts small messages behind one another in its buffer, and many answers leave in one TLS record.
    fn is_write_vectored(&self) -> bool {
        false
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
