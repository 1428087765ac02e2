//! A TLS stream that coalesces small writes (ADR 0029). hyper flushes after every few frames; here all frames
//! of one poll leave in one TLS record and one packet, for example the headers, message and trailers of a
//! response. Between polls the stream keeps no buffer, because thousands of connections are idle.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// One handle reads and writes for hyper, the other flushes in [`FlushAfterPoll`](super::connection).
#[derive(Clone)]
pub(super) struct CoalescingStream(Arc<Mutex<Buffered>>);

struct Buffered {
    stream: TlsStream<TcpStream>,
    unsent: BytesMut,
}

impl CoalescingStream {
    pub(super) fn new(stream: TlsStream<TcpStream>) -> Self {
        Self(Arc::new(Mutex::new(Buffered { stream, unsent: BytesMut::new() })))
    }

    /// Sends what was written. While pending, the task is woken when the socket takes more.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.lock();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    // Both handles belong to one task, so the lock is never contended.
    fn lock(&self) -> MutexGuard<'_, Buffered> {
        self.0.lock()
    }
}

impl Buffered {
    /// Hands the buffer to TLS and frees it.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.unsent.has_remaining() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unsent))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(written);
        }
        self.unsent = BytesMut::new();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for CoalescingStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CoalescingStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut this = self.lock();
        if this.unsent.len() + buf.len() > WRITE_BUFFER_BYTES {
            ready!(this.poll_drain(cx))?;
        }
        if buf.len() > WRITE_BUFFER_BYTES {
            return Pin::new(&mut this.stream).poll_write(cx, buf);
        }
        this.unsent.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    /// With `false`, h2 copies small frames into one buffer of its own.
    fn is_write_vectored(&self) -> bool {
        false
    }

    /// Does nothing: [`Self::poll_send`] flushes after the poll; a full buffer is sent earlier.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.lock();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

/// The most that is coalesced: a response with a certificate and its chain fits.
const WRITE_BUFFER_BYTES: usize = 8 * 1024;
