//! A label as SVG: one unit of the view box is one module of the code.

use std::fmt::Write;

use super::picture::{Picture, QUIET};

/// An SVG document. Its size is in millimetres: a module has half of one.
pub(super) fn of(picture: &Picture) -> String {
    let lines = picture.lines(CHARACTER);
    let (width, height) = (picture.width, picture.code_height + lines.len() * LINE);
    let mut path = String::new();
    for (x, y) in picture.dark() {
        write!(path, "M{x} {y}h1v1h-1z").ok();
    }
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let y = picture.code_height + number * LINE + LINE / 2;
        // The length is forced, so that every font fits.
        let length = line.chars().count() * CHARACTER;
        let line = escaped(line);
        writeln!(
            text,
            "<text x=\"{QUIET}\" y=\"{y}\" textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\">{line}</text>"
        )
        .ok();
    }
    let (wide, high) = (width as f64 / 2.0, height as f64 / 2.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"{wide}mm\" height=\"{high}mm\" viewBox=\"0 0 {width} {height}\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <path d=\"{path}\" fill=\"#000\" shape-rendering=\"crispEdges\"/>\n\
         <g font-family=\"monospace\" font-size=\"{FONT_SIZE}\" fill=\"#000\" xml:space=\"preserve\">\n{text}</g>\n</svg>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The modules that a character is wide, and a line high.
const CHARACTER: usize = 3;
const LINE: usize = 6;
const FONT_SIZE: usize = 5;
