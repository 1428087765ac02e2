//! A serial port for each slot, which may go away and come back, also under another name.

mod usb;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serial_port::{OpenError, Port, Speed, split_speed};
use tokio::time::{Instant, sleep, timeout};

use super::driver::{Channel, Driver, LinkError, LinkLimits, Place};
use super::spec::{LinkSpec, LinkSpecError, of_slot};
use usb::{Adapter, FindError};

/// `PORT[,PORT…][:BAUD]`. One port is for all slots and has `{slot}` in it; of a list the first is slot 1's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SerialLink {
    kind: Kind,
    names: Vec<String>,
    speed: Speed,
}

/// What the names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A device node, or a link to one, as udev makes them in `/dev/serial`.
    Path,
    /// The serial number of the USB adapter.
    UsbSerial,
    /// The place of the USB adapter: bus and ports.
    UsbPath,
}

/// Why a port is not open now.
enum Closed {
    /// It may come back.
    Away(String),
    /// The call that opens it does not return.
    Stuck(String),
    Unusable(String),
}

impl SerialLink {
    /// The ports of so many slots: slot and name of each one that is not there now.
    pub(crate) fn missing(&self, slots: usize, root: &Path) -> Vec<(usize, String)> {
        let names = (1..=slots).filter_map(|slot| Some((slot, of_slot(self.name(slot)?, slot))));
        // The others are known only when their unit is.
        let known = names.filter(|(_, name)| !name.contains(['{', '}']));
        let is_away = |name: &str| self.kind.find(name, root).is_err_and(|error| error.is_away());
        known.filter(|(_, name)| is_away(name)).map(|(slot, name)| (slot, self.kind.text(&name))).collect()
    }

    fn name(&self, slot: usize) -> Option<&str> {
        let at = if self.names.len() == 1 { 0 } else { slot.checked_sub(1)? };
        self.names.get(at).map(String::as_str)
    }

    async fn try_open(&self, name: &str, limits: &LinkLimits) -> Result<Port, Closed> {
        let opening = async {
            let path = self.kind.find_on_its_own_thread(name, &limits.device_root).await?;
            Ok::<_, Closed>(Port::open(&path, self.speed).await?)
        };
        let within = humantime::format_duration(limits.connect);
        let stuck = |_| Closed::Stuck(format!("{} was not open within {within}", self.kind.text(name)));
        timeout(limits.connect, opening).await.map_err(stuck)?
    }
}

impl Driver for SerialLink {
    async fn open(&self, place: &Place<'_>, limits: &LinkLimits) -> Result<Channel, LinkError> {
        let no_port = || LinkSpecError::NoPort { ports: self.names.len(), slot: place.slot };
        let name = LinkSpec::fill(self.name(place.slot).ok_or_else(no_port)?, place);
        let patience = humantime::format_duration(limits.port_patience);
        let end = Instant::now() + limits.port_patience;
        let mut waits = false;
        loop {
            match self.try_open(&name, limits).await {
                Ok(port) => {
                    if waits {
                        tracing::warn!(slot = place.slot, "slot {} has its serial port again", place.slot);
                    }
                    let (reader, writer) = port.split();
                    return Ok(Channel { reader: Box::new(reader), writer: Box::new(writer), process: None });
                }
                // Who does not wait asks whether it is there.
                Err(Closed::Away(why)) if limits.port_patience.is_zero() => {
                    return Err(LinkError::NobodyThere(why));
                }
                Err(Closed::Away(why)) if Instant::now() >= end => {
                    let text = format!("{why}; the slot waited {patience} for it (port-patience-s)");
                    return Err(LinkError::NobodyThere(text));
                }
                Err(Closed::Away(why)) => {
                    if !waits {
                        let slot = place.slot;
                        tracing::warn!(
                            slot,
                            "slot {slot} waits for its serial port, at most {patience}: {why}"
                        );
                    }
                    waits = true;
                    sleep(LOOK_AGAIN.min(end.saturating_duration_since(Instant::now()))).await;
                }
                Err(Closed::Stuck(why)) => return Err(LinkError::NobodyThere(why)),
                Err(Closed::Unusable(why)) => return Err(LinkError::Unusable(why)),
            }
        }
    }

    fn reaches(&self, slot: usize) -> Result<(), LinkSpecError> {
        let ports = self.names.len();
        match self.names.as_slice() {
            [name] if slot > 1 && !PLACEHOLDERS.iter().any(|its| name.contains(its)) => {
                Err(LinkSpecError::SharedPort { port: self.kind.text(name), slot })
            }
            [_] => Ok(()),
            _ if slot > ports => Err(LinkSpecError::NoPort { ports, slot }),
            _ => Ok(()),
        }
    }

    fn fills_in_a_name(&self) -> bool {
        self.kind == Kind::Path && self.names.iter().any(|name| name.contains("{serial}"))
    }

    fn speed(&self) -> Option<Speed> {
        Some(self.speed)
    }
}

impl Kind {
    fn find(self, name: &str, root: &Path) -> Result<PathBuf, FindError> {
        match self {
            Self::Path if Path::new(name).exists() => Ok(name.into()),
            Self::Path => Err(FindError::Away(format!("{name} is not there"))),
            Self::UsbSerial | Self::UsbPath => self.adapter(name)?.find(root),
        }
    }

    async fn find_on_its_own_thread(self, name: &str, root: &Path) -> Result<PathBuf, FindError> {
        if self == Self::Path {
            return Ok(name.into());
        }
        let (adapter, root) = (self.adapter(name)?, root.to_owned());
        let found = tokio::task::spawn_blocking(move || adapter.find(&root)).await;
        found.unwrap_or_else(|error| Err(FindError::Away(error.to_string())))
    }

    fn adapter(self, name: &str) -> Result<Adapter, FindError> {
        let (base, interface) = match name.split_once('#') {
            Some((base, number)) => {
                let refused = |_| FindError::Interface { name: self.text(name) };
                (base, Some(number.parse().map_err(refused)?))
            }
            None => (name, None),
        };
        Ok(match self {
            Self::UsbPath => Adapter::At { place: base.to_owned(), interface },
            Self::Path | Self::UsbSerial => Adapter::Called { serial: base.to_owned(), interface },
        })
    }

    /// The name as a person reads it.
    fn text(self, name: &str) -> String {
        format!("{}{name}", self.prefix())
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Path => "",
            Self::UsbSerial => "usb=",
            Self::UsbPath => "usb-path=",
        }
    }

    fn is_a_name(self, name: &str) -> bool {
        let (base, interface) = name.split_once('#').unwrap_or((name, "0"));
        let of_usb = !base.is_empty() && (interface.contains('{') || interface.parse::<u8>().is_ok());
        match self {
            Self::Path => !name.is_empty(),
            Self::UsbSerial => of_usb,
            // Bus and ports, as the kernel names the device: 1-2.3.
            Self::UsbPath => {
                let is_place = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.');
                of_usb && (base.contains('{') || (base.contains('-') && base.chars().all(is_place)))
            }
        }
    }
}

impl FromStr for SerialLink {
    type Err = LinkSpecError;

    fn from_str(text: &str) -> Result<Self, LinkSpecError> {
        let (ports, speed) = split_speed(text)?;
        let found = [Kind::UsbPath, Kind::UsbSerial]
            .into_iter()
            .find_map(|kind| Some((kind, ports.strip_prefix(kind.prefix())?)));
        let (kind, ports) = found.unwrap_or((Kind::Path, ports));
        let names: Vec<String> = ports.split(',').map(str::to_owned).collect();
        if !names.iter().all(|name| kind.is_a_name(name)) {
            return Err(LinkSpecError::SerialPort);
        }
        for (at, name) in names.iter().enumerate() {
            if names.iter().skip(at + 1).any(|other| other == name) {
                return Err(LinkSpecError::PortTwice { port: kind.text(name) });
            }
        }
        Ok(Self { kind, names, speed })
    }
}

impl fmt::Display for SerialLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}:{}", self.kind.prefix(), self.names.join(","), self.speed)
    }
}

impl From<FindError> for Closed {
    fn from(error: FindError) -> Self {
        if error.is_away() { Self::Away(error.to_string()) } else { Self::Unusable(error.to_string()) }
    }
}

impl From<OpenError> for Closed {
    fn from(error: OpenError) -> Self {
        if error.may_pass() { Self::Away(error.to_string()) } else { Self::Unusable(error.to_string()) }
    }
}

/// Placeholders with which slots, or units, have different ports.
const PLACEHOLDERS: [&str; 3] = ["{slot}", "{slot:02}", "{serial}"];

/// How often a port that is away is looked for: a person does not notice it.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slot_has_a_port_of_its_own() {
        let one: SerialLink = "/dev/ttyUSB0".parse().unwrap();
        assert!(one.reaches(1).is_ok());
        assert!(matches!(one.reaches(2), Err(LinkSpecError::SharedPort { slot: 2, .. })));
        let numbered: SerialLink = "/dev/ttyUSB{slot}:9600".parse().unwrap();
        assert!(numbered.reaches(64).is_ok());
        assert_eq!(numbered.speed().unwrap().baud(), 9_600);
        let list: SerialLink = "usb=A,B#1,C".parse().unwrap();
        assert_eq!((list.name(1), list.name(3)), (Some("A"), Some("C")));
        assert_eq!(list.reaches(4), Err(LinkSpecError::NoPort { ports: 3, slot: 4 }));
    }

    #[test]
    fn ports_that_are_away_are_named_before_the_line_begins() {
        let home = tempfile::tempdir().unwrap();
        let path = |slot: usize| home.path().join(format!("port-{slot}"));
        std::fs::write(path(1), "").unwrap();
        let link: SerialLink = format!("{}/port-{{slot}}", home.path().display()).parse().unwrap();
        assert_eq!(link.missing(2, Path::new("/")), [(2, path(2).display().to_string())]);
        let by_unit: SerialLink = "/dev/bench/{serial}".parse().unwrap();
        assert!(by_unit.missing(1, Path::new("/")).is_empty(), "it is known with the unit");
    }
}
