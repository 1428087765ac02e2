//! The order in which one of several stations takes the serials of a shared range.

use identity::{DeviceSerial, SerialPattern};

/// The station's position among the stations of an order, from 0, and their number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) position: u64,
    pub(crate) stations: u64,
}

impl Share {
    /// All serials of the range. The first `quantity` are divided among the stations. A station takes its own
    /// part upwards, then the others' downwards, to meet their stations as late as possible; then the rest.
    pub(crate) fn serials(
        self,
        pattern: SerialPattern,
        quantity: u64,
    ) -> impl Iterator<Item = DeviceSerial> + Send {
        let Self { position, stations } = self;
        let (length, count) = (pattern.len(), pattern.len().min(quantity));
        let part = count.div_ceil(stations).max(1);
        let part_of = move |position: u64| {
            let from = position.saturating_mul(part).min(count);
            from..from.saturating_add(part).min(count)
        };
        let others = (1..stations).flat_map(move |step| part_of((position + step) % stations).rev());
        part_of(position).chain(others).chain(count..length).filter_map(move |at| pattern.nth(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stations_that_share_a_range_begin_in_parts_of_their_own_and_leave_nothing_out() {
        let order = |quantity, position, stations| -> String {
            let serials = Share { position, stations }.serials("{0..9}".parse().unwrap(), quantity);
            serials.map(|serial| serial.to_string()).collect()
        };
        assert_eq!(order(10, 0, 1), "0123456789");
        assert_eq!(order(10, 0, 2), "0123498765");
        assert_eq!(order(10, 1, 2), "5678943210");
        assert_eq!(order(6, 1, 2), "3452106789");
        for stations in 1..12 {
            for position in 0..stations {
                let mut all: Vec<char> = order(7, position, stations).chars().collect();
                all.sort_unstable();
                assert_eq!(all.into_iter().collect::<String>(), "0123456789", "{position} of {stations}");
            }
        }
    }
}
