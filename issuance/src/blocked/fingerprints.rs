//! A sorted set of SHA-256 fingerprints and prefixes of fingerprints.

/// Fingerprints, complete or their first bytes. 33 bytes each.
#[derive(Clone, Default)]
pub(super) struct Fingerprints(Vec<Fingerprint>);

/// One fingerprint or prefix, padded with zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fingerprint {
    bytes: [u8; BYTES],
    length: u8,
}

impl Fingerprints {
    /// Returns the entries that can be read, and the lines that cannot.
    pub(super) fn parse(list: &str) -> (Self, Vec<ListMistake>) {
        let mut all = Vec::new();
        let mut mistakes = Vec::new();
        for (line, text) in (1..).zip(list.lines()) {
            let entry = text.split('#').next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            match Fingerprint::parse(entry) {
                Ok(fingerprint) => all.push(fingerprint),
                Err(what) => mistakes.push(ListMistake { line, what }),
            }
        }
        all.sort_unstable();
        all.dedup();
        (Self(all), mistakes)
    }

    /// Whether the digest or a prefix of it is in the set.
    pub(super) fn contain(&self, digest: &[u8; BYTES]) -> bool {
        let start = self.0.partition_point(|known| head(&known.bytes) < head(digest));
        let same_head = self.0.iter().skip(start).take_while(|known| head(&known.bytes) == head(digest));
        same_head
            .filter_map(|known| known.bytes.get(..known.length.into()))
            .any(|known| digest.starts_with(known))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Fingerprint {
    fn parse(digits: &str) -> Result<Self, &'static str> {
        let mut bytes = [0; BYTES];
        let length = digits.len() / 2;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err("an entry is written in the digits 0 to 9 and a to f, without colons");
        }
        if !digits.len().is_multiple_of(2) {
            return Err("an entry has an even number of digits; is the line cut off?");
        }
        if length < FINGERPRINT_PREFIX_BYTES_MIN {
            return Err("an entry has at least 30 digits: a shorter one would hit keys that nobody means");
        }
        if length > BYTES {
            return Err("an entry has at most 64 digits: it is a SHA-256");
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            *byte = pair.iter().fold(0, |value, digit| value << 4 | nibble(*digit));
        }
        Ok(Self { bytes, length: length.try_into().unwrap_or_default() })
    }
}

/// A line that is not an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListMistake {
    /// The line number; the first is 1.
    pub line: usize,
    /// The mistake, for people.
    pub what: &'static str,
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

/// The first bytes, which every entry has.
fn head(bytes: &[u8; BYTES]) -> Option<&[u8; FINGERPRINT_PREFIX_BYTES_MIN]> {
    bytes.first_chunk()
}

/// The shortest prefix that is taken as an entry; badkeys.info publishes 15 bytes. A random key matches one
/// with probability 2^-120.
pub const FINGERPRINT_PREFIX_BYTES_MIN: usize = 15;

const BYTES: usize = 32;
