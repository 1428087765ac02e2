//! Reading strict DER (X.690 section 10): one value has one encoding, everything else is refused (R-5280-20).
//!
//! The `der` crate reads tags and lengths; x509-parser is not used for it because it takes BER lengths and extra elements.

use ::der::{Reader, SliceReader};

mod tag;
mod value;

pub use tag::*;
pub use value::check_values;

/// One element: tag, length and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// What is in it.
    pub content: &'a [u8],
    /// All of it, with tag and length.
    pub raw: &'a [u8],
}

impl<'a> Element<'a> {
    /// The elements in the content.
    ///
    /// # Errors
    /// When the content is longer than any that we read.
    pub fn elements(&self) -> Result<Elements<'a>, NotDer> {
        Elements::new(self.content)
    }
}

/// Elements that follow one another.
#[derive(Debug, Clone)]
pub struct Elements<'a>(SliceReader<'a>);

impl<'a> Elements<'a> {
    /// Reads `bytes` from the start.
    ///
    /// # Errors
    /// When there are more than any that we read.
    pub fn new(bytes: &'a [u8]) -> Result<Self, NotDer> {
        SliceReader::new(bytes).map(Self).map_err(|_| NotDer)
    }

    /// The next element, whatever it is.
    ///
    /// # Errors
    /// When there is none, its length is not minimal or indefinite, or it does not end in time.
    pub fn any(&mut self) -> Result<Element<'a>, NotDer> {
        let header = self.0.peek_header().map_err(|_| NotDer)?;
        let raw = self.0.tlv_bytes().map_err(|_| NotDer)?;
        let length = usize::try_from(header.length).map_err(|_| NotDer)?;
        let start = raw.len().checked_sub(length).ok_or(NotDer)?;
        Ok(Element { tag: header.tag.octet(), content: raw.get(start..).ok_or(NotDer)?, raw })
    }

    /// The next element, which must have this tag.
    ///
    /// # Errors
    /// As [`Self::any`], or when it has another tag.
    pub fn expect(&mut self, tag: u8) -> Result<Element<'a>, NotDer> {
        let element = self.any()?;
        if element.tag == tag { Ok(element) } else { Err(NotDer) }
    }

    /// The next element if it has this tag; otherwise nothing is read.
    ///
    /// # Errors
    /// As [`Self::any`].
    pub fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, NotDer> {
        if self.0.peek_byte() == Some(tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// Whether all is read.
    pub fn is_empty(&self) -> bool {
        self.0.is_finished()
    }

    /// Says that nothing may follow.
    ///
    /// # Errors
    /// When something does.
    pub fn end(&self) -> Result<(), NotDer> {
        if self.is_empty() { Ok(()) } else { Err(NotDer) }
    }
}

/// Reads `bytes` as one element with this tag, and nothing after it.
///
/// # Errors
/// When they are not.
pub fn only(bytes: &[u8], tag: u8) -> Result<Element<'_>, NotDer> {
    let mut elements = Elements::new(bytes)?;
    let element = elements.expect(tag)?;
    elements.end()?;
    Ok(element)
}

/// The bytes are not strict DER, or not of the form that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not strict DER")]
pub struct NotDer;
