//! The picture of a label as squares: the code with its quiet zone, and below it the serial number.

use qrcode::{Color, EcLevel, QrCode};

use super::font::{GLYPH, glyph};

/// Squares of equal size, row by row.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) width: usize,
    /// Those of the code.
    pub(super) code_height: usize,
    /// Dark squares.
    rows: Vec<Vec<bool>>,
    /// The rows of the text below it, in dots, each half a square.
    pub(super) serial: String,
}

impl Picture {
    /// `None` if the text is too long for a code.
    pub(super) fn new(text: &str, serial: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let side = code.width();
        let width = side + 2 * QUIET;
        let colours = code.to_colors();
        let mut rows = vec![vec![false; width]; QUIET];
        for line in colours.chunks(side) {
            let dark = line.iter().map(|colour| *colour == Color::Dark);
            let quiet = || std::iter::repeat_n(false, QUIET);
            rows.push(quiet().chain(dark).chain(quiet()).collect());
        }
        rows.extend(vec![vec![false; width]; QUIET]);
        Some(Self { width, code_height: rows.len(), rows, serial: serial.to_owned() })
    }

    /// The dark squares of the code: column and row.
    pub(super) fn dark(&self) -> impl Iterator<Item = (usize, usize)> {
        let of_row = |(y, row): (usize, &Vec<bool>)| {
            let dark: Vec<_> =
                row.iter().enumerate().filter(|(_, dark)| **dark).map(|(x, _)| (x, y)).collect();
            dark
        };
        self.rows.iter().enumerate().flat_map(of_row)
    }

    /// The serial number in lines that fit below the code, where a character is so many squares wide.
    pub(super) fn lines(&self, squares_of_a_character: usize) -> Vec<String> {
        let characters: Vec<char> = self.serial.chars().collect();
        let fit = (self.width.saturating_sub(2 * QUIET) / squares_of_a_character.max(1)).max(1);
        characters.chunks(fit).map(|line| line.iter().collect()).collect()
    }

    /// The dots of a line of text: column and row.
    pub(super) fn dots(line: &str) -> Vec<(usize, usize)> {
        let mut dots = Vec::new();
        for (index, character) in line.chars().enumerate() {
            for (y, bits) in glyph(character).into_iter().enumerate() {
                dots.extend((0..GLYPH).filter(|x| bits >> x & 1 == 1).map(|x| (index * GLYPH + x, y)));
            }
        }
        dots
    }
}

/// ISO/IEC 18004: the quiet zone is four modules wide.
pub(super) const QUIET: usize = 4;
