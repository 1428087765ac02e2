//! Certificate serial numbers.

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
}

octets!(SerialNumber, 16);

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
        let digits: String = text.chars().filter(|c| *c != ':').collect();
        let number = Some(&digits).filter(|digits| digits.len() == 32 && !digits.starts_with('+'));
        let number = number.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        Self::try_from(number.ok_or(SerialNumberError)?.to_be_bytes().as_slice())
    }
}

/// The octets are not a serial number that we made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a certificate serial number is 16 octets of which the first is 40 to 7f, in hexadecimal")]
pub struct SerialNumberError;
