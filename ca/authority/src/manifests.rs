//! Manifests that are too long for one message: announced with the order, and sent in parts (ADR 0070).

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use ledger::{Action, Conflict, SerialPart, Serials, WorkOrderFacts, WorkOrderId, WorkOrderState};

use super::request_digest::RequestDigest;
use super::{Authority, Caller, Operation, Refused};

impl Authority {
    /// Puts the next serial numbers of an announced manifest on record; with the last the order is open. What
    /// is on record already is compared and not recorded again.
    ///
    /// # Errors
    /// When there is no such order, it is not incomplete, the part does not follow what is on record, or the
    /// whole is not what was announced: then the last part is not on record.
    pub async fn append_manifest(
        &self,
        caller: &Caller,
        work_order: WorkOrderId,
        position: u64,
        serials: SerialPart,
    ) -> Result<WorkOrderFacts, Refused> {
        let serials = Arc::new(serials);
        is_what_was_announced(&self.work_order(work_order).await?, position, &serials)?;
        let content = RequestDigest::of("append manifest v1").number(work_order.0).number(position);
        let content = serials.texts().fold(content, RequestDigest::text).finish();
        let action = Action::AppendManifest { work_order, position, serials };
        let recorded = self.record(caller, Operation::AppendManifest, content, action).await?;
        let order = self.work_order(work_order).await?;
        if !recorded.is_replay() && order.state == WorkOrderState::Open {
            let serials = order.terms.serials.len();
            tracing::info!(principal = %caller, %work_order, serials, "the manifest of {work_order} is whole");
        }
        Ok(order)
    }
}

/// Compares the digest of a list that the part makes whole. What the order has on record only grows: when a
/// part comes in between, the position is wrong, and the ledger refuses this one.
fn is_what_was_announced(order: &WorkOrderFacts, position: u64, part: &SerialPart) -> Result<(), Conflict> {
    let (Serials::Manifest(list), Some(outline)) = (&order.terms.serials, order.terms.serials.outline())
    else {
        return Ok(());
    };
    let end = position.saturating_add(part.len() as u64);
    if end != outline.len || list.is_whole() {
        return Ok(());
    }
    if list.len() != position {
        return Err(Conflict::ManifestMismatch { work_order: order.id, recorded: list.len() });
    }
    let mut digest = Context::new(&SHA256);
    for text in list.texts().chain(part.texts()) {
        digest.update(text.as_bytes());
        digest.update(b"\n");
    }
    match digest.finish().as_ref() == outline.sha256 {
        true => Ok(()),
        false => Err(Conflict::ManifestDigest { work_order: order.id }),
    }
}
