//! Long lists of device serials, in little memory.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use identity::DeviceSerial;

/// A sorted list of device serials, each once: their characters and four bytes for each.
///
/// It is kept in parts that are shared: a copy, and a list with one more part, cost a pointer for each part.
#[derive(Clone, Default)]
pub struct SerialList {
    parts: Vec<Arc<SerialPart>>,
    len: u64,
    outline: Option<ManifestOutline>,
}

/// What is known of a manifest before it is on record (ADR 0070).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManifestOutline {
    /// How many serial numbers it has.
    pub len: u64,
    /// SHA-256 over its serial numbers as sorted bytes, a line feed behind each.
    pub sha256: [u8; 32],
}

impl SerialList {
    /// A list of which nothing is on record yet.
    pub fn announced(outline: ManifestOutline) -> Self {
        Self { outline: Some(outline), ..Self::default() }
    }

    /// What was announced; `None`: the list came as a whole.
    pub fn outline(&self) -> Option<ManifestOutline> {
        self.outline
    }

    /// How many serials it has when it is whole.
    pub fn len_whole(&self) -> u64 {
        self.outline.map_or(self.len, |outline| outline.len)
    }

    /// Whether nothing of it is missing.
    pub fn is_whole(&self) -> bool {
        self.len == self.len_whole()
    }

    /// How many serials are in it.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The last serial.
    pub fn last(&self) -> Option<&str> {
        self.parts.last().and_then(|part| part.get(part.len().checked_sub(1)?))
    }

    /// Adds serials, all of which are behind those that it has.
    pub fn push(&mut self, part: Arc<SerialPart>) {
        if part.len() > 0 {
            self.len += part.len() as u64;
            self.parts.push(part);
        }
    }

    /// Whether the serial is in the list.
    pub fn contains(&self, serial: &DeviceSerial) -> bool {
        let part = self.parts.partition_point(|part| part.last() < serial.as_str());
        self.parts.get(part).is_some_and(|part| part.find(serial.as_str()).is_ok())
    }

    /// The first character that no certificate can have.
    pub(crate) fn unencodable(&self) -> Option<char> {
        self.parts.iter().find_map(|part| part.unencodable())
    }

    /// Those behind one of them, or behind where it would be, in their order; `None`: all.
    pub fn behind<'a>(&'a self, serial: Option<&DeviceSerial>) -> impl Iterator<Item = DeviceSerial> + 'a {
        let (part, from) = match serial.map(DeviceSerial::as_str) {
            None => (0, 0),
            Some(serial) => {
                let part = self.parts.partition_point(|part| part.last() <= serial);
                let found = self.parts.get(part).map(|part| part.find(serial));
                (part, found.map_or(0, |found| found.map_or_else(|from| from, |at| at + 1)))
            }
        };
        let parts = self.parts.iter().skip(part).enumerate();
        parts.flat_map(move |(index, part)| part.from(if index == 0 { from } else { 0 })).filter_map(parsed)
    }

    /// The serials, as texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().flat_map(|part| part.from(0))
    }

    /// The serials from a position, from 0, as texts.
    pub fn texts_from(&self, position: u64) -> impl Iterator<Item = &str> {
        let (mut part, mut left) = (0, usize::try_from(position).unwrap_or(usize::MAX));
        while let Some(len) = self.parts.get(part).map(|part| part.len())
            && len <= left
        {
            (part, left) = (part + 1, left - len);
        }
        let parts = self.parts.iter().skip(part).enumerate();
        parts.flat_map(move |(index, part)| part.from(if index == 0 { left } else { 0 }))
    }
}

/// The texts of a list were serials when they came into it.
fn parsed(text: &str) -> Option<DeviceSerial> {
    text.parse().ok()
}

impl FromIterator<DeviceSerial> for SerialList {
    fn from_iter<I: IntoIterator<Item = DeviceSerial>>(serials: I) -> Self {
        let sorted: BTreeSet<DeviceSerial> = serials.into_iter().collect();
        let mut list = Self::default();
        list.push(Arc::new(sorted.iter().collect()));
        list
    }
}

impl PartialEq for SerialList {
    fn eq(&self, other: &Self) -> bool {
        (self.len, self.outline) == (other.len, other.outline) && self.texts().eq(other.texts())
    }
}

impl Eq for SerialList {}

impl fmt::Debug for SerialList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.texts().next();
        f.debug_struct("SerialList")
            .field("len", &self.len)
            .field("first", &first)
            .field("last", &self.last())
            .field("outline", &self.outline)
            .finish()
    }
}

/// A run of sorted device serials.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SerialPart {
    text: Box<str>,
    /// Where each ends in `text`.
    ends: Box<[u32]>,
}

impl SerialPart {
    /// A part of serials in rising order; `None`: they are not, or one is there twice.
    pub fn of_rising(serials: &[DeviceSerial]) -> Option<Self> {
        let rising = serials.is_sorted_by(|one, next| one < next);
        rising.then(|| serials.iter().collect())
    }

    /// How many serials it has.
    #[expect(clippy::len_without_is_empty, reason = "an empty part never comes into a list")]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The first serial; empty: there is none.
    pub fn first(&self) -> &str {
        self.get(0).unwrap_or_default()
    }

    /// The last serial; empty: there is none.
    pub fn last(&self) -> &str {
        self.len().checked_sub(1).and_then(|at| self.get(at)).unwrap_or_default()
    }

    /// The serials, as texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.from(0)
    }

    /// The first character that no certificate can have.
    pub(crate) fn unencodable(&self) -> Option<char> {
        identity::unencodable(&self.text)
    }

    fn get(&self, at: usize) -> Option<&str> {
        let from = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(from as usize..*self.ends.get(at)? as usize)
    }

    fn from(&self, at: usize) -> impl Iterator<Item = &str> {
        (at..self.len()).filter_map(|at| self.get(at))
    }

    /// Where it is, or would be.
    fn find(&self, serial: &str) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).unwrap_or_default().cmp(serial) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
}

impl<'a> FromIterator<&'a DeviceSerial> for SerialPart {
    fn from_iter<I: IntoIterator<Item = &'a DeviceSerial>>(serials: I) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::new());
        for serial in serials {
            text.push_str(serial.as_str());
            // At most a million serials of 64 characters.
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Self { text: text.into(), ends: ends.into() }
    }
}

impl fmt::Debug for SerialPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} serials from {} to {}", self.len(), self.first(), self.last())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serial(text: &str) -> DeviceSerial {
        text.parse().unwrap()
    }

    fn list(parts: &[&[&str]]) -> SerialList {
        let mut list = SerialList::default();
        for part in parts {
            let serials: Vec<DeviceSerial> = part.iter().map(|text| serial(text)).collect();
            list.push(Arc::new(SerialPart::of_rising(&serials).unwrap()));
        }
        list
    }

    #[test]
    fn a_list_in_parts_is_the_list_in_one() {
        let one = list(&[&["A", "AA", "B9", "C", "D-1"]]);
        for parts in
            [list(&[&["A", "AA"], &["B9"], &[], &["C", "D-1"]]), list(&[&["A"], &["AA", "B9", "C", "D-1"]])]
        {
            assert_eq!(parts, one);
            assert_eq!((parts.len(), parts.last()), (5, Some("D-1")));
            for text in ["A", "AA", "B9", "C", "D-1"] {
                assert!(parts.contains(&serial(text)), "{text}");
            }
            for text in ["0", "AB", "B", "B99", "E"] {
                assert!(!parts.contains(&serial(text)), "{text}");
            }
            for text in ["0", "A", "AA", "AB", "B9", "B99", "C", "D-1", "E"] {
                let expected: Vec<&str> = one.texts().filter(|one| *one > text).collect();
                let behind: Vec<String> =
                    parts.behind(Some(&serial(text))).map(|serial| serial.to_string()).collect();
                assert_eq!(behind, expected, "behind {text}");
            }
            assert_eq!(parts.behind(None).count(), 5);
            for position in 0..7_usize {
                let expected: Vec<&str> = one.texts().skip(position).collect();
                assert_eq!(parts.texts_from(position as u64).collect::<Vec<_>>(), expected, "{position}");
            }
        }
    }

    #[test]
    fn a_part_rises() {
        let part = |texts: &[&str]| {
            let serials: Vec<DeviceSerial> = texts.iter().map(|text| serial(text)).collect();
            SerialPart::of_rising(&serials)
        };
        assert!(part(&["A", "B"]).is_some());
        assert!(part(&["A", "A"]).is_none());
        assert!(part(&["B", "A"]).is_none());
    }

    #[test]
    fn an_announced_list_is_whole_once_all_is_there() {
        let mut list = SerialList::announced(ManifestOutline { len: 2, sha256: [7; 32] });
        assert_eq!((list.len(), list.len_whole(), list.is_whole()), (0, 2, false));
        list.push(Arc::new([serial("A"), serial("B")].iter().collect()));
        assert!(list.is_whole());
    }
}
