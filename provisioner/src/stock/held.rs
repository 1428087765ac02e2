//! The reservations of one work order, as the journal has them. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{DeviceSerial, RequestId};

/// A request for units, recorded before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReserveRequest {
    pub(crate) request_id: RequestId,
    /// How many of the next free serial numbers; 0: as many as the CA is configured for.
    pub(crate) count: u32,
    /// These serial numbers, if there are any.
    pub(crate) serials: Vec<DeviceSerial>,
    /// For how long; `None`: as long as the CA is configured for.
    pub(crate) duration: Option<Duration>,
}

/// Units that the CA has reserved for this station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reservation {
    /// For example `rs-000012`.
    pub(crate) id: String,
    pub(crate) serials: Vec<DeviceSerial>,
    /// From then on no unit of it is begun.
    pub(crate) ends_at: SystemTime,
}

/// All reservations that are not over, and requests without an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    reservations: BTreeMap<String, Serials>,
    unanswered: Vec<ReserveRequest>,
}

#[derive(Debug, Clone)]
struct Serials {
    ends_at: SystemTime,
    /// No unit was told one of these: they can be returned.
    untold: BTreeSet<DeviceSerial>,
    /// A unit was told, or may have been.
    told: BTreeSet<DeviceSerial>,
}

impl Held {
    pub(crate) fn asked(&mut self, request: ReserveRequest) {
        self.unanswered.push(request);
    }

    /// The CA has answered a request with a reservation, or without (`None`). `is_told` says of each serial
    /// number whether a unit may have it.
    pub(crate) fn answered(
        &mut self,
        request_id: &RequestId,
        reservation: Option<&Reservation>,
        is_told: impl Fn(&DeviceSerial) -> bool,
    ) {
        self.unanswered.retain(|request| request.request_id != *request_id);
        let Some(Reservation { id, serials, ends_at }) = reservation else { return };
        let (told, untold) = serials.iter().cloned().partition(|serial| is_told(serial));
        self.reservations.insert(id.clone(), Serials { ends_at: *ends_at, untold, told });
    }

    /// These serial numbers are no longer this station's.
    pub(crate) fn gone(&mut self, id: &str, serials: &[DeviceSerial]) {
        let Some(known) = self.reservations.get_mut(id) else { return };
        for serial in serials {
            known.untold.remove(serial);
            known.told.remove(serial);
        }
        if known.untold.is_empty() && known.told.is_empty() {
            self.reservations.remove(id);
        }
    }

    /// A unit is about to be told this serial number: it is not returned any more.
    pub(crate) fn told(&mut self, serial: &DeviceSerial) {
        for known in self.reservations.values_mut() {
            if known.untold.remove(serial) {
                known.told.insert(serial.clone());
            }
        }
    }

    pub(crate) fn unanswered(&self) -> Option<&ReserveRequest> {
        self.unanswered.first()
    }

    /// Until when a unit with this serial number may be begun; `None`: it is not reserved here.
    pub(crate) fn ends_at(&self, serial: &DeviceSerial) -> Option<SystemTime> {
        let holds = |known: &&Serials| known.untold.contains(serial) || known.told.contains(serial);
        self.reservations.values().filter(holds).map(|known| known.ends_at).max()
    }

    /// Serial numbers for new units, sorted: those that units were told, whose units can be made at any time,
    /// and the others of reservations that are not over.
    pub(crate) fn usable(&self, now: SystemTime) -> BTreeSet<&DeviceSerial> {
        let in_force = self.reservations.values().filter(|known| now < known.ends_at);
        in_force
            .flat_map(|known| &known.untold)
            .chain(self.reservations.values().flat_map(|known| &known.told))
            .collect()
    }

    /// What can be returned: reservations and their serial numbers that no unit was told. `only_ended`: only
    /// of those that are over.
    pub(crate) fn returnable(
        &self,
        only_ended: Option<SystemTime>,
    ) -> impl Iterator<Item = (&str, Vec<DeviceSerial>)> {
        self.reservations
            .iter()
            .filter(move |(_, known)| only_ended.is_none_or(|now| known.ends_at <= now))
            .filter(|(_, known)| !known.untold.is_empty())
            .map(|(id, known)| (id.as_str(), known.untold.iter().cloned().collect()))
    }

    /// The reservation of a serial number.
    pub(crate) fn reservation_of(&self, serial: &DeviceSerial) -> Option<&str> {
        let holds =
            |(_, known): &(&String, &Serials)| known.untold.contains(serial) || known.told.contains(serial);
        self.reservations.iter().find(holds).map(|(id, _)| id.as_str())
    }

    /// All serial numbers of a reservation.
    pub(crate) fn all_of(&self, id: &str) -> Vec<DeviceSerial> {
        let known = self.reservations.get(id);
        known.map(|known| known.untold.iter().chain(&known.told).cloned().collect()).unwrap_or_default()
    }

    /// All serial numbers that are held.
    pub(crate) fn serials(&self) -> impl Iterator<Item = &DeviceSerial> {
        self.reservations.values().flat_map(|known| known.untold.iter().chain(&known.told))
    }

    /// How many serial numbers no unit was told, and when the first reservation with such ones ends; `None`
    /// if there are none.
    pub(crate) fn in_hand(&self, now: SystemTime) -> Option<(usize, SystemTime)> {
        let in_force =
            || self.reservations.values().filter(|known| now < known.ends_at && !known.untold.is_empty());
        let ends_at = in_force().map(|known| known.ends_at).min()?;
        Some((in_force().map(|known| known.untold.len()).sum(), ends_at))
    }
}

/// A time in the journal's form: milliseconds since 1970.
pub(crate) fn from_millis(millis: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serials(texts: &[&str]) -> Vec<DeviceSerial> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn at(seconds: u64) -> SystemTime {
        from_millis(seconds * 1_000)
    }

    fn held(ends_at: SystemTime) -> Held {
        let mut held = Held::default();
        let request_id: RequestId = [1; 16].into();
        held.asked(ReserveRequest { request_id, count: 3, serials: Vec::new(), duration: None });
        assert!(held.unanswered().is_some());
        let reservation = Reservation { id: "rs-1".into(), serials: serials(&["A1", "A2", "A3"]), ends_at };
        held.answered(&request_id, Some(&reservation), |serial| serial.as_str() == "A3");
        assert!(held.unanswered().is_none());
        held
    }

    #[test]
    fn what_a_unit_was_told_is_never_returned_and_can_be_made_after_the_end() {
        let mut held = held(at(100));
        held.told(&"A1".parse().unwrap());
        let returnable: Vec<_> = held.returnable(None).map(|(_, serials)| serials).collect();
        assert_eq!(returnable, [serials(&["A2"])]);
        let usable = |now| held.usable(now).into_iter().map(|serial| serial.as_str()).collect::<Vec<_>>();
        assert_eq!(usable(at(99)), ["A1", "A2", "A3"]);
        assert_eq!(usable(at(100)), ["A1", "A3"], "the end bounds what is begun");
        assert_eq!((held.in_hand(at(99)), held.in_hand(at(100))), (Some((1, at(100))), None));
    }

    #[test]
    fn only_reservations_that_are_over_come_home_before_a_run() {
        let mut held = held(at(100));
        assert_eq!(held.returnable(Some(at(99))).count(), 0);
        let (id, home) = held.returnable(Some(at(100))).map(|(id, all)| (id.to_owned(), all)).next().unwrap();
        assert_eq!(home, serials(&["A1", "A2"]));
        held.gone(&id, &home);
        assert_eq!(held.ends_at(&"A1".parse().unwrap()), None);
        assert_eq!(held.ends_at(&"A3".parse().unwrap()), Some(at(100)));
    }
}
