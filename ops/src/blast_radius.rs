//! The blast radius of a selection: how many certificates and devices an action would affect.

use cli::count;
use proto::v1 as wire;
use serde::Serialize;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::fact_lines;
use crate::selection::Selection;
use crate::table::{Column, always, lay_out};
use crate::timestamp;

#[derive(Debug, Serialize)]
pub(crate) struct BlastRadius {
    pub(crate) selection: String,
    /// Certificates that are not revoked yet.
    pub(crate) certificates: u64,
    pub(crate) devices: u64,
    products: Vec<ProductShare>,
    last_seen_newest: Option<String>,
    last_seen_oldest: Option<String>,
}

#[derive(Debug, Serialize)]
struct ProductShare {
    product: String,
    devices: u64,
    certificates: u64,
}

impl BlastRadius {
    /// Asks the CA. Changes nothing.
    pub(crate) async fn of(selection: &Selection, connection: &Connection) -> Result<Self, Failure> {
        let request = wire::PreviewSelectionRequest { selection: Some(selection.to_wire()) };
        let answer = connection.lifecycle().await?.preview_selection(request).await?.into_inner();
        Ok(Self {
            selection: selection.words().to_owned(),
            certificates: answer.certificates,
            devices: answer.devices,
            products: answer.products.into_iter().map(ProductShare::from).collect(),
            last_seen_newest: timestamp::text(answer.last_seen_newest.as_ref()),
            last_seen_oldest: timestamp::text(answer.last_seen_oldest.as_ref()),
        })
    }

    pub(crate) fn counted(&self) -> String {
        format!("{} of {}", count(self.certificates, "certificate"), count(self.devices, "device"))
    }

    /// The text for people; `would` names the action, for example `would revoke`.
    pub(crate) fn to_text(&self, would: &str) -> String {
        let seen = match (&self.last_seen_oldest, &self.last_seen_newest) {
            (Some(oldest), Some(newest)) if oldest == newest => format!("at {newest}"),
            (Some(oldest), Some(newest)) => format!("between {oldest} and {newest}"),
            _ => "never".to_owned(),
        };
        let mut lines =
            vec![("selection", self.selection.clone()), (would, self.counted()), ("last seen", seen)];
        if !self.products.is_empty() {
            lines.push(("products", lay_out(COLUMNS, &self.products, None).text));
        }
        fact_lines(&lines)
    }
}

impl From<wire::ProductCount> for ProductShare {
    fn from(count: wire::ProductCount) -> Self {
        Self { product: count.product, devices: count.devices, certificates: count.certificates }
    }
}

const COLUMNS: &[Column<ProductShare>] = &[
    always("PRODUCT", |share| share.product.clone()),
    always("DEVICES", |share| share.devices.to_string()),
    always("CERTIFICATES", |share| share.certificates.to_string()),
];
