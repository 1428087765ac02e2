//! Which device serials a work order allows.

use identity::{DeviceSerial, SerialPattern};

use super::{ManifestOutline, SerialList};

/// Which device serials a work order allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serials {
    /// One numbered range.
    Pattern(SerialPattern),
    /// A list.
    Manifest(SerialList),
}

impl Serials {
    /// Whether the serial is among them.
    pub fn contains(&self, serial: &DeviceSerial) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.contains(serial),
            Self::Manifest(serials) => serials.contains(serial),
        }
    }

    /// The first character that no certificate can have, among those that are known.
    pub(crate) fn unencodable(&self) -> Option<char> {
        match self {
            Self::Pattern(pattern) => identity::unencodable(&pattern.to_string()),
            Self::Manifest(serials) => serials.unencodable(),
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
            Self::Manifest(serials) => Box::new(serials.behind(serial)),
        }
    }

    /// How many there are, also of a list that is not whole yet.
    pub fn len(&self) -> u64 {
        match self {
            Self::Pattern(pattern) => pattern.len(),
            Self::Manifest(serials) => serials.len_whole(),
        }
    }

    /// Whether nothing of a list is missing.
    pub fn are_whole(&self) -> bool {
        match self {
            Self::Pattern(_) => true,
            Self::Manifest(serials) => serials.is_whole(),
        }
    }

    /// What was announced of a list that comes in parts.
    pub fn outline(&self) -> Option<ManifestOutline> {
        match self {
            Self::Pattern(_) => None,
            Self::Manifest(serials) => serials.outline(),
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
        let list = Serials::Manifest(range.behind(None).collect());
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
