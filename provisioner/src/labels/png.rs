//! A label as PNG: black and white, one bit a dot.

use ::png::{BitDepth, ColorType, Encoder, PixelDimensions, Unit};

use super::font::GLYPH;
use super::picture::{Picture, QUIET};

/// A PNG file; `None` if it cannot be encoded, which has no reason in what a label says.
pub(super) fn of(picture: &Picture) -> Option<Vec<u8>> {
    // A dot of the text is half a module, as a character is a whole number of modules.
    let lines = picture.lines(GLYPH * TEXT_DOT / MODULE);
    let line_height = (GLYPH + 4) * TEXT_DOT;
    let (width, height) = (picture.width * MODULE, picture.code_height * MODULE + lines.len() * line_height);
    let mut canvas = Canvas::new(width, height);
    for (x, y) in picture.dark() {
        canvas.square(x * MODULE, y * MODULE, MODULE);
    }
    for (number, line) in lines.iter().enumerate() {
        let top = picture.code_height * MODULE + number * line_height;
        for (x, y) in Picture::dots(line) {
            canvas.square(QUIET * MODULE + x * TEXT_DOT, top + y * TEXT_DOT, TEXT_DOT);
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    encoder.set_pixel_dims(Some(PixelDimensions {
        xppu: DOTS_PER_METRE,
        yppu: DOTS_PER_METRE,
        unit: Unit::Meter,
    }));
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&canvas.bits).ok()?;
    writer.finish().ok()?;
    Some(bytes)
}

/// White dots, packed into rows of whole bytes.
struct Canvas {
    bits: Vec<u8>,
    row_bytes: usize,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        let row_bytes = width.div_ceil(8);
        Self { bits: vec![0xff; row_bytes * height], row_bytes }
    }

    /// Makes a square black.
    fn square(&mut self, left: usize, top: usize, side: usize) {
        for y in top..top + side {
            for x in left..left + side {
                if let Some(byte) = self.bits.get_mut(y * self.row_bytes + x / 8) {
                    *byte &= !(0x80 >> (x % 8));
                }
            }
        }
    }
}

/// Dots of a side of a module: half a millimetre at 203 dots an inch, the usual label printer.
const MODULE: usize = 4;

/// Dots of a side of a dot of the text.
const TEXT_DOT: usize = 2;

/// 203 dots an inch.
const DOTS_PER_METRE: u32 = 7_992;
