//! The two directions of an open port.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::held::Held;

/// What the port receives. Ends, or fails with EIO, when the port is gone.
#[derive(Debug)]
pub struct Reader(Arc<AsyncFd<Held>>);

/// What the port sends. A write returns when the system has the bytes, which may be before they are on the
/// line; a flush does nothing, because waiting for the line would block.
#[derive(Debug)]
pub struct Writer(Arc<AsyncFd<Held>>);

impl Reader {
    pub(crate) fn new(device: Arc<AsyncFd<Held>>) -> Self {
        Self(device)
    }
}

impl Writer {
    pub(crate) fn new(device: Arc<AsyncFd<Held>>) -> Self {
        Self(device)
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(context))?;
            let unfilled = buffer.initialize_unfilled();
            let read = |device: &AsyncFd<Held>| -> io::Result<usize> {
                Ok(rustix::io::read(device.get_ref().descriptor()?, &mut *unfilled)?)
            };
            match ready.try_io(read) {
                Ok(Ok(count)) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                // It was not ready after all: wait again.
                Err(_) => {}
            }
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_write_ready(context))?;
            let write = |device: &AsyncFd<Held>| -> io::Result<usize> {
                Ok(rustix::io::write(device.get_ref().descriptor()?, bytes)?)
            };
            match ready.try_io(write) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(written) => return Poll::Ready(written),
                Err(_) => {}
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
