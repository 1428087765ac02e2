//! Where the entries of a segment lie, by the offset of every sixteenth: a reader starts there and steps over
//! frames. A quarter of a byte in memory for each entry.

use super::segment::HEADER_BYTES;

/// The entries of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offsets {
    /// Where every [`STRIDE`]th frame starts, from the first on, bytes.
    pub(super) marks: Vec<u32>,
    /// Entries.
    pub(super) count: u32,
    /// Where the last entry ends, bytes.
    pub(super) end: u32,
}

/// A piece of a segment between two marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// The position of its first entry in the segment, from 0.
    pub(super) position: u32,
    pub(super) entries: u32,
    /// Bytes from the segment's start.
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Offsets {
    /// Those of a segment without entries.
    pub(super) fn new() -> Self {
        Self { marks: Vec::new(), count: 0, end: HEADER_BYTES }
    }

    /// Adds an entry whose frame has this length. `None`: the segment would be longer than offsets can say.
    pub(super) fn push(&mut self, length: u32) -> Option<()> {
        let end = self.end.checked_add(length)?;
        let count = self.count.checked_add(1)?;
        if self.count.is_multiple_of(STRIDE) {
            self.marks.push(self.end);
        }
        (self.count, self.end) = (count, end);
        Some(())
    }

    /// The shortest piece that holds the entries from `position` on, at most `count`, and that is not longer
    /// than `bytes_max`, unless it would not hold the first. `None`: there is no such entry, or `count` is 0.
    pub(super) fn span(&self, position: u32, count: u64, bytes_max: u32) -> Option<Span> {
        if position >= self.count || count == 0 {
            return None;
        }
        let behind = u32::try_from(count).map_or(self.count, |count| position.saturating_add(count));
        let (first, behind) = (position / STRIDE, behind.min(self.count).div_ceil(STRIDE));
        let start = self.mark(first);
        let longest = start.saturating_add(bytes_max);
        let marks = self.marks.get(first as usize + 1..).unwrap_or_default();
        let fitting = first + (marks.partition_point(|mark| *mark <= longest) as u32).max(1);
        // The end is no mark, but ends the last piece.
        let behind = if self.end <= longest { behind } else { behind.min(fitting) };
        let (position, end) = (first * STRIDE, self.mark(behind));
        let entries = self.count.min(behind.saturating_mul(STRIDE)) - position;
        Some(Span { position, entries, start, end })
    }

    fn mark(&self, index: u32) -> u32 {
        self.marks.get(index as usize).copied().unwrap_or(self.end)
    }
}

/// Entries from one mark to the next: four to sixteen kilobytes.
pub(super) const STRIDE: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths of short, usual and very long entries, mixed.
    fn lengths(count: u32) -> Vec<u32> {
        (0..count)
            .map(|i| [60, 700, 1100, 90][i as usize % 4] + if i % 97 == 0 { 300_000 } else { 0 })
            .collect()
    }

    #[test]
    fn a_span_holds_the_first_entry_that_was_asked_for_and_is_not_too_long() {
        for total in [1, 15, 16, 17, 999, 1000] {
            let (mut offsets, mut starts) = (Offsets::new(), vec![HEADER_BYTES]);
            for length in lengths(total) {
                offsets.push(length).unwrap();
                starts.push(offsets.end);
            }
            for position in 0..total {
                for count in [1, 2, 40, 5000, u64::MAX] {
                    let span = offsets.span(position, count, 256 * 1024).unwrap();
                    let behind = span.position + span.entries;
                    assert_eq!(span.start, starts[span.position as usize]);
                    assert_eq!(span.end, starts[behind as usize]);
                    assert!((span.position..behind).contains(&position));
                    assert!(position - span.position < STRIDE);
                    assert!(span.end - span.start <= 256 * 1024 || span.entries <= STRIDE);
                    let wanted = u64::from(total - position).min(count);
                    let all = u64::from(behind - position) >= wanted;
                    let next = (behind + STRIDE).min(total) as usize;
                    assert!(all || starts[next] - span.start > 256 * 1024, "shorter than need be");
                }
            }
            assert_eq!(offsets.span(total, 1, 9), None);
            assert_eq!(offsets.span(0, 0, 9), None);
        }
    }

    #[test]
    fn runs_in_order_begin_where_the_run_before_ended() {
        let mut offsets = Offsets::new();
        lengths(1000).into_iter().for_each(|length| offsets.push(length).unwrap());
        let mut next = 0;
        while next < 1000 {
            let span = offsets.span(next, u64::MAX, 256 * 1024).unwrap();
            assert_eq!(span.position, next, "nothing is read twice");
            next = span.position + span.entries;
        }
    }

    #[test]
    fn a_segment_that_grows_too_long_is_noticed() {
        let mut offsets = Offsets::new();
        offsets.push(u32::MAX / 2).unwrap();
        offsets.push(u32::MAX / 2 - HEADER_BYTES).unwrap();
        assert_eq!(offsets.push(10), None);
        assert_eq!(offsets.count, 2);
    }
}
