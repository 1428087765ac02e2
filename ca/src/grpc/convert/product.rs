//! Products and their pauses.

use authority::Refused;
use identity::Product;
use ledger::Entry;
use proto::v1;
use store::ProductRecord;

use super::alarm::alarm;
use super::bad;
use super::time::timestamp;

pub(in crate::grpc) fn product_name(text: &str) -> Result<Product, Refused> {
    text.parse().map_err(|error| bad("product", error))
}

pub(in crate::grpc) fn product(record: &ProductRecord) -> v1::Product {
    let resumed = record.resumed_by.as_ref();
    let last_pause = record.paused_by.as_ref().map(|paused| v1::ProductPause {
        ledger_entry: paused.number.0,
        paused_at: Some(timestamp(paused.at)),
        paused_by: principal(paused),
        remark: paused.remark.clone(),
        evidence: alarm(paused),
        resumed_at: resumed.map(|resumed| timestamp(resumed.at)),
        resumed_by: resumed.map(|resumed| principal(resumed)).unwrap_or_default(),
        resume_remark: resumed.map(|resumed| resumed.remark.clone()).unwrap_or_default(),
    });
    v1::Product { name: record.product.to_string(), paused: record.is_paused(), last_pause }
}

fn principal(entry: &Entry) -> String {
    entry.principal.as_ref().map(ToString::to_string).unwrap_or_default()
}
