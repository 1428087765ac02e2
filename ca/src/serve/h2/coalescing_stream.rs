//! The bytes of one connection. HTTP/2 flushes after every few frames; here what it writes in one turn leaves together, in one TLS record
//! and one packet: an answer's head, message and status, or the settings with their acknowledgement. Between turns a connection keeps no
//! buffer here: thousands of them idle.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// One end for HTTP/2, which reads and writes; another for whoever polls it, and flushes after each turn.
#[derive(Clone)]
pub(super) struct CoalescingStream(Arc<Mutex<Line>>);

struct Line {
    stream: TlsStream<TcpStream>,
    unsent: BytesMut,
}

impl CoalescingStream {
    pub(super) fn new(stream: TlsStream<TcpStream>) -> Self {
        Self(Arc::new(Mutex::new(Line { stream, unsent: BytesMut::new() })))
    }

    /// Sends what was written. While it is pending the task is woken when there is room for more.
    ///
    /// # Errors
    /// When the other end is gone.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut line = self.line();
        ready!(line.poll_empty(cx))?;
        Pin::new(&mut line.stream).poll_flush(cx)
    }

    // Two ends, one task: never waited for.
    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock()
    }
}

impl Line {
    /// Hands all that was written to TLS, and gives the memory back.
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
        Pin::new(&mut self.line().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CoalescingStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut line = self.line();
        if line.unsent.len() + buf.len() > WRITE_BUFFER_BYTES {
            ready!(line.poll_empty(cx))?;
        }
        if buf.len() > WRITE_BUFFER_BYTES {
            return Pin::new(&mut line.stream).poll_write(cx, buf);
        }
        line.unsent.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    /// No: HTTP/2 then puts small messages behind one another in its own buffer.
    fn is_write_vectored(&self) -> bool {
        false
    }

    /// At the end of the turn: see [`Self::poll_send`]. A full buffer is sent before that, and is what slows a writer down.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut line = self.line();
        ready!(line.poll_empty(cx))?;
        Pin::new(&mut line.stream).poll_shutdown(cx)
    }
}

/// What is written in a turn and leaves together: an answer with its certificate and chain. Longer ones leave in parts.
const WRITE_BUFFER_BYTES: usize = 8 * 1024;
