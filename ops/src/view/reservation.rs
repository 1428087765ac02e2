//! A reservation as it is printed.

use proto::v1 as wire;
use serde::Serialize;

use super::word;
use crate::timestamp;

#[derive(Debug, Serialize)]
pub(crate) struct ReservationView {
    pub(crate) id: String,
    /// `open`, `ended`, `done` or `withdrawn`.
    pub(crate) state: String,
    pub(crate) work_order: String,
    pub(crate) station: String,
    pub(crate) units: u64,
    pub(crate) out: u64,
    pub(crate) issued: u64,
    pub(crate) returned: u64,
    pub(crate) withdrawn: u64,
    pub(crate) given_up: u64,
    pub(crate) refused: u64,
    pub(crate) reserved_at: Option<String>,
    pub(crate) ends_at: Option<String>,
}

impl From<wire::Reservation> for ReservationView {
    fn from(reservation: wire::Reservation) -> Self {
        Self {
            state: word(reservation.state().as_str_name(), "RESERVATION_STATE_"),
            reserved_at: timestamp::text(reservation.reserved_at.as_ref()),
            ends_at: timestamp::text(reservation.ends_at.as_ref()),
            id: reservation.id,
            work_order: reservation.work_order,
            station: reservation.station,
            units: reservation.units,
            out: reservation.out,
            issued: reservation.issued,
            returned: reservation.returned,
            withdrawn: reservation.withdrawn,
            given_up: reservation.given_up,
            refused: reservation.refused,
        }
    }
}
