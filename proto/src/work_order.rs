//! What every program computes alike from the counts of a work order.

use crate::v1;

impl v1::WorkOrder {
    /// Units of the quantity that are not spent: neither made nor reserved nor given up in any way.
    pub fn units_left(&self) -> u64 {
        let counts = self.counts.unwrap_or_default();
        let spent = [
            counts.issued,
            counts.reserved,
            counts.withdrawn,
            counts.given_up,
            counts.refused_after_deferral,
        ];
        spent.into_iter().fold(self.quantity, u64::saturating_sub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_that_spends_the_quantity_lessens_what_is_left() {
        let counts = v1::WorkOrderCounts {
            issued: 1,
            confirmed: 1,
            scrapped: 1,
            reworked: 1,
            reserved: 10,
            withdrawn: 100,
            given_up: 1_000,
            refused_after_deferral: 10_000,
        };
        let left =
            |quantity| v1::WorkOrder { quantity, counts: Some(counts), ..Default::default() }.units_left();
        assert_eq!((left(20_000), left(11_111), left(5)), (8_889, 0, 0));
    }
}
