//! What a line is to do, for every command that runs one.

use std::sync::Arc;

use identity::{DeviceSerial, Product};
use proto::v1;

use crate::journal::JournalState;
use crate::line::Intake;
use crate::link::LinkSpec;
use crate::mode::Mode;
use crate::offline::Offline;
use crate::session::ProvisioningBundle;
use crate::stock::OrderRoom;
use crate::units::Supply;
use crate::wire::bundle;

/// What a line is to do.
pub(super) struct Job {
    pub(super) work_order: String,
    pub(super) product: Product,
    pub(super) bundle: Arc<ProvisioningBundle>,
    pub(super) link: LinkSpec,
    pub(super) slots: usize,
    pub(super) mode: Mode,
    pub(super) supply: Supply,
    pub(super) intake: Intake,
    /// Whether the keyboard is free to end a pause.
    pub(super) can_pause: bool,
    pub(super) known: JournalState,
    pub(super) room: OrderRoom,
    /// Serial numbers that the supply has already.
    pub(super) first: Vec<DeviceSerial>,
    /// Whether units only get their deferred certificates.
    pub(super) finishes: bool,
    pub(super) offline: Offline,
}

impl Job {
    /// A run of an order over a link, with units that are on the fixtures when they are begun. It has none
    /// yet.
    pub(super) fn of(
        answer: &v1::GetWorkOrderResponse,
        product: Product,
        (link, slots): (LinkSpec, usize),
        known: JournalState,
    ) -> Self {
        let order = answer.work_order.as_ref();
        Self {
            work_order: order.map(|order| order.id.clone()).unwrap_or_default(),
            product,
            bundle: Arc::new(bundle(answer)),
            link,
            slots,
            mode: Mode::List,
            supply: Supply::of_list(Vec::new(), None),
            intake: Intake::Supply,
            can_pause: true,
            known,
            room: order.map_or(OrderRoom { left: 0, stations: 0 }, room),
            first: Vec::new(),
            finishes: false,
            offline: Offline::Never,
        }
    }
}

fn room(order: &v1::WorkOrder) -> OrderRoom {
    OrderRoom { left: order.units_left(), stations: order.stations.len() as u64 }
}
