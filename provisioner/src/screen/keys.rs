//! Keys that mean something on the screen: none of them is in a serial number.

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// Ctrl-P.
    Pause,
    /// Ctrl-R.
    Retry,
    /// Ctrl-X.
    Scrap,
    /// Ctrl-Q.
    Quit,
    /// Ctrl-L.
    Redraw,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
}

impl Key {
    /// The keys of bytes that consist of keys and nothing else; a barcode never does.
    pub(crate) fn all(mut bytes: &[u8]) -> Option<Vec<Self>> {
        let mut keys = Vec::new();
        while !bytes.is_empty() {
            let (sequence, key) = SEQUENCES.iter().find(|(sequence, _)| bytes.starts_with(sequence))?;
            keys.push(*key);
            bytes = bytes.get(sequence.len()..)?;
        }
        Some(keys)
    }

    /// Whether more bytes may make a key of these: a slow line cuts escape sequences.
    pub(crate) fn may_become(bytes: &[u8]) -> bool {
        SEQUENCES.iter().any(|(sequence, _)| sequence.len() > bytes.len() && sequence.starts_with(bytes))
    }
}

/// ECMA-48 cursor keys in both modes of a terminal, and the keys of a VT220.
const SEQUENCES: &[(&[u8], Key)] = &[
    (b"\x10", Key::Pause),
    (b"\x12", Key::Retry),
    (b"\x18", Key::Scrap),
    (b"\x11", Key::Quit),
    (b"\x0c", Key::Redraw),
    (b"\x1b[A", Key::Up),
    (b"\x1b[B", Key::Down),
    (b"\x1b[C", Key::Right),
    (b"\x1b[D", Key::Left),
    (b"\x1bOA", Key::Up),
    (b"\x1bOB", Key::Down),
    (b"\x1bOC", Key::Right),
    (b"\x1bOD", Key::Left),
    (b"\x1b[5~", Key::PageUp),
    (b"\x1b[6~", Key::PageDown),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bytes_that_are_keys_and_nothing_else_are_keys() {
        assert_eq!(Key::all(b"\x1b[B\x1b[6~\x10"), Some(vec![Key::Down, Key::PageDown, Key::Pause]));
        for bytes in [&b"SN1\x10"[..], b"\x10SN1", b"\x1b[", b"\x1b[Z", b"p", b"\x03"] {
            assert_eq!(Key::all(bytes), None, "{bytes:?}");
        }
        assert!(Key::may_become(b"\x1b") && Key::may_become(b"\x1b[5"));
        assert!(!Key::may_become(b"\x1b[A") && !Key::may_become(b"SN") && !Key::may_become(b"\x1bX"));
    }
}
