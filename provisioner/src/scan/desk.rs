//! Decides which slot a scan is for. No I/O.

use std::time::Duration;

use identity::{DeviceId, DeviceSerial, Product};
use tokio::time::Instant;

use super::SlotCodes;
use crate::crew::operator;

/// What is on the slots, as far as scans are concerned.
#[derive(Debug)]
pub(crate) struct Bench(Vec<Place>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Free,
    /// The unit was scanned, and is not inserted or not begun.
    Waiting(DeviceId),
    Busy(DeviceId),
}

impl Bench {
    pub(crate) fn new(slots: usize) -> Self {
        Self(vec![Place::Free; slots])
    }

    /// Puts a scanned unit on a slot, in place of one that waits. `false` if the slot is busy.
    pub(crate) fn place(&mut self, slot: usize, device: DeviceId) -> bool {
        match self.get_mut(slot) {
            Some(place @ (Place::Free | Place::Waiting(_))) => {
                *place = Place::Waiting(device);
                true
            }
            Some(Place::Busy(_)) | None => false,
        }
    }

    /// Begins the unit that waits at a slot. `false` if another one waits there now.
    pub(crate) fn begin(&mut self, slot: usize, device: &DeviceId) -> bool {
        match self.get_mut(slot) {
            Some(place) if *place == Place::Waiting(device.clone()) => {
                *place = Place::Busy(device.clone());
                true
            }
            _ => false,
        }
    }

    /// Whether a unit waits at a slot, which another one can replace.
    pub(crate) fn has_waiting(&self, slot: usize) -> bool {
        matches!(self.get(slot), Some(Place::Waiting(_)))
    }

    pub(crate) fn is_waiting_for(&self, slot: usize, device: &DeviceId) -> bool {
        matches!(self.get(slot), Some(Place::Waiting(waiting)) if waiting == device)
    }

    /// The unit of a slot has ended.
    pub(crate) fn free(&mut self, slot: usize) {
        if let Some(place) = self.get_mut(slot) {
            *place = Place::Free;
        }
    }

    fn slots(&self) -> usize {
        self.0.len()
    }

    fn first_free(&self) -> Option<usize> {
        self.0.iter().position(|place| *place == Place::Free).map(|index| index + 1)
    }

    fn slot_of(&self, device: &DeviceId) -> Option<usize> {
        let is_it =
            |place: &Place| matches!(place, Place::Waiting(other) | Place::Busy(other) if other == device);
        self.0.iter().position(is_it).map(|index| index + 1)
    }

    fn get(&self, slot: usize) -> Option<&Place> {
        self.0.get(slot.checked_sub(1)?)
    }

    fn get_mut(&mut self, slot: usize) -> Option<&mut Place> {
        self.0.get_mut(slot.checked_sub(1)?)
    }
}

/// What becomes of a scan.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing is begun; the operator is told this.
    Tell(String),
    /// If the unit may be made, it goes to this slot.
    Place(DeviceId, usize),
    /// Enter, and nothing waited for it here.
    Enter,
    /// Somebody with this name works from now on.
    Operator(String),
}

/// The scans of a line, one after another.
#[derive(Debug)]
pub(crate) struct Desk {
    product: Product,
    codes: SlotCodes,
    /// A scan that begins with it is the name of an operator.
    operator_prefix: Option<String>,
    /// Whether Enter must confirm a slot that was not scanned.
    confirms: bool,
    /// The slot whose code was scanned last.
    chosen: Option<usize>,
    /// Whether the last unit went to a slot whose code was scanned.
    was_chosen: bool,
    unconfirmed: Option<(DeviceId, usize)>,
    last: Option<(String, Instant)>,
}

impl Desk {
    pub(crate) fn new(product: Product, codes: SlotCodes, confirms: bool) -> Self {
        Self {
            product,
            codes,
            operator_prefix: None,
            confirms,
            chosen: None,
            was_chosen: false,
            unconfirmed: None,
            last: None,
        }
    }

    /// Takes scans with this prefix for the names of operators.
    pub(crate) fn with_operators(self, operator_prefix: Option<String>) -> Self {
        Self { operator_prefix, ..self }
    }

    /// Takes a scan that came at `now`.
    pub(crate) fn scanned(&mut self, code: &str, bench: &Bench, now: Instant) -> Decision {
        if let Some(name) = self.operator_prefix.as_deref().and_then(|prefix| code.strip_prefix(prefix)) {
            return match operator(name) {
                Ok(name) => Decision::Operator(name),
                Err(why) => tell(format!("{code:?} names no operator: {why}; nothing was changed")),
            };
        }
        if let Some(slot) = self.codes.slot(code) {
            return self.slot_scanned(slot, bench);
        }
        let last = self.last.replace((code.to_owned(), now));
        if last.is_some_and(|(last, at)| last == code && now.duration_since(at) < DOUBLE_WITHIN) {
            return tell(format!("{code} was scanned twice: once is enough"));
        }
        let device = match code.parse::<DeviceSerial>() {
            Ok(serial) => DeviceId { product: self.product.clone(), serial },
            Err(error) => {
                return tell(format!("{code:?} is not a serial number ({error}); nothing was begun"));
            }
        };
        if let Some(slot) = bench.slot_of(&device) {
            return tell(format!("{device} is for slot {slot} already"));
        }
        if let Some((other, slot)) = &self.unconfirmed {
            return tell(format!(
                "{device} was not taken: {other} waits for Enter (slot {slot}), or for the code of another slot"
            ));
        }
        let chosen = self.chosen.take();
        self.was_chosen = chosen.is_some();
        match chosen {
            Some(slot) => Decision::Place(device, slot),
            None => self.next_free(device, bench),
        }
    }

    /// Enter alone.
    pub(crate) fn entered(&mut self) -> Decision {
        match self.unconfirmed.take() {
            Some((device, slot)) => Decision::Place(device, slot),
            None => Decision::Enter,
        }
    }

    /// The unit that went to this slot cannot be made. A slot whose code was scanned stays chosen: the next
    /// serial number is not for another one.
    pub(crate) fn refused(&mut self, slot: usize) -> bool {
        if self.was_chosen {
            self.chosen = Some(slot);
        }
        self.was_chosen
    }

    fn slot_scanned(&mut self, slot: usize, bench: &Bench) -> Decision {
        let says = match bench.get(slot) {
            None => {
                let slots = bench.slots();
                return tell(format!("there is no slot {slot}: this run has slots 1 to {slots} (--slots)"));
            }
            Some(Place::Busy(device)) => {
                self.chosen = None;
                return tell(format!("slot {slot} is busy with {device}; nothing was begun"));
            }
            Some(Place::Waiting(device)) => {
                format!(
                    "slot {slot}: the next serial number takes the place of {device}, which was not begun"
                )
            }
            Some(Place::Free) => format!("slot {slot}: scan the serial number of its unit"),
        };
        match self.unconfirmed.take() {
            Some((device, _)) => {
                self.was_chosen = true;
                Decision::Place(device, slot)
            }
            None => {
                self.chosen = Some(slot);
                tell(says)
            }
        }
    }

    fn next_free(&mut self, device: DeviceId, bench: &Bench) -> Decision {
        match bench.first_free() {
            None => tell(format!(
                "{device} was not taken: no slot is free; scan it again when one is, or scan the code of a slot that waits for its \
                 unit first"
            )),
            Some(slot) if self.confirms && bench.slots() > 1 => {
                let text = format!(
                    "{device} goes to slot {slot}: press Enter to confirm, or scan the code of another slot"
                );
                self.unconfirmed = Some((device, slot));
                tell(text)
            }
            Some(slot) => Decision::Place(device, slot),
        }
    }
}

fn tell(text: String) -> Decision {
    Decision::Tell(text)
}

/// A trigger that is pulled twice sends the same code twice.
const DOUBLE_WITHIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn desk(confirms: bool) -> Desk {
        let codes = SlotCodes::new(vec!["FIX-A".into()]).unwrap();
        Desk::new("cam-2".parse().unwrap(), codes, confirms)
    }

    fn device(serial: &str) -> DeviceId {
        format!("cam-2/{serial}").parse().unwrap()
    }

    fn told(decision: &Decision, words: &str) -> bool {
        matches!(decision, Decision::Tell(text) if text.contains(words))
    }

    #[test]
    fn with_one_slot_a_scan_goes_to_it_and_a_further_one_does_not_take_its_place() {
        let (mut desk, mut bench, now) = (desk(true), Bench::new(1), Instant::now());
        assert_eq!(desk.scanned("SN1", &bench, now), Decision::Place(device("SN1"), 1));
        assert!(bench.place(1, device("SN1")));
        assert!(told(&desk.scanned("SN2", &bench, now), "no slot is free"));
        assert!(told(&desk.scanned("SN1", &bench, now), "for slot 1 already"));
        assert!(told(&desk.scanned("SN1", &bench, now), "scanned twice"));
        // Only the slot's own code says that the scan before was a mistake.
        assert!(told(&desk.scanned("slot 1", &bench, now), "takes the place of cam-2/SN1"));
        assert_eq!(desk.scanned("SN3", &bench, now), Decision::Place(device("SN3"), 1));
        assert!(bench.place(1, device("SN3")) && !bench.begin(1, &device("SN1")));
        assert!(bench.begin(1, &device("SN3")) && !bench.place(1, device("SN4")));
        assert!(told(&desk.scanned("SLOT-01", &bench, now), "is busy with cam-2/SN3"));
        bench.free(1);
        assert_eq!(desk.scanned("SN4", &bench, now), Decision::Place(device("SN4"), 1));
    }

    #[test]
    fn a_scan_with_the_prefix_of_operators_names_one_and_is_no_unit() {
        let (bench, now) = (Bench::new(2), Instant::now());
        let mut desk = desk(false).with_operators(Some("OP:".into()));
        assert_eq!(desk.scanned("OP:Ada L.", &bench, now), Decision::Operator("Ada L.".into()));
        assert!(told(&desk.scanned("OP:", &bench, now), "names no operator"));
        desk.scanned("slot 2", &bench, now);
        assert_eq!(desk.scanned("OP:Bob", &bench, now), Decision::Operator("Bob".into()));
        assert_eq!(
            desk.scanned("SN1", &bench, now),
            Decision::Place(device("SN1"), 2),
            "the slot stays chosen"
        );
        assert!(matches!(self::desk(false).scanned("OP:Ada", &bench, now), Decision::Place(..)));
    }

    #[test]
    fn with_several_slots_the_scanned_one_or_the_next_free_one_takes_the_unit() {
        let (mut desk, mut bench, now) = (desk(false), Bench::new(3), Instant::now());
        assert_eq!(desk.scanned("SN1", &bench, now), Decision::Place(device("SN1"), 1));
        bench.place(1, device("SN1"));
        assert!(told(&desk.scanned("SLOT-03", &bench, now), "slot 3: scan the serial number"));
        assert!(told(&desk.scanned("SN_2", &bench, now), "is not a serial number"), "the slot stays chosen");
        assert_eq!(desk.scanned("SN9", &bench, now), Decision::Place(device("SN9"), 3));
        assert!(desk.refused(3), "the CA refuses it, and the slot stays chosen");
        assert_eq!(desk.scanned("SN2", &bench, now), Decision::Place(device("SN2"), 3));
        bench.place(3, device("SN2"));
        assert_eq!(desk.scanned("SN3", &bench, now), Decision::Place(device("SN3"), 2));
        assert!(!desk.refused(2));
        assert!(told(&desk.scanned("SLOT-4", &bench, now), "there is no slot 4"));
        assert!(told(&desk.scanned("FIX-A", &bench, now), "slot 1: the next serial number"));
    }

    #[test]
    fn a_slot_that_was_not_scanned_is_confirmed_if_the_line_wants_it() {
        let (mut desk, bench, now) = (desk(true), Bench::new(2), Instant::now());
        assert_eq!(desk.entered(), Decision::Enter);
        assert!(told(&desk.scanned("SN1", &bench, now), "goes to slot 1: press Enter"));
        assert!(told(&desk.scanned("SN2", &bench, now), "waits for Enter (slot 1)"));
        assert_eq!(desk.entered(), Decision::Place(device("SN1"), 1));
        assert!(told(&desk.scanned("SN3", &bench, now), "press Enter"));
        assert_eq!(desk.scanned("slot 2", &bench, now), Decision::Place(device("SN3"), 2));
        desk.scanned("slot 2", &bench, now);
        assert_eq!(
            desk.scanned("SN4", &bench, now),
            Decision::Place(device("SN4"), 2),
            "a scanned slot needs no Enter"
        );
    }
}
