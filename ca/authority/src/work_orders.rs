//! Work orders: created, paused, resumed and closed by operators.

use std::time::{SystemTime, UNIX_EPOCH};

use identity::{DeviceId, RequestId, Role};
use ledger::{
    Action, Command, Conflict, Event, STATIONS_MAX, Serials, WorkOrderFacts, WorkOrderId, WorkOrderTerms,
};
use store::StoreError;

use super::record::caller_command;
use super::request_digest::RequestDigest;
use super::{Authority, Caller, Operation, Refused};

/// Whether an order may name stations that never had a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownStations {
    /// They are refused.
    Refused,
    /// They are allowed: the operator said so.
    Allowed,
}

/// The result of a closed work order.
#[derive(Debug, Clone)]
pub struct ClosingReport {
    /// The closed order.
    pub order: WorkOrderFacts,
    /// Units with a certificate that were neither confirmed nor scrapped; at most [`UNACCOUNTED_LISTED_MAX`].
    pub unaccounted: Vec<DeviceId>,
    /// How many such units there are in all.
    pub unaccounted_count: u64,
}

impl Authority {
    /// Creates a work order, exactly once for a request id. A station that never had a credential is usually
    /// a mistyped name: it is accepted only if `unknown_stations` allows it.
    ///
    /// # Errors
    /// When the terms contradict themselves, name a profile that is not for birth certificates, or an unknown
    /// station.
    pub async fn create_work_order(
        &self,
        caller: &Caller,
        request: RequestId,
        terms: WorkOrderTerms,
        unknown_stations: UnknownStations,
    ) -> Result<WorkOrderFacts, Refused> {
        if unknown_stations == UnknownStations::Refused {
            // Principals are never removed: a request that was accepted once passes here again.
            for station in terms.stations.iter().take(STATIONS_MAX) {
                if self.store.principal(Role::Station, station).await?.is_none() {
                    return Err(Conflict::NoSuchStation(station.clone()).into());
                }
            }
        }
        let (content, action) = (terms_content(&terms), Action::CreateWorkOrder(terms));
        let command = Command { request: Some(request), ..caller_command(caller, content, action) };
        let recorded = self.record_as(caller, Operation::CreateWorkOrder, command).await?;
        match &recorded.entry().event {
            Event::WorkOrderCreated { work_order, .. } => self.work_order(*work_order).await,
            _ => Err(StoreError::Bug("a new work order has another entry").into()),
        }
    }

    /// One work order with its counts.
    pub async fn work_order(&self, id: WorkOrderId) -> Result<WorkOrderFacts, Refused> {
        Ok(self.store.work_order(id).await?.ok_or(Conflict::NoSuchWorkOrder(id))?)
    }

    /// Pauses a work order: it gets no further certificates until it is resumed. Idempotent.
    ///
    /// # Errors
    /// When there is no such order, or it is closed.
    pub async fn pause_work_order(
        &self,
        caller: &Caller,
        id: WorkOrderId,
    ) -> Result<WorkOrderFacts, Refused> {
        let content = RequestDigest::of("pause work order v1").number(id.0).finish();
        let action = Action::PauseWorkOrder(id);
        self.record(caller, Operation::PauseWorkOrder, content, action).await?;
        self.work_order(id).await
    }

    /// Resumes a paused work order. Idempotent.
    ///
    /// # Errors
    /// When there is no such order, or it is closed.
    pub async fn resume_work_order(
        &self,
        caller: &Caller,
        id: WorkOrderId,
    ) -> Result<WorkOrderFacts, Refused> {
        let content = RequestDigest::of("resume work order v1").number(id.0).finish();
        let action = Action::ResumeWorkOrder(id);
        self.record(caller, Operation::ResumeWorkOrder, content, action).await?;
        self.work_order(id).await
    }

    /// Closes a work order for ever and reports its result. Idempotent: the report can be asked for again.
    ///
    /// # Errors
    /// When there is no such order; [`StoreError::ListingsUnavailable`] when it is closed and the report is
    /// not ready yet.
    pub async fn close_work_order(&self, caller: &Caller, id: WorkOrderId) -> Result<ClosingReport, Refused> {
        let content = RequestDigest::of("close work order v1").number(id.0).finish();
        let action = Action::CloseWorkOrder(id);
        self.record(caller, Operation::CloseWorkOrder, content, action).await?;
        let unaccounted = self.store.unaccounted(id, UNACCOUNTED_LISTED_MAX).await?;
        Ok(ClosingReport {
            order: self.work_order(id).await?,
            unaccounted: unaccounted.devices,
            unaccounted_count: unaccounted.count,
        })
    }
}

fn terms_content(terms: &WorkOrderTerms) -> [u8; 32] {
    let mut content = RequestDigest::of("work order v1")
        .text(terms.product.as_str())
        .number(terms.quantity)
        .text(&terms.profile.to_string());
    content = match &terms.serials {
        Serials::Pattern(pattern) => content.text("pattern").text(&pattern.to_string()),
        Serials::Manifest(serials) => {
            let content = content.text("manifest").number(serials.len_whole());
            match serials.outline() {
                Some(outline) => content.bytes(&outline.sha256),
                None => serials.texts().fold(content, RequestDigest::text),
            }
        }
    };
    content = terms
        .stations
        .iter()
        .fold(content.number(terms.stations.len() as u64), |content, station| content.text(station.as_str()));
    content.number(millis(terms.opens_at)).number(millis(terms.closes_at)).finish()
}

/// Milliseconds since 1970; `u64::MAX` for no time.
fn millis(time: Option<SystemTime>) -> u64 {
    let since_epoch = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since_epoch.and_then(|time| u64::try_from(time.as_millis()).ok()).unwrap_or(u64::MAX)
}

/// The most units that a closing report lists; a listing of devices has all.
pub const UNACCOUNTED_LISTED_MAX: usize = 1_000;
