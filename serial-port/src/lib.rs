//! A serial port as a stream of bytes: 8 data bits, no parity, one stop bit, no flow control, raw, and open
//! in one program at a time.
//!
//! Nothing here blocks a thread of the runtime: the system calls that an adapter can delay (open, settings,
//! close) are made on threads of their own, and a write never waits for the wire.

mod address;
mod halves;
mod held;
mod open;
mod speed;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tokio::io::unix::AsyncFd;

pub use address::{PortAddress, PortAddressError};
pub use halves::{Reader, Writer};
pub use open::OpenError;
pub use speed::{Speed, SpeedError, split_named_speed, split_speed};

use held::Held;

/// An open port. It is closed, and free for others, when both halves are dropped.
#[derive(Debug)]
pub struct Port {
    device: AsyncFd<Held>,
}

impl Port {
    /// Opens the port, sets its speed, and drops what it received before. There is no limit for the time:
    /// a broken adapter can hold the call, so the caller sets one. A call that was given up takes the port
    /// for as long as the system needs to return.
    ///
    /// # Errors
    /// See [`OpenError`], which tells what may pass from what stays.
    pub async fn open(path: &Path, speed: Speed) -> Result<Self, OpenError> {
        Self::open_at(path, Some(speed)).await
    }

    /// Opens the port as [`Port::open`] does, and leaves its speed as it is.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_as_set(path: &Path) -> Result<Self, OpenError> {
        Self::open_at(path, None).await
    }

    async fn open_at(path: &Path, speed: Option<Speed>) -> Result<Self, OpenError> {
        let named = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || open::open(&named, speed)).await;
        let failed = |source| OpenError::Failed { path: path.to_owned(), source };
        let held = opened.map_err(|error| failed(std::io::Error::other(error)))??;
        Ok(Self { device: held.registered().map_err(failed)? })
    }

    /// Takes an open terminal device as it is, for example the other end of a pseudo-terminal. Its settings
    /// are left alone, and others may have it open too.
    ///
    /// # Errors
    /// When the descriptor cannot be waited for.
    pub fn adopt(descriptor: OwnedFd) -> std::io::Result<Self> {
        let flags = fcntl_getfl(&descriptor)?;
        fcntl_setfl(&descriptor, flags | OFlags::NONBLOCK)?;
        Ok(Self { device: Held::shared(descriptor).registered()? })
    }

    /// Waits until something was received, or the port is gone.
    ///
    /// # Errors
    /// When the runtime ends.
    pub async fn readable(&self) -> std::io::Result<()> {
        self.device.readable().await?.retain_ready();
        Ok(())
    }

    /// The two directions.
    pub fn split(self) -> (Reader, Writer) {
        let device = Arc::new(self.device);
        (Reader::new(Arc::clone(&device)), Writer::new(device))
    }
}
