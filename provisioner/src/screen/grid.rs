//! How many panels are on a page, and where.

use ratatui::layout::Rect;

/// The arrangement of all slots on pages of equal panels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) columns: usize,
    rows: usize,
    slots: usize,
}

impl Grid {
    /// The largest panels with which all slots fit on one page; else pages of small ones.
    pub(super) fn new(slots: usize, area: Rect) -> Self {
        let columns_max = usize::from(area.width / WIDTH_MIN).max(1);
        let rows_max = usize::from(area.height / HEIGHT_MIN).max(1);
        for rows in 1..=rows_max {
            let columns = slots.div_ceil(rows).max(1);
            if columns <= columns_max {
                return Self { columns, rows, slots };
            }
        }
        Self { columns: columns_max, rows: rows_max, slots }
    }

    fn per_page(self) -> usize {
        self.columns.saturating_mul(self.rows).max(1)
    }

    pub(super) fn pages(self) -> usize {
        self.slots.div_ceil(self.per_page()).max(1)
    }

    /// The page of a slot; both count from 0.
    pub(super) fn page_of(self, slot: usize) -> usize {
        slot / self.per_page()
    }

    /// The slots of a page, counted from 0.
    pub(super) fn on_page(self, page: usize) -> std::ops::Range<usize> {
        let first = page.saturating_mul(self.per_page()).min(self.slots);
        first..first.saturating_add(self.per_page()).min(self.slots)
    }

    /// Where the panel at a place of its page is.
    pub(super) fn panel(self, place: usize, area: Rect) -> Rect {
        let (row, column) = (place / self.columns.max(1), place % self.columns.max(1));
        let (x, width) = part(area.x, area.width, column, self.columns);
        let (y, height) = part(area.y, area.height, row, self.rows);
        Rect { x, y, width, height }
    }
}

/// One of `parts` parts that fill a length without a gap.
fn part(start: u16, length: u16, index: usize, parts: usize) -> (u16, u16) {
    let at = |index: usize| {
        let offset = usize::from(length).saturating_mul(index) / parts.max(1);
        u16::try_from(offset).unwrap_or(length).min(length)
    };
    let (from, to) = (at(index), at(index.saturating_add(1)));
    (start.saturating_add(from), to.saturating_sub(from))
}

/// A panel holds `12 SN000123`, PASS and a time.
const WIDTH_MIN: u16 = 20;

/// Two lines and a frame.
const HEIGHT_MIN: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn area(width: u16, height: u16) -> Rect {
        Rect { x: 0, y: 3, width, height }
    }

    #[test]
    fn few_slots_have_large_panels_and_many_have_pages() {
        let of = |slots, width, height| {
            let grid = Grid::new(slots, area(width, height));
            (grid.columns, grid.rows, grid.pages())
        };
        assert_eq!(of(1, 80, 14), (1, 1, 1));
        assert_eq!(of(3, 80, 14), (3, 1, 1));
        assert_eq!(of(6, 80, 14), (3, 2, 1));
        assert_eq!(of(40, 80, 14), (4, 3, 4));
        assert_eq!(of(64, 200, 50), (10, 7, 1));
        assert_eq!(of(9, 10, 2), (1, 1, 9), "also where nothing fits");
    }

    #[test]
    fn every_slot_is_on_one_page_and_no_panels_overlap() {
        for (slots, width, height) in [(1, 80, 14), (7, 81, 15), (40, 80, 14), (64, 133, 31)] {
            let (whole, grid) = (area(width, height), Grid::new(slots, area(width, height)));
            let mut seen = Vec::new();
            for page in 0..grid.pages() {
                let mut panels: Vec<Rect> = Vec::new();
                for (place, slot) in grid.on_page(page).enumerate() {
                    let panel = grid.panel(place, whole);
                    assert!(whole.intersection(panel) == panel && panel.width >= 20 && panel.height >= 4);
                    assert!(panels.iter().all(|other| !other.intersects(panel)), "{slot}");
                    assert_eq!(grid.page_of(slot), page);
                    panels.push(panel);
                    seen.push(slot);
                }
            }
            assert_eq!(seen, (0..slots).collect::<Vec<_>>());
        }
    }
}
