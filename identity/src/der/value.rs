//! Rules of DER for the contents of primitive types and the order of a SET OF.

use super::{
    BIT_STRING, BOOLEAN, ENUMERATED, Elements, GENERALIZED_TIME, IA5_STRING, INTEGER, NULL, NotDer,
    OBJECT_IDENTIFIER, PRINTABLE_STRING, SET, UTC_TIME, UTF8_STRING, element_fault,
};

/// Checks every element in `bytes`, at every depth: minimal INTEGERs, BOOLEANs of 00 or ff, padded BIT
/// STRINGs, well-formed OBJECT IDENTIFIERs, strings in their alphabet, times with seconds and Z, SETs in
/// ascending order. The content of OCTET STRINGs is not checked.
///
/// # Errors
/// When an element breaks a rule or is nested deeper than `DEPTH_MAX`.
pub fn check_values(bytes: &[u8]) -> Result<(), NotDer> {
    check(bytes, 0).map_err(|_| NotDer)
}

/// The first rule that an element in `bytes` breaks, at any depth; `None`: none is broken.
pub fn value_fault(bytes: &[u8]) -> Option<&'static str> {
    check(bytes, 0).err()
}

fn check(bytes: &[u8], depth: usize) -> Result<(), &'static str> {
    if depth > DEPTH_MAX {
        return Err("has elements that lie deeper in one another than anything that is read here");
    }
    let mut elements = Elements::new(bytes).map_err(|NotDer| TOO_LONG)?;
    let mut rest = bytes;
    while !elements.is_empty() {
        let element = elements.any().map_err(|NotDer| element_fault(rest).unwrap_or(TOO_LONG))?;
        rest = rest.get(element.raw.len()..).unwrap_or_default();
        if element.tag & CONSTRUCTED == 0 {
            primitive(element.tag, element.content)?;
            continue;
        }
        check(element.content, depth + 1)?;
        if element.tag == SET {
            ascending(element.content)?;
        }
    }
    Ok(())
}

fn primitive(tag: u8, content: &[u8]) -> Result<(), &'static str> {
    let (fits, rule) = match tag {
        BOOLEAN => {
            (matches!(content, [0 | 0xff]), "has a BOOLEAN that is not 00 or FF (X.690, section 11.1)")
        }
        INTEGER | ENUMERATED if content.is_empty() => {
            (false, "has an INTEGER without an octet (X.690, section 8.3.1)")
        }
        INTEGER | ENUMERATED => (
            minimal_integer(content),
            "has an INTEGER that is not written in as few octets as possible (X.690, section 8.3.2)",
        ),
        BIT_STRING => {
            (padded_bits(content), "has a BIT STRING whose unused bits are not zero (X.690, section 11.2.1)")
        }
        NULL => (content.is_empty(), "has a NULL that is not empty (X.690, section 8.8.2)"),
        OBJECT_IDENTIFIER => (
            object_identifier(content),
            "has an OBJECT IDENTIFIER that is cut off or has a leading zero (X.690, section 8.19)",
        ),
        UTF8_STRING => {
            (std::str::from_utf8(content).is_ok(), "has a UTF8String that is not UTF-8 (RFC 3629)")
        }
        PRINTABLE_STRING => (
            content.iter().copied().all(printable),
            "has a PrintableString with a character other than letters, digits, space and '()+,-./:=? (X.680, section 41.4)",
        ),
        IA5_STRING => (content.is_ascii(), "has an IA5String that is not ASCII (X.680, section 41)"),
        UTC_TIME => {
            (time_digits(content, 12), "has a UTCTime that is not YYMMDDHHMMSSZ (X.690, section 11.8)")
        }
        GENERALIZED_TIME => (
            time_digits(content, 14),
            "has a GeneralizedTime that is not YYYYMMDDHHMMSSZ (X.690, section 11.7)",
        ),
        _ => (true, ""),
    };
    if fits { Ok(()) } else { Err(rule) }
}

fn minimal_integer(content: &[u8]) -> bool {
    match content {
        [] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => false,
        [_, ..] => true,
    }
}

/// Unused bits are at most seven and zero (X.690 section 11.2.1).
fn padded_bits(content: &[u8]) -> bool {
    match content {
        [0] => true,
        [unused @ 0..=7, .., last] => last.trailing_zeros() >= u32::from(*unused),
        _ => false,
    }
}

/// Each arc in base 128 without leading zeros, the last one complete (X.690 section 8.19).
fn object_identifier(content: &[u8]) -> bool {
    let mut starts = true;
    for octet in content {
        if starts && *octet == 0x80 {
            return false;
        }
        starts = octet & 0x80 == 0;
    }
    !content.is_empty() && starts
}

fn printable(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&octet)
}

/// X.690 sections 11.7 and 11.8: seconds present, no fractions, UTC.
fn time_digits(content: &[u8], digits: usize) -> bool {
    content.split_last().is_some_and(|(zone, time)| {
        *zone == b'Z' && time.len() == digits && time.iter().all(u8::is_ascii_digit)
    })
}

/// X.690 section 11.6. All SETs in requests and certificates are SET OF. The elements were parsed before.
fn ascending(content: &[u8]) -> Result<(), &'static str> {
    let mut elements = Elements::new(content).map_err(|NotDer| TOO_LONG)?;
    let mut previous: &[u8] = &[];
    while !elements.is_empty() {
        let element = elements.any().map_err(|NotDer| TOO_LONG)?;
        if element.raw < previous {
            return Err("has a SET OF whose elements are not in ascending order (X.690, section 11.6)");
        }
        previous = element.raw;
    }
    Ok(())
}

const TOO_LONG: &str = "is longer than anything that is read here";
const CONSTRUCTED: u8 = 0x20;

/// Deeper than any certificate request; bounds the use of the stack.
const DEPTH_MAX: usize = 16;
