//! What is on record of device serial numbers, for stations.

use identity::{DeviceId, DeviceSerial, SerialNumber};
use ledger::{
    Conflict, DeviceState, ReservationId, ReservedUnit, ReservedUnitState, Serials, WorkOrderFacts,
    WorkOrderId,
};

use super::{Authority, Caller, Refused};

/// Which serial numbers a station asks about.
#[derive(Debug, Clone)]
pub enum UnitsAsked {
    /// These, of the order's product.
    Named(Vec<DeviceSerial>),
    /// The next [`UNITS_MAX`] of the order's manifest, behind this one.
    OfManifest {
        /// `None`: from the beginning.
        after: Option<DeviceSerial>,
    },
}

/// What is on record of the serial numbers that were asked about.
#[derive(Debug, Clone)]
pub struct Units {
    /// In the order of the request, or of the manifest.
    pub units: Vec<UnitOnRecord>,
    /// Whether the manifest has more behind them.
    pub more: bool,
    /// The order as of now.
    pub order: WorkOrderFacts,
}

/// What is on record of one serial number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitOnRecord {
    /// The device serial number.
    pub serial: DeviceSerial,
    /// What is on record of it.
    pub record: UnitRecord,
}

/// What may be on record of a serial number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitRecord {
    /// Nothing: no unit has it.
    Free,
    /// A unit has, or had, a birth certificate.
    Made(MadeUnit),
    /// A station has reserved it, and no unit has a certificate for it.
    Out(OutUnit),
    /// It was out when its reservation was withdrawn.
    Withdrawn,
    /// It was given up before a unit had a certificate.
    GivenUp,
    /// It was made while the CA could not be asked, and refused for good.
    Refused,
}

/// A unit that a station has reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutUnit {
    /// The reservation, if the caller holds it.
    pub reservation: Option<ReservationId>,
    /// Whether it is reserved under another order.
    pub other_order: bool,
}

/// A unit that has, or had, a birth certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeUnit {
    /// The state of the unit.
    pub state: DeviceState,
    /// Whether it may have another birth certificate under this order.
    pub rework: bool,
    /// Whether it was made under another order.
    pub other_order: bool,
    /// Whether another station asked for its birth certificate.
    pub other_station: bool,
    /// The serial number of its last birth certificate.
    pub birth: SerialNumber,
}

impl Authority {
    /// What is on record of serial numbers of an order's product. Reserves nothing.
    ///
    /// # Errors
    /// When the order does not name the caller, or a serial number is not of the order.
    pub async fn units(
        &self,
        caller: &Caller,
        work_order: WorkOrderId,
        asked: UnitsAsked,
    ) -> Result<Units, Refused> {
        let order = self.work_order_of_station(caller, work_order).await?;
        let (serials, more) = match asked {
            UnitsAsked::Named(serials) => (named(&order, serials)?, false),
            UnitsAsked::OfManifest { after } => page(&order.terms.serials, after),
        };
        let mut units = Vec::with_capacity(serials.len());
        for serial in serials {
            let device = DeviceId { product: order.terms.product.clone(), serial: serial.clone() };
            let record = self.unit_record(caller, work_order, &device).await?;
            units.push(UnitOnRecord { serial, record });
        }
        Ok(Units { units, more, order })
    }

    async fn unit_record(
        &self,
        caller: &Caller,
        work_order: WorkOrderId,
        device: &DeviceId,
    ) -> Result<UnitRecord, Refused> {
        // First the reservation: a unit that gets its certificate in between is then seen with it.
        let reserved = self.store.reserved_unit(device).await?;
        if let Some(device) = self.store.device(device).await? {
            return Ok(UnitRecord::Made(MadeUnit {
                state: device.state(),
                rework: device.flags.rework && device.work_order == work_order,
                other_order: device.work_order != work_order,
                other_station: device.station.as_ref() != caller.principal(),
                birth: device.birth,
            }));
        }
        let reservation = match reserved {
            None if self.store.is_given_up(device).await? => return Ok(UnitRecord::GivenUp),
            None => return Ok(UnitRecord::Free),
            Some(ReservedUnit { state: ReservedUnitState::Withdrawn, .. }) => {
                return Ok(UnitRecord::Withdrawn);
            }
            Some(ReservedUnit { state: ReservedUnitState::Refused, .. }) => return Ok(UnitRecord::Refused),
            Some(ReservedUnit { state: ReservedUnitState::Out, reservation }) => reservation,
        };
        let known = self.store.reservation(reservation).await?;
        let own = known.as_ref().is_some_and(|known| Some(&known.station) == caller.station());
        Ok(UnitRecord::Out(OutUnit {
            reservation: own.then_some(reservation),
            other_order: known.is_some_and(|known| known.work_order != work_order),
        }))
    }
}

/// The serial numbers, if all are of the order.
fn named(order: &WorkOrderFacts, serials: Vec<DeviceSerial>) -> Result<Vec<DeviceSerial>, Conflict> {
    match serials.iter().find(|serial| !order.terms.serials.contains(serial)) {
        None => Ok(serials),
        Some(serial) => {
            let device = DeviceId { product: order.terms.product.clone(), serial: serial.clone() };
            Err(Conflict::SerialNotInWorkOrder { work_order: order.id, device })
        }
    }
}

/// The next serial numbers of a manifest, and whether there are more. A pattern says it all itself.
fn page(serials: &Serials, after: Option<DeviceSerial>) -> (Vec<DeviceSerial>, bool) {
    let Serials::Manifest(manifest) = serials else { return (Vec::new(), false) };
    let mut behind = manifest.behind(after.as_ref());
    let page = behind.by_ref().take(UNITS_MAX).collect();
    (page, behind.next().is_some())
}

/// The most serial numbers of one answer: about 100 kB.
pub const UNITS_MAX: usize = 1_000;
