//! The rules of DER for the contents of primitive types and for the order in a SET OF.

use super::{
    BIT_STRING, BOOLEAN, ENUMERATED, Elements, GENERALIZED_TIME, IA5_STRING, INTEGER, NULL, NotDer,
    OBJECT_IDENTIFIER, PRINTABLE_STRING, SET, UTC_TIME, UTF8_STRING,
};

/// Checks every element in `bytes`, at every depth: minimal INTEGERs, BOOLEANs of 00 or ff, padded BIT STRINGs, well-formed
/// OBJECT IDENTIFIERs, strings of their alphabet, times with seconds and Z, SETs in ascending order. What an OCTET STRING holds
/// is not looked at.
///
/// # Errors
/// When one breaks a rule, or lies deeper than `DEPTH_MAX`.
pub fn check_values(bytes: &[u8]) -> Result<(), NotDer> {
    check(bytes, 0)
}

fn check(bytes: &[u8], depth: usize) -> Result<(), NotDer> {
    if depth > DEPTH_MAX {
        return Err(NotDer);
    }
    let mut elements = Elements::new(bytes)?;
    while !elements.is_empty() {
        let element = elements.any()?;
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

fn primitive(tag: u8, content: &[u8]) -> Result<(), NotDer> {
    let fits = match tag {
        BOOLEAN => matches!(content, [0 | 0xff]),
        INTEGER | ENUMERATED => minimal_integer(content),
        BIT_STRING => padded_bits(content),
        NULL => content.is_empty(),
        OBJECT_IDENTIFIER => object_identifier(content),
        UTF8_STRING => std::str::from_utf8(content).is_ok(),
        PRINTABLE_STRING => content.iter().copied().all(printable),
        IA5_STRING => content.is_ascii(),
        UTC_TIME => time_digits(content, 12),
        GENERALIZED_TIME => time_digits(content, 14),
        _ => true,
    };
    if fits { Ok(()) } else { Err(NotDer) }
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

/// X.690 sections 11.7 and 11.8: seconds are there, fractions are not, and it is UTC.
fn time_digits(content: &[u8], digits: usize) -> bool {
    content.split_last().is_some_and(|(zone, time)| {
        *zone == b'Z' && time.len() == digits && time.iter().all(u8::is_ascii_digit)
    })
}

/// X.690 section 11.6. The types that we meet in a SET are all SET OF.
fn ascending(content: &[u8]) -> Result<(), NotDer> {
    let mut elements = Elements::new(content)?;
    let mut previous: &[u8] = &[];
    while !elements.is_empty() {
        let element = elements.any()?;
        if element.raw < previous {
            return Err(NotDer);
        }
        previous = element.raw;
    }
    Ok(())
}

const CONSTRUCTED: u8 = 0x20;

/// Deeper than anything in a certificate request; bounds the stack that a stranger can make us use.
const DEPTH_MAX: usize = 16;
