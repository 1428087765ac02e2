//! Counts failures in a row with the same reason: one unit may be defective, several are not.

#[derive(Debug)]
pub(crate) struct Repeats {
    /// So many in a row are too many; 0: never.
    after: u32,
    last: String,
    in_a_row: u32,
}

impl Repeats {
    pub(crate) fn new(after: u32) -> Self {
        Self { after, last: String::new(), in_a_row: 0 }
    }

    /// Counts the end of a unit; `None`: it passed. Returns how many failed in a row, if they are too many.
    pub(crate) fn count(&mut self, failure: Option<&str>) -> Option<u32> {
        let Some(failure) = failure else {
            self.in_a_row = 0;
            return None;
        };
        if self.last != failure {
            failure.clone_into(&mut self.last);
            self.in_a_row = 0;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.after == 0 || self.in_a_row < self.after {
            return None;
        }
        Some(std::mem::take(&mut self.in_a_row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_failure_in_a_row_counts_and_after_a_pause_anew() {
        let mut repeats = Repeats::new(3);
        let of = |repeats: &mut Repeats, failures: &[Option<&str>]| -> Vec<Option<u32>> {
            failures.iter().map(|failure| repeats.count(*failure)).collect()
        };
        let (a, b) = (Some("timed-out no-answer"), Some("device-fault STORAGE"));
        assert_eq!(of(&mut repeats, &[a, a, b, a, a, None, a, a]), [None; 8]);
        assert_eq!(of(&mut repeats, &[a, a, a, a]), [Some(3), None, None, Some(3)]);
        assert_eq!(of(&mut Repeats::new(0), &[a; 100]), [None; 100]);
        assert_eq!(of(&mut Repeats::new(1), &[a, b]), [Some(1), Some(1)]);
    }
}
