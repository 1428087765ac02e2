//! A serial cable: a pseudo-terminal, whose one end is a port.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use serial_port::Port;

use crate::line::Ends;

/// Pulled out when it is dropped: whoever has the port open sees it hang up.
pub(crate) struct Cable {
    /// The port.
    pub(crate) path: PathBuf,
    far: OwnedFd,
    // Keeps the far end from failing while nobody has the port open.
    held: File,
}

impl Cable {
    pub(crate) fn new() -> Self {
        let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&far).unwrap();
        unlockpt(&far).unwrap();
        let path: PathBuf = ptsname(&far, Vec::new()).unwrap().into_string().unwrap().into();
        let held = File::options().read(true).write(true).open(&path).unwrap();
        let mut raw = tcgetattr(&held).unwrap();
        raw.make_raw();
        tcsetattr(&held, OptionalActions::Now, &raw).unwrap();
        Self { path, far, held }
    }

    /// The far end as a stream. The cable is pulled out when the stream is dropped.
    pub(crate) fn plug(self) -> (Ends, File) {
        let (reader, writer) = Port::adopt(self.far).unwrap().split();
        (Ends { reader: Box::new(reader), writer: Box::new(writer) }, self.held)
    }
}
