//! The letters of the text in a PNG: 8 by 8 dots.

use font8x8::legacy::BASIC_LEGACY;

/// The rows of a character, the leftmost dot in the lowest bit. A serial number has ASCII characters only.
pub(super) fn glyph(character: char) -> [u8; GLYPH] {
    BASIC_LEGACY.get(character as usize).copied().unwrap_or_default()
}

/// Rows and columns of a character.
pub(super) const GLYPH: usize = 8;
