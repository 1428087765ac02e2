//! The units that the CA has reserved for this station: taken in blocks before units are told their serial
//! numbers, and given back where no unit was told (ADR 0069).

mod error;
mod held;
mod terms;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use identity::{Clock, DeviceId, DeviceSerial, RequestId};
use parking_lot::Mutex;

pub(crate) use error::StockError;
pub(crate) use held::{Held, Reservation, ReserveRequest, from_millis};
pub(crate) use terms::{OrderRoom, ReserveTerms};

use crate::ca::{Ca, CaError, UNITS_MAX};
use crate::journal::{JournalState, Record, UnitRecord, Writer};
use crate::slot::clock_difference;

/// The units that no unit was told and that may be begun, and until the first of them may not.
pub(crate) type InHand = Arc<dyn Fn() -> Option<(usize, Duration)> + Send + Sync>;

/// Shared by all slots.
pub(crate) struct Stock {
    ca: Ca,
    journal: Writer,
    clock: Arc<dyn Clock>,
    work_order: String,
    terms: ReserveTerms,
    shelf: Arc<Mutex<Shelf>>,
    /// Held while the CA is asked, so that two slots do not ask for one thing.
    room: tokio::sync::Mutex<OrderRoom>,
}

#[derive(Debug, Default)]
struct Shelf {
    held: Held,
    /// Serial numbers that this run has given out, or that nothing is made under.
    given: BTreeSet<DeviceSerial>,
    /// Serial numbers that the CA was asked for by name.
    named: BTreeSet<DeviceSerial>,
    /// Serial numbers that units were told, as far as the journal knows.
    told: BTreeSet<DeviceSerial>,
}

impl Stock {
    /// The stock of an order, as the journal `known` has it. The serial numbers of units that are done are
    /// not given out, and neither are those in `elsewhere`.
    pub(crate) fn new(
        (ca, journal, clock): (Ca, Writer, Arc<dyn Clock>),
        work_order: &str,
        terms: ReserveTerms,
        known: &JournalState,
        elsewhere: impl Iterator<Item = DeviceSerial>,
        room: OrderRoom,
    ) -> Self {
        let serial = |(device, _): (&DeviceId, &UnitRecord)| device.serial.clone();
        let done = known.units.iter().filter(|(_, unit)| unit.is_done()).map(serial);
        let shelf = Shelf {
            held: known.held.clone(),
            given: done.chain(elsewhere).collect(),
            named: BTreeSet::new(),
            told: known.units.iter().map(serial).collect(),
        };
        let work_order = work_order.to_owned();
        let (shelf, room) = (Arc::new(Mutex::new(shelf)), tokio::sync::Mutex::new(room));
        Self { ca, journal, clock, work_order, terms, shelf, room }
    }

    /// How many units are in hand, and for how long.
    pub(crate) fn in_hand(&self) -> Option<(usize, Duration)> {
        in_hand(&self.shelf.lock(), &*self.clock)
    }

    /// Tells [`Self::in_hand`] whenever it is called.
    pub(crate) fn in_hand_at_any_time(&self) -> InHand {
        let (shelf, clock) = (Arc::clone(&self.shelf), Arc::clone(&self.clock));
        Arc::new(move || in_hand(&shelf.lock(), &*clock))
    }

    /// Serial numbers for at most `wanted` units: those in hand, else of the next block. Each is given out
    /// once in a run.
    pub(crate) async fn take(&self, wanted: u64) -> Result<Vec<DeviceSerial>, StockError> {
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let mut room = self.room.lock().await;
        self.settle(&mut room).await?;
        loop {
            let taken = self.shelf.lock().take(wanted, self.clock.now());
            if !taken.is_empty() {
                return Ok(taken);
            }
            let count = self.terms.block(wanted as u64, *room);
            self.reserve(count, Vec::new(), &mut room).await?;
        }
    }

    /// Reserves a whole block if none is in hand, for a line that may lose the CA.
    pub(crate) async fn stock_up(&self) -> Result<(), StockError> {
        self.take_block_if(|| self.in_hand().is_none()).await
    }

    /// Whether a line that may lose the CA has so few units in hand that it takes a further block.
    pub(crate) fn runs_low(&self) -> bool {
        let in_hand = self.in_hand().map_or(0, |(units, _)| units);
        self.terms.keeps && in_hand < self.terms.low()
    }

    /// Reserves one more block, if few units are in hand.
    pub(crate) async fn take_block(&self) -> Result<(), StockError> {
        self.take_block_if(|| self.runs_low()).await
    }

    async fn take_block_if(&self, is_wanted: impl FnOnce() -> bool) -> Result<(), StockError> {
        let mut room = self.room.lock().await;
        self.settle(&mut room).await?;
        if is_wanted() {
            self.reserve(self.terms.units.unwrap_or(0), Vec::new(), &mut room).await?;
        }
        Ok(())
    }

    /// Reserves these serial numbers as far as they are free. Each is asked for once in a run.
    pub(crate) async fn take_named(&self, serials: Vec<DeviceSerial>) -> Result<(), StockError> {
        let mut room = self.room.lock().await;
        self.settle(&mut room).await?;
        let now = self.clock.now();
        let mut missing = serials;
        {
            let mut shelf = self.shelf.lock();
            missing.retain(|serial| !shelf.is_in_force(serial, now) && shelf.named.insert(serial.clone()));
        }
        missing.truncate(UNITS_MAX);
        if missing.is_empty() { Ok(()) } else { self.reserve(0, missing, &mut room).await }
    }

    /// Reserves this serial number; an error if it is not free.
    pub(crate) async fn take_this(&self, serial: &DeviceSerial) -> Result<(), StockError> {
        let mut room = self.room.lock().await;
        self.settle(&mut room).await?;
        match self.is_in_force(serial) {
            true => Ok(()),
            false => self.reserve(0, vec![serial.clone()], &mut room).await,
        }
    }

    /// Whether it is reserved, its end has passed, and no unit was told it.
    pub(crate) fn is_over(&self, serial: &DeviceSerial) -> bool {
        let now = self.clock.now();
        let shelf = self.shelf.lock();
        shelf.held.returnable(Some(now)).any(|(_, serials)| serials.contains(serial))
    }

    /// Whether what is in hand stays after the run.
    pub(crate) fn keeps(&self) -> bool {
        self.terms.keeps
    }

    /// The most units that are reserved by name at a time.
    pub(crate) fn names_max(&self) -> usize {
        self.terms.units.map_or(NAMES_MAX, |units| usize::try_from(units).unwrap_or(NAMES_MAX))
    }

    /// Whether a new unit may be begun under this serial number without another question to the CA.
    pub(crate) fn is_in_force(&self, serial: &DeviceSerial) -> bool {
        self.shelf.lock().is_in_force(serial, self.clock.now())
    }

    /// The reservation under which a new unit may be begun with this serial number.
    pub(crate) fn in_force(&self, serial: &DeviceSerial) -> Option<String> {
        let shelf = self.shelf.lock();
        let is_in_force = shelf.is_in_force(serial, self.clock.now());
        is_in_force.then(|| shelf.held.reservation_of(serial).map(str::to_owned))?
    }

    /// Until when a unit with this serial number may be made; `None`: it is not reserved here.
    pub(crate) fn ends_at(&self, serial: &DeviceSerial) -> Option<SystemTime> {
        self.shelf.lock().held.ends_at(serial)
    }

    /// How many reserved units cannot be begun any more, and until when the last of them could.
    pub(crate) fn over(&self) -> Option<(usize, SystemTime)> {
        let shelf = self.shelf.lock();
        let over = || shelf.held.returnable(Some(self.clock.now()));
        let serials: Vec<DeviceSerial> = over().flat_map(|(_, serials)| serials).collect();
        let ends_at = serials.iter().filter_map(|serial| shelf.held.ends_at(serial)).max()?;
        Some((serials.len(), ends_at))
    }

    /// A unit is about to be told this serial number.
    pub(crate) fn told(&self, serial: &DeviceSerial) {
        let mut shelf = self.shelf.lock();
        shelf.told.insert(serial.clone());
        shelf.held.told(serial);
    }

    /// Returns what no unit was told: all of it, or only what is over.
    pub(crate) async fn give_back(&self, only_ended: bool) -> Result<u64, StockError> {
        let mut room = self.room.lock().await;
        self.settle(&mut room).await?;
        let ended = only_ended.then(|| self.clock.now());
        let home: Vec<(String, Vec<DeviceSerial>)> = {
            let shelf = self.shelf.lock();
            shelf.held.returnable(ended).map(|(id, serials)| (id.to_owned(), serials)).collect()
        };
        let mut returned = 0;
        for (reservation, serials) in home {
            for serials in serials.chunks(UNITS_MAX) {
                match self.ca.return_units(&reservation, serials).await {
                    Ok(()) => returned += serials.len() as u64,
                    // Nothing of it can come home: it is spent, or it is not this station's.
                    Err(CaError::Refused(refusal)) if !refusal.stops_the_line => {
                        tracing::warn!("reserved units of {reservation} did not come home: {refusal}");
                    }
                    Err(error) => return Err(error.into()),
                }
                self.gone(reservation.clone(), serials.to_vec()).await?;
            }
        }
        Ok(returned)
    }

    /// An operator has withdrawn the reservation of a serial number: nothing of it is begun any more.
    pub(crate) async fn withdrawn(&self, serial: &DeviceSerial) -> Result<(), StockError> {
        let found = {
            let shelf = self.shelf.lock();
            let id = shelf.held.reservation_of(serial);
            id.map(|id| (id.to_owned(), shelf.held.all_of(id)))
        };
        let Some((reservation, serials)) = found else { return Ok(()) };
        tracing::warn!("an operator has withdrawn {reservation}: no further unit of it is begun");
        self.gone(reservation, serials).await
    }

    async fn gone(&self, reservation: String, serials: Vec<DeviceSerial>) -> Result<(), StockError> {
        let record = Record::Returned { reservation: reservation.clone(), serials: serials.clone() };
        self.journal.record(&record).await?;
        self.shelf.lock().held.gone(&reservation, &serials);
        Ok(())
    }

    /// Repeats requests whose answers were lost: the CA gives the same reservations.
    async fn settle(&self, room: &mut OrderRoom) -> Result<(), StockError> {
        if self.ca.is_away() {
            return Ok(());
        }
        loop {
            let unanswered = self.shelf.lock().held.unanswered().cloned();
            let Some(request) = unanswered else { return Ok(()) };
            match self.ask(request, room).await {
                Ok(()) => {}
                // What was asked for then is not what is asked for now.
                Err(StockError::Ca(CaError::Refused(refusal)))
                    if !refusal.stops_the_line || refusal.is_about_the_order() => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn reserve(
        &self,
        count: u32,
        serials: Vec<DeviceSerial>,
        room: &mut OrderRoom,
    ) -> Result<(), StockError> {
        if self.ca.is_away() {
            return Err(CaError::Unreachable("no units are reserved without it".to_owned()).into());
        }
        let mut request_id = [0; 16];
        aws_lc_rs::rand::fill(&mut request_id).map_err(|_| StockError::NoRandomNumbers)?;
        let duration = self.terms.duration;
        let request = ReserveRequest { request_id: request_id.into(), count, serials, duration };
        // Recorded first: what the CA reserves is known also if the answer is lost.
        self.journal.record(&Record::Reserving(request.clone())).await?;
        self.shelf.lock().held.asked(request.clone());
        self.ask(request, room).await
    }

    async fn ask(&self, request: ReserveRequest, room: &mut OrderRoom) -> Result<(), StockError> {
        let request_id = request.request_id;
        match self.ca.reserve(&self.work_order, &request).await {
            Ok(answer) => {
                let (left, now, reservation) = (answer.left, answer.now, answer.reservation);
                let record = Record::Reserved { request_id, reservation: Some(reservation.clone()) };
                self.journal.record(&record).await?;
                self.shelf.lock().answered(&request_id, Some(&reservation));
                room.left = left;
                match now.and_then(|of_ca| clock_difference(self.clock.now(), of_ca)) {
                    Some(detail) => Err(StockError::ClockWrong(detail)),
                    None => Ok(()),
                }
            }
            Err(CaError::Refused(refusal)) => {
                let record = Record::Reserved { request_id, reservation: None };
                self.journal.record(&record).await?;
                self.shelf.lock().answered(&request_id, None);
                Err(CaError::Refused(refusal).into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Shelf {
    fn answered(&mut self, request_id: &RequestId, reservation: Option<&Reservation>) {
        let Self { held, told, .. } = self;
        held.answered(request_id, reservation, |serial| told.contains(serial));
    }

    fn take(&mut self, wanted: usize, now: SystemTime) -> Vec<DeviceSerial> {
        let usable = self.held.usable(now).into_iter();
        let taken: Vec<_> =
            usable.filter(|serial| !self.given.contains(*serial)).take(wanted).cloned().collect();
        self.given.extend(taken.iter().cloned());
        taken
    }

    fn is_in_force(&self, serial: &DeviceSerial, now: SystemTime) -> bool {
        self.held.ends_at(serial).is_some_and(|ends_at| now < ends_at)
    }
}

fn in_hand(shelf: &Shelf, clock: &dyn Clock) -> Option<(usize, Duration)> {
    let now = clock.now();
    let (units, ends_at) = shelf.held.in_hand(now)?;
    Some((units, ends_at.duration_since(now).ok()?))
}

/// The CA's usual default.
const NAMES_MAX: usize = 500;
