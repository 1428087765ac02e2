//! Characters in text that people read.

/// Whether a character is invisible or changes how others are shown: control, format, bidirectional, tag and
/// private-use characters. Names contain none, so that two names that look alike are equal.
pub fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e000}'..='\u{f8ff}'
            | '\u{e0000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_told_from_what_people_write() {
        for unseen in
            ['\0', '\n', '\u{202e}', '\u{200b}', '\u{2028}', '\u{feff}', '\u{e0041}', '\u{2066}', '\u{ad}']
        {
            assert!(is_unseen(unseen), "{unseen:?}");
        }
        for seen in ['a', ' ', 'ä', '한', 'ש', '—', '\u{301}', '✓'] {
            assert!(!is_unseen(seen), "{seen:?}");
        }
    }
}
