//! Bytes of a scanner or a keyboard become scans. No I/O; the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::screen::Key;

/// Finds the scans in a stream of bytes. What is no scan becomes a mistake with words for the operator.
#[derive(Debug)]
pub(crate) struct ScanReader {
    /// A person may type: backspace corrects, Ctrl-C and Ctrl-D alone mean what they mean in a terminal.
    is_keyboard: bool,
    /// The keys of the screen mean something.
    knows_keys: bool,
    line: Vec<u8>,
    /// The line was given up; the rest of it is dropped.
    skips: bool,
    after_return: bool,
    last_byte: Option<Instant>,
    /// When something came that no scanner or person should send.
    garbled_at: Option<Instant>,
    second: Option<Instant>,
    in_second: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scan {
    /// A whole line of printable characters.
    Code(String),
    /// Enter alone.
    Enter,
    /// Something that is not taken, and why.
    Mistake(String),
    /// A key of the screen.
    Key(Key),
    /// Ctrl-C of a person.
    Interrupt,
    /// Ctrl-D of a person: no more scans come.
    End,
}

impl ScanReader {
    pub(crate) fn new(is_keyboard: bool) -> Self {
        Self {
            is_keyboard,
            knows_keys: false,
            line: Vec::new(),
            skips: false,
            after_return: false,
            last_byte: None,
            garbled_at: None,
            second: None,
            in_second: 0,
        }
    }

    /// Also finds the keys of the screen.
    pub(crate) fn with_keys(self, knows_keys: bool) -> Self {
        Self { knows_keys, ..self }
    }

    /// Takes bytes that came at `now`.
    pub(crate) fn push(&mut self, bytes: &[u8], now: Instant) -> Vec<Scan> {
        if let Some(scans) = self.of_a_person(bytes, now) {
            return scans;
        }
        self.last_byte = Some(now);
        bytes.iter().filter_map(|byte| self.byte(*byte, now)).collect()
    }

    /// When a line without Enter is given up; `None`: there is none.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let is_partial = self.skips || !self.line.is_empty();
        self.last_byte.filter(|_| is_partial).map(|last| last + PARTIAL_AFTER)
    }

    /// Gives a line up that has not got its Enter by its deadline.
    pub(crate) fn give_up(&mut self, now: Instant) -> Option<Scan> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        let line = std::mem::take(&mut self.line);
        // An Escape alone is a key that means nothing here.
        if std::mem::take(&mut self.skips) || (self.knows_keys && Key::may_become(&line)) {
            return None;
        }
        Some(Scan::Mistake(format!(
            "{} came without Enter and was dropped: scan it again; a scanner must send Enter (CR or LF) after the code",
            shown(&line)
        )))
    }

    /// What was typed since the last Enter.
    pub(crate) fn typed(&self) -> String {
        if self.knows_keys && Key::may_become(&self.line) {
            return String::new();
        }
        let text = String::from_utf8_lossy(&self.line);
        text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
    }

    /// Keys that mean something only alone: between other characters they are noise of a scanner.
    fn of_a_person(&mut self, bytes: &[u8], now: Instant) -> Option<Vec<Scan>> {
        if !self.is_keyboard || self.skips || self.is_garbled(now) {
            return None;
        }
        if self.knows_keys && (self.line.is_empty() || Key::may_become(&self.line)) {
            let whole = [self.line.as_slice(), bytes].concat();
            if let Some(keys) = Key::all(&whole) {
                self.line.clear();
                return Some(keys.into_iter().map(Scan::Key).collect());
            }
        }
        if !self.line.is_empty() {
            return None;
        }
        match bytes {
            [CONTROL_D] => Some(vec![Scan::End]),
            [CONTROL_C] => Some(vec![Scan::Interrupt]),
            [CONTROL_C, CONTROL_C] => Some(vec![Scan::Interrupt, Scan::Interrupt]),
            _ => None,
        }
    }

    fn byte(&mut self, byte: u8, now: Instant) -> Option<Scan> {
        let after_return = std::mem::take(&mut self.after_return);
        match byte {
            b'\n' if after_return => None,
            b'\r' | b'\n' => {
                self.after_return = byte == b'\r';
                self.enter(now)
            }
            _ if self.skips => None,
            BACKSPACE | DELETE if self.is_keyboard => {
                while self.line.pop().is_some_and(|last| (0x80..0xc0).contains(&last)) {}
                None
            }
            CONTROL_U if self.is_keyboard => {
                self.line.clear();
                None
            }
            byte => {
                self.line.push(byte);
                (self.line.len() > SCAN_BYTES_MAX).then(|| self.too_long(now))
            }
        }
    }

    fn too_long(&mut self, now: Instant) -> Scan {
        self.skips = true;
        self.garbled_at = Some(now);
        let line = std::mem::take(&mut self.line);
        Scan::Mistake(format!(
            "more than {SCAN_BYTES_MAX} characters without Enter, which begin with {}: this is no serial number; the rest is \
             dropped up to the next Enter",
            shown(&line)
        ))
    }

    fn enter(&mut self, now: Instant) -> Option<Scan> {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.skips) {
            return None;
        }
        if let Err(first) = self.admit(now) {
            return first.then(|| {
                Scan::Mistake(format!(
                    "more than {SCANS_PER_SECOND_MAX} scans within a second: the others of this second are dropped; is a key or \
                     the scanner stuck?"
                ))
            });
        }
        match std::str::from_utf8(&line) {
            Ok("") => (!self.is_garbled(now)).then_some(Scan::Enter),
            Ok(text) if !text.contains(char::is_control) => match text.trim() {
                "" => None,
                code => Some(Scan::Code(code.to_owned())),
            },
            _ => {
                self.garbled_at = Some(now);
                Some(Scan::Mistake(format!(
                    "{} has characters that no serial number has, and was not taken: set the scanner to send only the code and \
                     Enter",
                    shown(&line)
                )))
            }
        }
    }

    /// Counts a line. The error says whether it is the first too many of its second.
    fn admit(&mut self, now: Instant) -> Result<(), bool> {
        if self.second.is_none_or(|second| now.duration_since(second) >= SECOND) {
            (self.second, self.in_second) = (Some(now), 0);
        }
        self.in_second = self.in_second.saturating_add(1);
        match self.in_second.checked_sub(SCANS_PER_SECOND_MAX) {
            None | Some(0) => Ok(()),
            Some(surplus) => {
                self.garbled_at = Some(now);
                Err(surplus == 1)
            }
        }
    }

    fn is_garbled(&self, now: Instant) -> bool {
        self.garbled_at.is_some_and(|at| now.duration_since(at) < SECOND)
    }
}

/// Bytes for a message: shortened, control characters written out.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let cut: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    let escaped: String = cut
        .chars()
        .map(
            |c| if c.is_control() { format!("{}", c.escape_unicode()) } else { c.escape_debug().to_string() },
        )
        .collect();
    format!("\"{escaped}{more}\"")
}

/// The longest scan: twice the longest serial number.
const SCAN_BYTES_MAX: usize = 128;

/// The most lines of a second: no person scans faster, and messages can still be read.
const SCANS_PER_SECOND_MAX: u32 = 20;

/// A scanner sends a code within milliseconds; a person who types pauses.
const PARTIAL_AFTER: Duration = Duration::from_secs(5);

/// After noise, Enter and Ctrl-C alone may be noise too.
const SECOND: Duration = Duration::from_secs(1);

const SHOWN_CHARACTERS_MAX: usize = 32;

const CONTROL_C: u8 = 0x03;
const CONTROL_D: u8 = 0x04;
const CONTROL_U: u8 = 0x15;
const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> Scan {
        Scan::Code(text.to_owned())
    }

    /// The scans of chunks that come at once.
    fn read(is_keyboard: bool, chunks: &[&[u8]]) -> Vec<Scan> {
        let (mut reader, now) = (ScanReader::new(is_keyboard), Instant::now());
        chunks.iter().flat_map(|chunk| reader.push(chunk, now)).collect()
    }

    #[test]
    fn a_line_is_a_scan_whatever_its_end_and_however_it_is_cut() {
        let expected = [code("SN1"), code("SN2"), Scan::Enter, code("SN 3")];
        assert_eq!(read(false, &[b"SN1\rSN2\r\n\n SN 3 \n"]), expected);
        assert_eq!(read(false, &[b"S", b"N1\r", b"SN2", b"\r", b"\n", b"\n SN 3", b" \n"]), expected);
    }

    #[test]
    fn control_characters_and_other_noise_are_told_and_begin_nothing() {
        for bytes in [&b"SN\x1d01\n"[..], b"\x02SN1\x03\r", b"\xffSN1\n", b"\x1b[ASN1\n"] {
            let scans = read(true, &[bytes]);
            assert!(matches!(scans.as_slice(), [Scan::Mistake(_)]), "{scans:?}");
        }
        assert_eq!(
            read(true, &[b"\x1d\n", b"\n", b"\x03"]).len(),
            1,
            "Enter and Ctrl-C behind noise are noise"
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_dropped_up_to_its_enter() {
        let scans = read(false, &[&[b'7'; 4000], b"\nSN1\n"]);
        assert!(matches!(scans.as_slice(), [Scan::Mistake(_), Scan::Code(_)]), "{scans:?}");
    }

    #[test]
    fn a_line_without_enter_is_told_after_a_pause() {
        let (mut reader, now) = (ScanReader::new(false), Instant::now());
        assert_eq!(reader.push(b"SN00", now), []);
        assert_eq!(reader.give_up(now + PARTIAL_AFTER / 2), None);
        let Some(Scan::Mistake(text)) = reader.give_up(reader.deadline().unwrap()) else { panic!() };
        assert!(text.starts_with("\"SN00\" came without Enter"), "{text}");
        assert_eq!(reader.deadline(), None);
        assert_eq!(reader.push(b"SN1\n", now + PARTIAL_AFTER), [code("SN1")]);
    }

    #[test]
    fn a_stuck_scanner_is_told_once_a_second() {
        let (mut reader, now) = (ScanReader::new(false), Instant::now());
        let of = |scans: Vec<Scan>| {
            let mistakes = scans.iter().filter(|scan| matches!(scan, Scan::Mistake(_))).count();
            (scans.len(), mistakes)
        };
        assert_eq!(of(reader.push(&b"SN1\n".repeat(1_000), now)), (SCANS_PER_SECOND_MAX as usize + 1, 1));
        assert_eq!(of(reader.push(b"SN1\n", now + SECOND)), (1, 0));
    }

    #[test]
    fn a_scan_in_the_second_of_noise_is_dropped_and_told_and_taken_when_it_is_scanned_again() {
        let (mut reader, now) = (ScanReader::new(true), Instant::now());
        let told = reader.push(&b"\x1d\n".repeat(100), now);
        assert!(
            matches!(told.last(), Some(Scan::Mistake(text)) if text.contains("within a second")),
            "{told:?}"
        );
        // A station that is slow to read gives the noise and what is scanned behind it the same time.
        assert_eq!(reader.push(b"\nSN1\n", now + SECOND / 2), []);
        assert_eq!(reader.push(b"SN1\n", now + SECOND), [code("SN1")]);
    }

    #[test]
    fn a_person_corrects_ends_and_interrupts_and_a_scanner_does_not() {
        assert_eq!(read(true, &[b"SN2\x7f1\n"]), [code("SN1")]);
        assert_eq!(read(true, &["SNä\u{7f}1\n".as_bytes()]), [code("SN1")]);
        assert_eq!(read(true, &[b"\x03", b"\x04"]), [Scan::Interrupt, Scan::End]);
        assert!(matches!(read(false, &[b"\x03", b"\n"]).as_slice(), [Scan::Mistake(_)]));
    }

    #[test]
    fn keys_of_the_screen_are_found_also_when_they_are_cut_and_never_within_a_scan() {
        let read = |chunks: &[&[u8]]| -> Vec<Scan> {
            let (mut reader, now) = (ScanReader::new(true).with_keys(true), Instant::now());
            chunks.iter().flat_map(|chunk| reader.push(chunk, now)).collect()
        };
        let key = Scan::Key;
        assert_eq!(read(&[b"\x10", b"\x1b[B\x1b[B"]), [key(Key::Pause), key(Key::Down), key(Key::Down)]);
        assert_eq!(read(&[b"\x1b", b"[6", b"~", b"SN1\r"]), [key(Key::PageDown), code("SN1")]);
        assert!(matches!(read(&[b"SN\x101\r"]).as_slice(), [Scan::Mistake(_)]));
        assert!(matches!(read(&[b"SN", b"\x10", b"\r"]).as_slice(), [Scan::Mistake(_)]));
        let mut reader = ScanReader::new(true).with_keys(true);
        assert_eq!(reader.push(b"\x1b", Instant::now()), []);
        assert_eq!(reader.give_up(reader.deadline().unwrap()), None, "Escape alone is no mistake");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_or_grow_without_bound(chunks: Vec<Vec<u8>>, keyboard: bool) {
            let (mut reader, now) = (ScanReader::new(keyboard), Instant::now());
            for chunk in chunks {
                for scan in reader.push(&chunk, now) {
                    let is_clean = !matches!(&scan, Scan::Code(code) if code.contains(char::is_control) || code.is_empty());
                    prop_assert!(is_clean, "{scan:?}");
                }
                prop_assert!(reader.line.len() <= SCAN_BYTES_MAX + 1);
            }
        }
    }
}
