//! Opens a port for this program alone and sets it up.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::termios::{
    ControlModes, InputModes, OptionalActions, QueueSelector, ioctl_tiocexcl, tcflush, tcgetattr, tcsetattr,
};

use crate::held::Held;
use crate::speed::Speed;

/// Why a port was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such device now. It may come back.
    #[error("{} is not there: {source}", path.display())]
    Missing {
        /// The device node, or a link to it.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another program has it open for itself alone.
    #[error("{} is used by another program", path.display())]
    Busy {
        /// The device node, or a link to it.
        path: PathBuf,
    },
    /// This user may not open it.
    #[error(
        "{} may not be opened: {source}; the user of this program must be in the group of the port, usually dialout",
        path.display()
    )]
    Denied {
        /// The device node, or a link to it.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It is something else than a serial port.
    #[error("{} is not a serial port", path.display())]
    NotAPort {
        /// The path.
        path: PathBuf,
    },
    /// The port does not know this speed.
    #[error("{} cannot be set to {speed} baud", path.display())]
    Speed {
        /// The device node, or a link to it.
        path: PathBuf,
        /// The speed that was wanted.
        speed: Speed,
    },
    /// Anything else.
    #[error("{} cannot be opened: {source}", path.display())]
    Failed {
        /// The device node, or a link to it.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl OpenError {
    /// Whether it may pass by itself: the port comes back, or the other program ends.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Busy { .. })
    }

    fn of(path: &Path, errno: Errno) -> Self {
        let (path, source) = (path.to_owned(), io::Error::from(errno));
        match errno {
            // EIO: it has gone between its opening and its setting.
            Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::IO => Self::Missing { path, source },
            Errno::BUSY | Errno::WOULDBLOCK => Self::Busy { path },
            Errno::ACCESS | Errno::PERM => Self::Denied { path, source },
            Errno::NOTTY => Self::NotAPort { path },
            _ => Self::Failed { path, source },
        }
    }
}

/// Blocks until the device answers. Without a speed the line keeps the one that it has.
pub(crate) fn open(path: &Path, speed: Option<Speed>) -> Result<Held, OpenError> {
    let refused = |errno| OpenError::of(path, errno);
    // Non-blocking: the open of a port does not wait for a carrier.
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let device = rustix::fs::open(path, flags, Mode::empty()).map_err(refused)?;
    let mut settings = tcgetattr(&device).map_err(refused)?;
    // The lock holds against other stations, also those of root, whom TIOCEXCL does not stop.
    flock(&device, FlockOperation::NonBlockingLockExclusive).map_err(refused)?;
    ioctl_tiocexcl(&device).map_err(refused)?;
    let held = Held::exclusive(device);
    let device = held.descriptor().map_err(|source| OpenError::Failed { path: path.to_owned(), source })?;
    settings.make_raw();
    settings.input_modes -= InputModes::IXOFF | InputModes::IXANY | InputModes::INPCK;
    // Without HUPCL the modem lines stay as they are when the port is closed: many boards take a change as a
    // reset.
    settings.control_modes -=
        ControlModes::CSTOPB | ControlModes::CRTSCTS | ControlModes::PARODD | ControlModes::HUPCL;
    settings.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
    match speed {
        None => tcsetattr(device, OptionalActions::Now, &settings).map_err(refused)?,
        Some(speed) => {
            settings.set_speed(speed.baud()).map_err(refused)?;
            let unknown = || OpenError::Speed { path: path.to_owned(), speed };
            tcsetattr(device, OptionalActions::Now, &settings).map_err(|errno| match errno {
                Errno::INVAL | Errno::RANGE => unknown(),
                errno => refused(errno),
            })?;
            // A driver sets the nearest speed that it has, without an error.
            if !is_near(tcgetattr(device).map_err(refused)?.output_speed(), speed) {
                return Err(unknown());
            }
        }
    }
    // What was received before belongs to another session.
    tcflush(device, QueueSelector::IOFlush).map_err(refused)?;
    Ok(held)
}

fn is_near(set: u32, wanted: Speed) -> bool {
    u64::from(set.abs_diff(wanted.baud())) * 100 <= u64::from(wanted.baud()) * DEVIATION_PERCENT_MAX
}

/// Two ends that each deviate by half of it still agree on the tenth bit.
const DEVIATION_PERCENT_MAX: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_system_says_whether_waiting_helps() {
        for (errno, may_pass, words) in [
            (Errno::NOENT, true, "is not there"),
            (Errno::NXIO, true, "is not there"),
            (Errno::IO, true, "is not there"),
            (Errno::BUSY, true, "is used by another program"),
            (Errno::WOULDBLOCK, true, "is used by another program"),
            (Errno::ACCESS, false, "usually dialout"),
            (Errno::PERM, false, "usually dialout"),
            (Errno::NOTTY, false, "is not a serial port"),
            (Errno::NOSPC, false, "cannot be opened"),
        ] {
            let error = OpenError::of(Path::new("/dev/ttyUSB0"), errno);
            let text = error.to_string();
            assert_eq!(error.may_pass(), may_pass, "{text}");
            assert!(text.starts_with("/dev/ttyUSB0 ") && text.contains(words), "{text}");
        }
    }

    #[test]
    fn a_speed_that_the_other_end_does_not_understand_is_none() {
        let wanted = Speed::USUAL;
        for (set, is_good) in
            [(115_200, true), (118_656, true), (111_744, true), (118_657, false), (57_600, false)]
        {
            assert_eq!(is_near(set, wanted), is_good, "{set}");
        }
    }
}
