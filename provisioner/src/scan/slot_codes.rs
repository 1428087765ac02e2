//! The barcodes of the slots.

/// The codes of the slots 1, 2, … that the configuration names. `SLOT-03` and `slot 3` always name slot 3.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SlotCodes(Vec<String>);

impl SlotCodes {
    /// The codes in the order of the slots. An error if a code is empty, too long, or not for one slot alone.
    pub(crate) fn new(codes: Vec<String>) -> Result<Self, String> {
        if codes.len() > CODES_MAX {
            return Err(format!("a line has at most {CODES_MAX} slots"));
        }
        for (index, code) in codes.iter().enumerate() {
            let is_clean = code.trim() == code && !code.contains(char::is_control);
            if code.is_empty() || code.len() > CODE_BYTES_MAX || !is_clean {
                return Err(format!(
                    "{code:?} has to be 1 to {CODE_BYTES_MAX} characters without spaces around"
                ));
            }
            if codes.iter().take(index).any(|other| other == code) {
                return Err(format!("{code:?} is there twice"));
            }
            if let Some(slot) = usual(code).filter(|slot| *slot != index + 1) {
                return Err(format!("{code:?} is the code of slot {slot}, and here of slot {}", index + 1));
            }
        }
        Ok(Self(codes))
    }

    /// The slot of a code; `None`: it is not the code of a slot.
    pub(crate) fn slot(&self, code: &str) -> Option<usize> {
        let configured = self.0.iter().position(|known| known == code).map(|index| index + 1);
        configured.or_else(|| usual(code))
    }
}

/// The slot of `SLOT-03`, `slot 3`, `slot_3` or `SLOT3`.
fn usual(code: &str) -> Option<usize> {
    let (word, rest) = code.split_at_checked(4)?;
    let digits = rest.strip_prefix([' ', '-', '_', ':']).unwrap_or(rest);
    let is_number =
        (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if word.eq_ignore_ascii_case("slot") && is_number { digits.parse().ok() } else { None }
}

/// As many as a station has slots.
const CODES_MAX: usize = 64;

/// As long as the longest serial number.
const CODE_BYTES_MAX: usize = 64;

/// A longer number is a serial number.
const DIGITS_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_has_its_usual_code_and_one_of_its_own() {
        let codes = SlotCodes::new(vec!["FIX-A".into(), "FIX-B".into()]).unwrap();
        for (code, slot) in [
            ("FIX-B", Some(2)),
            ("fix-b", None),
            ("SLOT-03", Some(3)),
            ("slot 3", Some(3)),
            ("Slot12", Some(12)),
            ("SLOT-0", Some(0)),
            ("SLOT-0003", None),
            ("SLOT-", None),
            ("SLOTH1", None),
            ("SN000001", None),
            ("Ä", None),
        ] {
            assert_eq!(codes.slot(code), slot, "{code}");
        }
    }

    #[test]
    fn codes_that_do_not_name_one_slot_are_refused() {
        for codes in [vec!["A", "A"], vec![""], vec![" A"], vec!["A\n"], vec!["SLOT-2"]] {
            let codes: Vec<String> = codes.into_iter().map(str::to_owned).collect();
            assert!(SlotCodes::new(codes.clone()).is_err(), "{codes:?}");
        }
        assert!(SlotCodes::new(vec!["SLOT-1".into()]).is_ok());
    }
}
