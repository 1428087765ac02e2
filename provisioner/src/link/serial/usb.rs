//! Finds the port of a USB adapter in sysfs, whatever its present name: by the adapter's serial number, or by
//! the socket that it is in.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Which adapter, and which of its ports if it has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Adapter {
    Called {
        serial: String,
        interface: Option<u8>,
    },
    /// `BUS-PORT[.PORT…]`, as the kernel names the device.
    At {
        place: String,
        interface: Option<u8>,
    },
}

/// Why the port was not found.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FindError {
    #[error("{0}")]
    Away(String),
    /// What was filled in behind `#` is no number.
    #[error("{name}: the interface behind # is a number, 0 to 255")]
    Interface { name: String },
    /// Adapters without serial numbers of their own, or an adapter with several ports.
    #[error("{}", several(wanted, ports))]
    Several { wanted: String, ports: BTreeMap<String, u8> },
}

impl FindError {
    /// Whether it may come back.
    pub(super) fn is_away(&self) -> bool {
        matches!(self, Self::Away(_))
    }
}

fn several(wanted: &str, ports: &BTreeMap<String, u8>) -> String {
    let list: Vec<String> =
        ports.iter().map(|(name, interface)| format!("{name} (interface {interface})")).collect();
    format!(
        "{wanted} has several ports: {}; add #INTERFACE to its name, or name each port by its path in /dev/serial/by-path",
        list.join(", ")
    )
}

impl Adapter {
    /// The device node of its port. Reads `root/sys/class/tty`, blocking.
    pub(super) fn find(&self, root: &Path) -> Result<PathBuf, FindError> {
        let class = root.join("sys/class/tty");
        let entries = match fs::read_dir(&class) {
            Ok(entries) => entries,
            Err(error) => {
                return Err(FindError::Away(format!("{} cannot be read: {error}", class.display())));
            }
        };
        let mut ports = BTreeMap::new();
        for entry in entries.flatten().take(PORTS_MAX) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(interface) = self.interface_of(&entry.path()) {
                ports.insert(name, interface);
            }
        }
        match ports.first_key_value() {
            None => Err(FindError::Away(format!("no adapter with {} is there", self.text()))),
            Some((name, _)) if ports.len() == 1 => Ok(root.join("dev").join(name)),
            Some(_) => Err(FindError::Several { wanted: self.text(), ports }),
        }
    }

    /// The interface of a port if it is one of this adapter's; `None` for other ports, such as terminals.
    fn interface_of(&self, port: &Path) -> Option<u8> {
        // A link to the interface or to a part of it; the USB device is above.
        let device = port.join("device").canonicalize().ok()?;
        let above = |attribute: &str| device.ancestors().find_map(|part| read(&part.join(attribute)));
        let interface = u8::from_str_radix(&above("bInterfaceNumber")?, 16).ok()?;
        let usb = device.ancestors().find(|part| part.join("devpath").exists())?;
        let (is_it, wanted) = match self {
            Self::Called { serial, interface } => (read(&usb.join("serial"))? == *serial, interface),
            Self::At { place, interface } => {
                let (bus, ports) = (read(&usb.join("busnum"))?, read(&usb.join("devpath"))?);
                (format!("{bus}-{ports}") == *place, interface)
            }
        };
        (is_it && wanted.is_none_or(|wanted| wanted == interface)).then_some(interface)
    }

    fn text(&self) -> String {
        let (what, interface) = match self {
            Self::Called { serial, interface } => (format!("usb={serial}"), interface),
            Self::At { place, interface } => (format!("usb-path={place}"), interface),
        };
        match interface {
            Some(interface) => format!("{what}#{interface}"),
            None => what,
        }
    }
}

/// An attribute without the white space around it.
fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(ATTRIBUTE_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned())
}

/// A line computer has a few hundred: virtual terminals and pseudo-terminals of old kinds are among them.
const PORTS_MAX: usize = 4_096;

/// A USB string has at most 126 characters.
const ATTRIBUTE_BYTES_MAX: u64 = 1_024;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_port_is_found_by_its_adapter_whatever_its_name() {
        let tree = Tree::new();
        tree.usb_serial("ttyUSB0", "1", "2.3", "A50285BI", 0);
        tree.usb_serial("ttyUSB7", "1", "2.4", "A50285BJ", 0);
        tree.cdc_acm("ttyACM0", "2", "1", "7583131323");
        tree.terminal("tty1");
        for (adapter, name) in [
            (called("A50285BI", None), "ttyUSB0"),
            (called("A50285BJ", Some(0)), "ttyUSB7"),
            (called("7583131323", None), "ttyACM0"),
            (at("1-2.4", None), "ttyUSB7"),
            (at("2-1", None), "ttyACM0"),
        ] {
            assert_eq!(adapter.find(tree.root()), Ok(tree.root().join("dev").join(name)), "{adapter:?}");
        }
        for adapter in [called("A50285BK", None), at("1-2", None), at("1-2.3", Some(1)), called("", None)] {
            assert!(adapter.find(tree.root()).is_err_and(|error| error.is_away()), "{adapter:?}");
        }
        tree.remove("ttyUSB0");
        assert!(called("A50285BI", None).find(tree.root()).is_err());
        tree.usb_serial("ttyUSB3", "1", "2.3", "A50285BI", 0);
        assert_eq!(called("A50285BI", None).find(tree.root()), Ok(tree.root().join("dev/ttyUSB3")));
    }

    #[test]
    fn an_adapter_with_several_ports_is_told_apart_by_interface() {
        let tree = Tree::new();
        tree.usb_serial("ttyUSB0", "1", "4", "FT4232", 0);
        tree.usb_serial("ttyUSB1", "1", "4", "FT4232", 1);
        assert_eq!(called("FT4232", Some(1)).find(tree.root()), Ok(tree.root().join("dev/ttyUSB1")));
        let refused = called("FT4232", None).find(tree.root()).unwrap_err();
        assert!(!refused.is_away());
        let text = refused.to_string();
        assert!(text.contains("ttyUSB0 (interface 0), ttyUSB1 (interface 1)"), "{text}");
    }

    #[test]
    fn a_tree_that_is_not_there_or_is_damaged_has_no_ports() {
        let home = tempfile::tempdir().unwrap();
        assert!(called("A", None).find(home.path()).is_err_and(|error| error.is_away()));
        let tree = Tree::new();
        tree.usb_serial("ttyUSB0", "1", "4", "A", 0);
        let device = tree.root().join("sys/devices/usb1/1-4");
        fs::write(device.join("serial"), b"\xff\xfe").unwrap();
        fs::write(device.join("1-4:1.0/bInterfaceNumber"), "no number").unwrap();
        symlink("nowhere", tree.root().join("sys/class/tty/ttyUSB9")).unwrap();
        assert!(called("A", None).find(tree.root()).is_err_and(|error| error.is_away()));
    }

    fn called(serial: &str, interface: Option<u8>) -> Adapter {
        Adapter::Called { serial: serial.to_owned(), interface }
    }

    fn at(place: &str, interface: Option<u8>) -> Adapter {
        Adapter::At { place: place.to_owned(), interface }
    }

    /// A part of sysfs with the links as the kernel makes them.
    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(tree.root().join("sys/class/tty")).unwrap();
            tree
        }

        fn root(&self) -> &Path {
            self.0.path()
        }

        /// As of `ftdi_sio`, `cp210x`, `ch341`: the port is a part of the interface.
        fn usb_serial(&self, name: &str, bus: &str, ports: &str, serial: &str, interface: u8) {
            let usb = self.usb_device(bus, ports, serial);
            let part = usb.join(format!("{bus}-{ports}:1.{interface}")).join(name);
            fs::create_dir_all(part.join("tty").join(name)).unwrap();
            fs::write(part.parent().unwrap().join("bInterfaceNumber"), format!("{interface:02x}\n")).unwrap();
            symlink(format!("../../../{name}"), part.join("tty").join(name).join("device")).unwrap();
            symlink(part.join("tty").join(name), self.root().join("sys/class/tty").join(name)).unwrap();
        }

        /// As of `cdc_acm`: the port's device is the interface.
        fn cdc_acm(&self, name: &str, bus: &str, ports: &str, serial: &str) {
            let interface = self.usb_device(bus, ports, serial).join(format!("{bus}-{ports}:1.0"));
            fs::create_dir_all(interface.join("tty").join(name)).unwrap();
            fs::write(interface.join("bInterfaceNumber"), "00\n").unwrap();
            let port = interface.join("tty").join(name);
            symlink(format!("../../../{bus}-{ports}:1.0"), port.join("device")).unwrap();
            symlink(port, self.root().join("sys/class/tty").join(name)).unwrap();
        }

        fn terminal(&self, name: &str) {
            fs::create_dir_all(self.root().join("sys/class/tty").join(name)).unwrap();
        }

        fn usb_device(&self, bus: &str, ports: &str, serial: &str) -> PathBuf {
            let usb = self.root().join(format!("sys/devices/usb{bus}/{bus}-{ports}"));
            fs::create_dir_all(&usb).unwrap();
            for (attribute, value) in [("busnum", bus), ("devpath", ports), ("serial", serial)] {
                fs::write(usb.join(attribute), format!("{value}\n")).unwrap();
            }
            usb
        }

        fn remove(&self, name: &str) {
            fs::remove_file(self.root().join("sys/class/tty").join(name)).unwrap();
        }
    }
}
