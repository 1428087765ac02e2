//! A work order as it is printed.

use cli::count;
use identity::{Clock, SystemClock};
use proto::v1 as wire;
use proto::v1::work_order::Serials;
use serde::Serialize;

use super::word;
use crate::output::fact_lines;
use crate::timestamp;

#[derive(Debug, Serialize)]
pub(crate) struct WorkOrderView {
    pub(crate) id: String,
    state: String,
    /// Since when its product is paused; `null`: it is not.
    product_paused_at: Option<String>,
    /// `not begun`, `open` or `ended`.
    window: &'static str,
    pub(crate) product: String,
    pub(crate) quantity: u64,
    pub(crate) issued: u64,
    pub(crate) confirmed: u64,
    pub(crate) scrapped: u64,
    pub(crate) reworked: u64,
    pub(crate) reserved: u64,
    pub(crate) withdrawn: u64,
    pub(crate) given_up: u64,
    pub(crate) refused_after_deferral: u64,
    #[serde(skip)]
    left: u64,
    profile: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest_length: Option<u64>,
    /// Of an incomplete order.
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest_recorded: Option<u64>,
    pub(crate) stations: Vec<String>,
    opens_at: Option<String>,
    closes_at: Option<String>,
    pub(crate) created_at: Option<String>,
    created_by: String,
}

impl From<wire::WorkOrder> for WorkOrderView {
    fn from(order: wire::WorkOrder) -> Self {
        let (counts, left) = (order.counts.unwrap_or_default(), order.units_left());
        let state = word(order.state().as_str_name(), "WORK_ORDER_STATE_");
        let (pattern, manifest_length) = match order.serials {
            Some(Serials::Pattern(pattern)) => (Some(pattern), None),
            Some(Serials::ManifestLength(length)) => (None, Some(length)),
            None => (None, None),
        };
        let incomplete = state == "incomplete";
        let now = SystemClock.now();
        let window =
            match (timestamp::system(order.opens_at.as_ref()), timestamp::system(order.closes_at.as_ref())) {
                (Some(opens), _) if opens > now => "not begun",
                (_, Some(closes)) if closes <= now => "ended",
                _ => "open",
            };
        Self {
            state,
            window,
            id: order.id,
            product: order.product,
            quantity: order.quantity,
            issued: counts.issued,
            confirmed: counts.confirmed,
            scrapped: counts.scrapped,
            reworked: counts.reworked,
            reserved: counts.reserved,
            withdrawn: counts.withdrawn,
            given_up: counts.given_up,
            refused_after_deferral: counts.refused_after_deferral,
            left,
            profile: order.profile,
            pattern,
            manifest_length,
            manifest_recorded: incomplete.then_some(order.manifest_recorded),
            stations: order.stations,
            product_paused_at: timestamp::text(order.product_paused_at.as_ref()),
            opens_at: timestamp::text(order.opens_at.as_ref()),
            closes_at: timestamp::text(order.closes_at.as_ref()),
            created_at: timestamp::text(order.created_at.as_ref()),
            created_by: order.created_by,
        }
    }
}

impl WorkOrderView {
    pub(crate) fn serials(&self) -> String {
        match (&self.pattern, self.manifest_length) {
            (Some(pattern), _) => pattern.clone(),
            (None, Some(length)) => format!("manifest of {length}"),
            (None, None) => "-".to_owned(),
        }
    }

    pub(crate) fn state_word(&self) -> &str {
        if self.product_is_what_stops() {
            return "product paused";
        }
        match (self.state.as_str(), self.window) {
            ("open", "not begun") => "not yet open",
            ("open", "ended") => "ended",
            (state, _) => state,
        }
    }

    /// An order that is open says nothing while its product is paused.
    fn product_is_what_stops(&self) -> bool {
        self.product_paused_at.is_some() && self.state == "open" && self.window != "ended"
    }

    fn product_text(&self) -> String {
        match &self.product_paused_at {
            None => self.product.clone(),
            Some(since) => format!(
                "{}: paused since {since}, no certificate is issued (touchmark product show {})",
                self.product, self.product
            ),
        }
    }

    fn state_text(&self) -> String {
        match (self.state.as_str(), self.window) {
            ("open", "not begun") => "not yet open: its window has not begun".to_owned(),
            ("open", "ended") => {
                "ended: its window is over, and no station gets a certificate any more".to_owned()
            }
            ("paused", "ended") => "paused, and its window is over".to_owned(),
            ("incomplete", _) => format!(
                "incomplete: {} of its manifest on record",
                count(self.manifest_recorded.unwrap_or_default(), "serial number")
            ),
            ("closed", _) => "closed for ever".to_owned(),
            (state, _) => state.to_owned(),
        }
    }

    fn closes_text(&self) -> String {
        match (&self.closes_at, self.state.as_str()) {
            (Some(closes), _) => closes.clone(),
            (None, "closed") => "it is closed".to_owned(),
            (None, _) => "when an operator closes it".to_owned(),
        }
    }

    /// Units, and their certificates if some were reworked.
    fn issued_text(&self) -> String {
        let units = count(self.issued, "unit");
        match self.reworked {
            0 => units,
            reworked => format!(
                "{units}, {} ({})",
                count(self.issued + reworked, "birth certificate"),
                count(reworked, "rework")
            ),
        }
    }

    /// Units that were made without the CA and refused.
    fn refused_text(&self) -> String {
        let units = count(self.refused_after_deferral, "unit");
        if self.refused_after_deferral == 0 {
            units
        } else {
            format!("{units}, after they were made without the CA")
        }
    }

    pub(crate) fn to_text(&self) -> String {
        fact_lines(&[
            ("work order", self.id.clone()),
            ("state", self.state_text()),
            ("product", self.product_text()),
            ("quantity", format!("{} ({} left)", count(self.quantity, "unit"), self.left)),
            ("issued", self.issued_text()),
            ("confirmed", count(self.confirmed, "unit")),
            ("scrapped", count(self.scrapped, "unit")),
            ("reserved", count(self.reserved, "unit")),
            ("withdrawn", count(self.withdrawn, "unit")),
            ("given up", count(self.given_up, "unit")),
            ("refused", self.refused_text()),
            ("profile", self.profile.clone()),
            ("serials", self.serials()),
            ("stations", self.stations.join(", ")),
            ("opens", self.opens_at.clone().unwrap_or_else(|| "at once".to_owned())),
            ("closes", self.closes_text()),
            ("created", format!("{} by {}", self.created_at.as_deref().unwrap_or("-"), self.created_by)),
        ])
    }
}
