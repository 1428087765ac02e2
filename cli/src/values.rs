//! Values on the command line that several programs read.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads the id of a work order, or its number alone, which is completed as the CA writes ids.
pub fn work_order(text: &str) -> Result<String, String> {
    numbered("wo-", text).ok_or_else(|| {
        "a work order is written wo-000017, or 17; `touchmark work-order list` shows them".to_owned()
    })
}

/// Reads the id of a reservation, or its number alone, as [`work_order`] does.
pub fn reservation(text: &str) -> Result<String, String> {
    numbered("rs-", text).ok_or_else(|| {
        "a reservation is written rs-000012, or 12; `touchmark work-order reservation list` shows them"
            .to_owned()
    })
}

fn numbered(prefix: &str, text: &str) -> Option<String> {
    let number = text.strip_prefix(prefix).unwrap_or(text);
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    match number.parse::<u64>() {
        Ok(number @ 1..) if digits => Some(format!("{prefix}{number:06}")),
        _ => None,
    }
}

/// Reads a file, or standard input for `-`, to one byte after `bytes_max`: the parser sees that it is too
/// long.
pub fn read_file(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    match path.to_str() {
        Some("-") => io::stdin().lock().take(limit).read_to_end(&mut content)?,
        _ => File::open(path)?.take(limit).read_to_end(&mut content)?,
    };
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_is_its_id_or_its_number() {
        for text in ["rs-000012", "12", "rs-12"] {
            assert_eq!(reservation(text).unwrap(), "rs-000012", "{text}");
        }
        for text in ["wo-000012", "rs-", "0", "+12"] {
            assert!(reservation(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_work_order_is_its_id_or_its_number() {
        for text in ["wo-000017", "wo-17", "17", "000017"] {
            assert_eq!(work_order(text).unwrap(), "wo-000017", "{text}");
        }
        for text in ["", "0", "wo-", "+17", "wo-+17", "x17", "../17", "99999999999999999999"] {
            assert!(work_order(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_read_to_one_byte_more() {
        let path = std::env::temp_dir().join(format!("touchmark-cli-{}", std::process::id()));
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_file(&path, 3).unwrap(), b"1234");
        assert_eq!(read_file(&path, 5).unwrap(), b"12345");
        std::fs::remove_file(&path).unwrap();
    }
}
