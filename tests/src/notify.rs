//! The socket of a service manager: sd_notify(3).

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The socket that `NOTIFY_SOCKET` names.
#[derive(Debug)]
pub struct NotifySocket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl NotifySocket {
    /// Creates one at this path, which must not exist.
    pub fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a new socket");
        Self { socket, path: path.to_path_buf() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The variables that a service manager with such a watchdog sets.
    pub fn environment(&self, watchdog: Duration) -> [(&'static str, String); 2] {
        let path = self.path.to_str().expect("a path in UTF-8").to_owned();
        [("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", watchdog.as_micros().to_string())]
    }

    /// The next message, without its line end; `None`: none came in time.
    pub fn next(&self, deadline: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(deadline)).expect("a timeout above zero");
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).ok()?;
        Some(String::from_utf8_lossy(&message[..length]).trim_end().to_owned())
    }

    /// Waits for this message; returns the messages before it.
    pub fn until(&self, message: &str, deadline: Duration) -> Vec<String> {
        let end = Instant::now() + deadline;
        let mut before = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            match self.next(left) {
                Some(said) if said == message => return before,
                Some(said) => before.push(said),
                None => panic!("{message} was not said within {deadline:?}; said: {before:?}"),
            }
        }
    }

    /// Discards unread messages.
    pub fn forget(&self) {
        while self.next(Duration::from_millis(1)).is_some() {}
    }
}
