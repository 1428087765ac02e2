//! Decodes the bytes of a list.

use crate::mistakes::Mistake;

/// The text of a list, with `\n` after each line and without a byte order mark.
pub(crate) fn decode(content: &[u8]) -> Result<String, Mistake> {
    let text = match content {
        // UTF-16, "Unicode text" of a spreadsheet.
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        _ => utf8(content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content))?,
    };
    // The end-of-file character of CP/M, which some programs still write.
    let text = text.strip_suffix('\u{1a}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    match text.find('\0') {
        Some(at) => Err(Mistake::at(line_of(text.as_bytes(), at), NUL)),
        None => Ok(text),
    }
}

/// The text of one line. Without a byte order mark if it is the first.
pub(crate) fn decode_line(bytes: &[u8], line: u64) -> Result<String, Mistake> {
    let bytes = if line == 1 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) } else { bytes };
    if bytes.contains(&0) {
        return Err(Mistake::at(line, NUL));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Mistake::at(line, NOT_UTF8))?;
    Ok(text.trim_end_matches(['\r', '\u{1a}']).to_owned())
}

fn utf8(bytes: &[u8]) -> Result<String, Mistake> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
        let line = line_of(bytes, error.valid_up_to());
        Mistake::at(line, NOT_UTF8)
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Mistake> {
    let broken = || Mistake::of_all("the list is damaged UTF-16 text; save it as CSV UTF-8");
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(broken());
    }
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    String::from_utf16(&units).map_err(|_| broken())
}

fn line_of(bytes: &[u8], offset: usize) -> u64 {
    let before = bytes.get(..offset).unwrap_or_default();
    let ends = before
        .iter()
        .enumerate()
        .filter(|(at, byte)| **byte == b'\n' || (**byte == b'\r' && before.get(at + 1) != Some(&b'\n')));
    1 + u64::try_from(ends.count()).unwrap_or(u64::MAX - 1)
}

const NUL: &str = "there is a NUL byte: this is not a text file; save it as CSV UTF-8";
const NOT_UTF8: &str = "it is not UTF-8 text; save the file as CSV UTF-8";
