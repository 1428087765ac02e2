//! The descriptor of a port, with what is to be undone when it is closed.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::fs::{FlockOperation, flock};
use rustix::termios::{QueueSelector, ioctl_tiocnxcl, tcflush};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

/// An open descriptor. Dropping it frees the port at once and closes it soon after.
#[derive(Debug)]
pub(crate) struct Held {
    // `None` only while it is dropped.
    descriptor: Option<OwnedFd>,
    exclusive: bool,
}

impl Held {
    /// Undoes the lock and the exclusive use when it is dropped.
    pub(crate) fn exclusive(descriptor: OwnedFd) -> Self {
        Self { descriptor: Some(descriptor), exclusive: true }
    }

    pub(crate) fn shared(descriptor: OwnedFd) -> Self {
        Self { descriptor: Some(descriptor), exclusive: false }
    }

    /// Has the runtime wait for it.
    #[expect(
        deprecated,
        reason = "the other way is unsafe code; its condition is true here: the descriptor is owned, and stays open and the \
                  same until it is dropped"
    )]
    pub(crate) fn registered(self) -> io::Result<AsyncFd<Self>> {
        AsyncFd::new(self)
    }

    pub(crate) fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        self.descriptor.as_ref().map(AsFd::as_fd).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsRawFd for Held {
    fn as_raw_fd(&self) -> RawFd {
        // The system refuses -1.
        self.descriptor.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(descriptor) = self.descriptor.take() else { return };
        if self.exclusive {
            // Otherwise the system waits up to 30 s for the rest to be sent.
            tcflush(&descriptor, QueueSelector::IOFlush).ok();
            // Both end with the last descriptor only, and another program may have one.
            ioctl_tiocnxcl(&descriptor).ok();
            flock(&descriptor, FlockOperation::Unlock).ok();
        }
        // An adapter that does not answer can hold the call.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || drop(descriptor));
        }
    }
}
