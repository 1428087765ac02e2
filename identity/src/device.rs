//! Device identities: a product and a serial number within it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A device. Written `product/serial`, for example `cam-2/SN000123`; only the serial can contain `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId {
    /// The product.
    pub product: Product,
    /// The serial number, unique within the product.
    pub serial: DeviceSerial,
}

impl FromStr for DeviceId {
    type Err = DeviceIdError;

    fn from_str(text: &str) -> Result<Self, DeviceIdError> {
        let (product, serial) = text.split_once('/').ok_or(DeviceIdError::NoSlash)?;
        Ok(Self { product: product.parse()?, serial: serial.parse()? })
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.product, self.serial)
    }
}

debug_as_display!(DeviceId);

/// The name of a product: 1 to [`PRODUCT_CHARACTERS_MAX`] lower-case letters, digits and `-`, with a letter
/// or digit at both ends.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Product(Arc<str>);

text!(Product);
debug_as_display!(Product);

impl FromStr for Product {
    type Err = DeviceIdError;

    fn from_str(text: &str) -> Result<Self, DeviceIdError> {
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() > PRODUCT_CHARACTERS_MAX {
            return Err(DeviceIdError::ProductLength { characters: text.chars().count() });
        }
        let ends_well = bytes.first() != Some(&b'-') && bytes.last() != Some(&b'-');
        if !bytes.iter().copied().all(inner) || !ends_well {
            return Err(DeviceIdError::ProductCharacter);
        }
        Ok(Self(text.into()))
    }
}

/// A device serial number: 1 to [`SERIAL_CHARACTERS_MAX`] characters of ASN.1 PrintableString, no space at
/// either end. It becomes the certificate's `serialNumber` attribute, a PrintableString (R-AR-03; X.520
/// section 6.2.9). One with a character of [`unencodable`] is a value, for ledgers have orders with them, but
/// no order is made with it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceSerial(Arc<str>);

text!(DeviceSerial);
debug_as_display!(DeviceSerial);

impl FromStr for DeviceSerial {
    type Err = DeviceIdError;

    fn from_str(text: &str) -> Result<Self, DeviceIdError> {
        if text.is_empty() || text.len() > SERIAL_CHARACTERS_MAX {
            return Err(DeviceIdError::SerialLength { characters: text.chars().count() });
        }
        let printable = |c: char| c.is_ascii_alphanumeric() || " '()+,-./:=?".contains(c);
        if let Some(character) = text.chars().find(|c| !printable(*c)) {
            return Err(DeviceIdError::SerialCharacter { character });
        }
        if text.starts_with(' ') || text.ends_with(' ') {
            return Err(DeviceIdError::SerialSpace);
        }
        Ok(Self(text.into()))
    }
}

/// The first character that no certificate can have in a serial number. X.680 counts `?` among those of a
/// PrintableString, and the DER encoder below rcgen panics on it.
pub fn unencodable(serials: &str) -> Option<char> {
    serials.contains('?').then_some('?')
}

/// Why a text is not a [`DeviceId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum DeviceIdError {
    #[error("a device is written product/serial, for example cam-2/SN000123")]
    NoSlash,
    #[error("a product has 1 to {PRODUCT_CHARACTERS_MAX} characters, not {characters}")]
    ProductLength { characters: usize },
    #[error("a product has only lower-case letters, digits and -, and neither starts nor ends with -")]
    ProductCharacter,
    #[error("a device serial number has 1 to {SERIAL_CHARACTERS_MAX} characters, not {characters}")]
    SerialLength { characters: usize },
    #[error("a device serial number has only A-Z a-z 0-9 space and '()+,-./:=, not {character:?}")]
    SerialCharacter { character: char },
    #[error("a device serial number neither starts nor ends with a space")]
    SerialSpace,
}

/// The longest product name: fits file names, labels and DNs.
pub const PRODUCT_CHARACTERS_MAX: usize = 32;

/// The longest device serial number: `ub-serial-number`, X.520.
pub const SERIAL_CHARACTERS_MAX: usize = 64;
