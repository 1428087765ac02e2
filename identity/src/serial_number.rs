//! Certificate serial numbers.

use std::fmt;
use std::str::FromStr;

use rand::CryptoRng;

/// A certificate serial number: 16 octets, the first 0x40 to 0x7f, so that it is positive, of constant
/// length, and has 126 random bits (RFC 5280, section 4.1.2.2, R-5280-01).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialNumber([u8; 16]);

impl SerialNumber {
    /// Draws a random serial number.
    pub fn random(generator: &mut impl CryptoRng) -> Self {
        let mut octets = [0; 16];
        generator.fill_bytes(&mut octets);
        octets[0] = (octets[0] & 0x7f) | 0x40;
        Self(octets)
    }

    /// The octets, as in the certificate.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl TryFrom<&[u8]> for SerialNumber {
    type Error = SerialNumberError;

    fn try_from(octets: &[u8]) -> Result<Self, SerialNumberError> {
        let octets: [u8; 16] = octets.try_into().map_err(|_| SerialNumberError)?;
        if (0x40..0x80).contains(&octets[0]) { Ok(Self(octets)) } else { Err(SerialNumberError) }
    }
}

impl FromStr for SerialNumber {
    type Err = SerialNumberError;

    /// Parses 32 hexadecimal digits; ignores colons between octets, as openssl prints them.
    fn from_str(text: &str) -> Result<Self, SerialNumberError> {
        let digits: Vec<u32> = text
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16).ok_or(SerialNumberError))
            .collect::<Result<_, _>>()?;
        let octets: Vec<u8> = digits
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => u8::try_from(high * 16 + low).map_err(|_| SerialNumberError),
                _ => Err(SerialNumberError),
            })
            .collect::<Result<_, _>>()?;
        Self::try_from(octets.as_slice())
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The octets are not a serial number that we made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a certificate serial number is 16 octets of which the first is 40 to 7f, in hexadecimal")]
pub struct SerialNumberError;
