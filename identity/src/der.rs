//! Reads strict DER (X.690 section 10): each value has one encoding, and every other encoding is refused
//! (R-5280-20).
//!
//! Each issued certificate is read back with this before it is signed, so it is measured (ADR 0027). A test
//! compares it with the `der` crate. x509-parser is not used because it accepts BER lengths and extra
//! elements.

mod fault;
mod tag;
mod value;

pub use fault::element_fault;
pub use tag::*;
pub use value::{check_values, value_fault};

/// One element: tag, length and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// The content octets.
    pub content: &'a [u8],
    /// The complete encoding, with tag and length.
    pub raw: &'a [u8],
}

impl<'a> Element<'a> {
    /// The elements in the content.
    pub fn elements(&self) -> Result<Elements<'a>, NotDer> {
        Elements::new(self.content)
    }
}

/// Consecutive elements.
#[derive(Debug, Clone)]
pub struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// Starts reading at the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Result<Self, NotDer> {
        if bytes.len() <= BYTES_MAX { Ok(Self(bytes)) } else { Err(NotDer) }
    }

    /// The next element with any tag.
    ///
    /// # Errors
    /// When there is none, its tag has more than one octet, its length is not minimal or is indefinite, or it
    /// extends beyond the input.
    pub fn any(&mut self) -> Result<Element<'a>, NotDer> {
        let (&tag, after_tag) = self.0.split_first().ok_or(NotDer)?;
        if tag & MULTIPLE_OCTETS == MULTIPLE_OCTETS {
            return Err(NotDer);
        }
        let (length, after_length) = length(after_tag)?;
        let (content, rest) = after_length.split_at_checked(length).ok_or(NotDer)?;
        let (raw, _) = self.0.split_at_checked(self.0.len() - rest.len()).ok_or(NotDer)?;
        self.0 = rest;
        Ok(Element { tag, content, raw })
    }

    /// The next element, which must have this tag.
    pub fn expect(&mut self, tag: u8) -> Result<Element<'a>, NotDer> {
        let element = self.any()?;
        if element.tag == tag { Ok(element) } else { Err(NotDer) }
    }

    /// The next element if it has this tag; otherwise `None`, and nothing is consumed.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, NotDer> {
        if self.0.first() == Some(&tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// Whether all elements were read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends the reading.
    pub fn end(&self) -> Result<(), NotDer> {
        if self.is_empty() { Ok(()) } else { Err(NotDer) }
    }
}

/// Reads `bytes` as exactly one element with this tag.
pub fn only(bytes: &[u8], tag: u8) -> Result<Element<'_>, NotDer> {
    let mut elements = Elements::new(bytes)?;
    let element = elements.expect(tag)?;
    elements.end()?;
    Ok(element)
}

/// Reads a minimal length (X.690 sections 8.1.3 and 10.1); returns it and the rest.
fn length(bytes: &[u8]) -> Result<(usize, &[u8]), NotDer> {
    match bytes {
        [short @ 0..=0x7f, rest @ ..] => Ok((usize::from(*short), rest)),
        [0x81, length @ 0x80..=0xff, rest @ ..] => Ok((usize::from(*length), rest)),
        [0x82, high @ 1..=0xff, low, rest @ ..] => Ok((usize::from(u16::from_be_bytes([*high, *low])), rest)),
        [0x83, high @ 1..=0xff, middle, low, rest @ ..] => {
            usize::try_from(u32::from_be_bytes([0, *high, *middle, *low]))
                .map(|length| (length, rest))
                .map_err(|_| NotDer)
        }
        _ => Err(NotDer),
    }
}

/// The low bits of a tag that continues in the next octet (X.690 section 8.1.2.4); no accepted type has one.
const MULTIPLE_OCTETS: u8 = 0x1f;

/// The limit of three length octets; the largest accepted request or CRL entry is far smaller.
const BYTES_MAX: usize = 0xff_ffff;

/// The bytes are not strict DER, or not of the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not strict DER")]
pub struct NotDer;

#[cfg(test)]
mod tests {
    use ::der::{Reader, SliceReader};
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// How the `der` crate reads the first element.
    fn oracle(bytes: &[u8]) -> Option<(u8, &[u8])> {
        let mut reader = SliceReader::new(bytes).ok()?;
        let tag = reader.peek_header().ok()?.tag.octet();
        Some((tag, reader.tlv_bytes().ok()?))
    }

    #[test]
    fn elements_are_what_the_der_crate_says() {
        let seed = rand::random::<u64>();
        let mut generator = StdRng::seed_from_u64(seed);
        for _ in 0..50_000 {
            let mut bytes: Vec<u8> =
                (0..generator.random_range(0..300)).map(|_| generator.random()).collect();
            // Makes half of the inputs look like an element.
            if generator.random() && bytes.len() > 4 {
                bytes[0] = 0x30;
                bytes[1] = [0x81, 0x82, 0x83, 0x05][generator.random_range(0..4)];
                bytes[2] = generator.random_range(0..3);
            }
            let read = Elements::new(&bytes).and_then(|mut elements| elements.any()).ok();
            let expected = oracle(&bytes);
            // The crate knows fewer tags; what it reads must be read alike.
            if let Some((tag, raw)) = expected {
                let read = read.unwrap_or_else(|| panic!("seed {seed}: {} is not read", hex::encode(raw)));
                assert_eq!((read.tag, read.raw), (tag, raw), "seed {seed}");
            } else if let Some(element) = read {
                let known = SliceReader::new(&[element.tag]).unwrap().peek_byte().map(::der::Tag::try_from);
                assert!(matches!(known, Some(Err(_))), "seed {seed}: {} is read", hex::encode(element.raw));
            }
        }
    }
}
