//! Which device serials a work order allows.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use identity::{DeviceSerial, SerialPattern};

/// Which device serials a work order allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serials {
    /// One numbered range.
    Pattern(SerialPattern),
    /// A list.
    Manifest(Arc<BTreeSet<DeviceSerial>>),
}

impl Serials {
    /// Whether the serial is among them.
    pub fn contains(&self, serial: &DeviceSerial) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.contains(serial),
            Self::Manifest(serials) => serials.contains(serial),
        }
    }

    /// Those behind one of them, in the order of the range or of the list; `None`: all.
    pub fn behind<'a>(
        &'a self,
        serial: Option<&DeviceSerial>,
    ) -> Box<dyn Iterator<Item = DeviceSerial> + 'a> {
        match self {
            Self::Pattern(pattern) => {
                let position = serial.and_then(|serial| pattern.position(serial));
                let first = position.map_or(0, |position| position.saturating_add(1));
                Box::new((first..pattern.len()).map_while(|position| pattern.nth(position)))
            }
            Self::Manifest(serials) => {
                let from = serial.map_or(Bound::Unbounded, Bound::Excluded);
                Box::new(serials.range::<DeviceSerial, _>((from, Bound::Unbounded)).cloned())
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        match self {
            Self::Pattern(pattern) => pattern.len(),
            Self::Manifest(serials) => serials.len() as u64,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_and_a_list_of_the_same_serials_are_walked_alike() {
        let range = Serials::Pattern("SN{08..11}".parse().unwrap());
        let list: BTreeSet<DeviceSerial> = range.behind(None).collect();
        let list = Serials::Manifest(Arc::new(list));
        for serials in [&range, &list] {
            let walked = |from: Option<&str>| -> Vec<String> {
                let from = from.map(|serial| serial.parse().unwrap());
                serials.behind(from.as_ref()).map(|serial| serial.to_string()).collect()
            };
            assert_eq!(walked(None), ["SN08", "SN09", "SN10", "SN11"]);
            assert_eq!(walked(Some("SN09")), ["SN10", "SN11"]);
            assert!(walked(Some("SN11")).is_empty());
        }
    }
}
