//! What a row of a list, or a scan, must be to become a unit of the order.

use identity::{DeviceId, DeviceSerial, Product, SerialPattern};

use super::Unit;
use crate::link::LinkSpec;

/// The rules of one run.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) work_order: String,
    pub(crate) product: Product,
    /// The order's range and its text; `None` for a manifest, which the CA knows.
    pub(crate) range: Option<(String, SerialPattern)>,
    pub(crate) slots: usize,
    pub(crate) link: LinkSpec,
}

impl Rules {
    /// Whether a serial number is in the order's range.
    pub(crate) fn serial(&self, serial: &DeviceSerial) -> Result<(), String> {
        match &self.range {
            Some((text, pattern)) if !pattern.contains(serial) => Err(format!(
                "the serial number is not in {text}, the range of work order {}",
                self.work_order
            )),
            _ => Ok(()),
        }
    }

    /// Checks a row's serial number and its slot.
    pub(crate) fn row(&self, row: &lists::Row) -> Result<(), String> {
        self.serial(&row.serial)?;
        self.slot(row).map(drop)
    }

    /// The unit of a row.
    pub(crate) fn unit(&self, row: lists::Row) -> Result<Unit, String> {
        self.row(&row)?;
        let slot = self.slot(&row)?;
        let device = DeviceId { product: self.product.clone(), serial: row.serial };
        self.link.accepts(&device).map_err(|error| error.to_string())?;
        Ok(Unit { device, columns: row.columns, slot })
    }

    /// The slot that a row names in its column `slot`.
    pub(crate) fn slot(&self, row: &lists::Row) -> Result<Option<usize>, String> {
        let named = row.columns.iter().find(|(name, _)| name.eq_ignore_ascii_case(SLOT_COLUMN));
        let Some((_, text)) = named.filter(|(_, text)| !text.is_empty()) else { return Ok(None) };
        match text.parse() {
            Ok(slot) if (1..=self.slots).contains(&slot) => Ok(Some(slot)),
            _ => {
                let slots = self.slots;
                let text: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
                Err(format!("{text:?} is not a slot of this run, which has slots 1 to {slots} (--slots)"))
            }
        }
    }
}

/// The column of a list that says the slot.
const SLOT_COLUMN: &str = "slot";

const SHOWN_CHARACTERS_MAX: usize = 32;
