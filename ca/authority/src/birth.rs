//! Birth certificates (IDevID) against a work order: issued, and confirmed after the read-back.

use std::time::SystemTime;

use bytes::Bytes;
use identity::{DeviceId, ProfileName, RequestId, SerialNumber};
use ledger::{Action, Conflict, IssuanceSubject, WorkOrderCounts, WorkOrderFacts, WorkOrderId};
use store::Released;

use super::deferral::DeferredUnit;
use super::issue::{Answer, IssuanceRequest, PreflightOutcome};
use super::keys::AcceptedKey;
use super::request_digest::RequestDigest;
use super::{Authority, Caller, Operation, Refused};

/// One birth certificate that a station asks for.
#[derive(Debug, Clone)]
pub struct BirthRequest {
    /// The station's id of the request: the same request again gets the same answer.
    pub request: RequestId,
    /// The work order that it is counted against.
    pub work_order: WorkOrderId,
    /// The unit's product and device serial.
    pub device: DeviceId,
    /// PKCS#10 DER, not yet read.
    pub csr: Bytes,
    /// When the station made the unit, if it could not ask before.
    pub made_at: Option<SystemTime>,
    /// In the station's word; empty: it does not say. Not part of what the request id stands for: a unit that
    /// is asked for again in the next shift is the same unit, and the first word stays.
    pub shift: String,
    /// Who makes it, as `shift`.
    pub operator: String,
}

impl Authority {
    /// A work order, for a station that it names.
    ///
    /// # Errors
    /// [`Conflict::NoSuchWorkOrder`] also when the order does not name the caller: a station does not learn
    /// of others' orders.
    pub async fn work_order_of_station(
        &self,
        caller: &Caller,
        id: WorkOrderId,
    ) -> Result<WorkOrderFacts, Refused> {
        let order = self.store.work_order(id).await?;
        let named = |order: &WorkOrderFacts| {
            caller.station().is_some_and(|station| order.terms.stations.contains(station))
        };
        Ok(order.filter(named).ok_or(Conflict::NoSuchWorkOrder(id))?)
    }

    /// Issues one birth certificate, exactly once for a request id, and for a unit with its key.
    pub async fn issue_birth(&self, caller: &Caller, request: BirthRequest) -> Result<Released, Refused> {
        let answer = self.issue_births(caller, vec![request]).await?.pop();
        answer.unwrap_or_else(|| Err(Refused::internal("a birth request has no answer")))
    }

    /// Issues birth certificates for many units: one answer for each request, in their order, and one durable
    /// commit for each work order. The refusal of one request does not touch the others.
    ///
    /// # Errors
    /// When the caller is no longer good: then nothing was read or issued.
    pub async fn issue_births(
        &self,
        caller: &Caller,
        requests: Vec<BirthRequest>,
    ) -> Result<Vec<Result<Released, Refused>>, Refused> {
        self.check_caller(caller).await?;
        let mut answers: Vec<Option<Answer>> = Vec::with_capacity(requests.len());
        let (mut batches, mut deferred) = (Vec::new(), Vec::new());
        for (index, request) in requests.into_iter().enumerate() {
            let key = self.accepted_key(&request.csr);
            deferred.extend(DeferredUnit::of(index, &request, key.as_ref().ok()));
            answers.push(match key {
                Ok(key) => self.answer_or_batch(caller, &mut batches, index, request, key).await,
                Err(refused) => Some(Err(refused)),
            });
        }
        for OrderBatch { profile, indexes, requests, .. } in batches {
            let issued = self.issue(caller, &self.profile(profile), &requests).await;
            for (index, answer) in indexes.into_iter().zip(issued) {
                if let Some(unanswered) = answers.get_mut(index) {
                    *unanswered = Some(answer);
                }
            }
        }
        self.record_refusals(caller, &deferred, &mut answers).await;
        let missing = || Err(Refused::internal("a birth request has no answer"));
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(missing)).collect())
    }

    /// Records that the unit passed its read-back. Idempotent.
    ///
    /// # Errors
    /// When the order is not the caller's, or the unit or certificate is not of it.
    pub async fn confirm_unit(
        &self,
        caller: &Caller,
        work_order: WorkOrderId,
        device: DeviceId,
        serial_number: SerialNumber,
    ) -> Result<WorkOrderCounts, Refused> {
        let content = unit("confirm unit v1", work_order, &device).bytes(serial_number.as_bytes()).finish();
        let action = Action::ConfirmUnit { work_order, device, serial_number };
        self.record(caller, Operation::ConfirmUnit, content, action).await?;
        Ok(self.work_order_of_station(caller, work_order).await?.counts)
    }

    /// The answer, if no new certificate is needed; otherwise adds the request to the batch of its order.
    async fn answer_or_batch(
        &self,
        caller: &Caller,
        batches: &mut Vec<OrderBatch>,
        index: usize,
        request: BirthRequest,
        key: AcceptedKey,
    ) -> Option<Answer> {
        let work_order = request.work_order;
        let request = issuance_request(request, key);
        match self.preflight(caller, &request).await {
            PreflightOutcome::Answered(answer) => return Some(answer),
            PreflightOutcome::New | PreflightOutcome::Alarm => {}
        }
        if let Some(batch) = batches.iter_mut().find(|batch| batch.work_order == work_order) {
            batch.indexes.push(index);
            batch.requests.push(request);
            return None;
        }
        match self.work_order_of_station(caller, work_order).await {
            Ok(order) => {
                let profile = order.terms.profile;
                let (indexes, requests) = (vec![index], vec![request]);
                batches.push(OrderBatch { work_order, profile, indexes, requests });
                None
            }
            Err(refused) => Some(Err(refused)),
        }
    }
}

struct OrderBatch {
    work_order: WorkOrderId,
    profile: ProfileName,
    /// The index of each request among all of the call.
    indexes: Vec<usize>,
    requests: Vec<IssuanceRequest>,
}

fn issuance_request(request: BirthRequest, key: AcceptedKey) -> IssuanceRequest {
    let BirthRequest { request: id, work_order, device, csr: _, made_at, shift, operator } = request;
    let digest = birth_digest(work_order, &device);
    IssuanceRequest::of_device(
        id,
        digest,
        &device.clone(),
        IssuanceSubject::Birth { work_order, device, made_at, shift, operator, traces: key.traces() },
        key,
    )
}

/// The digest of a request for a birth certificate; the fingerprint of its key follows.
pub(super) fn birth_digest(work_order: WorkOrderId, device: &DeviceId) -> RequestDigest {
    unit("birth certificate v1", work_order, device)
}

/// The digest of a request about one unit.
pub(super) fn unit(request: &'static str, work_order: WorkOrderId, device: &DeviceId) -> RequestDigest {
    RequestDigest::of(request).number(work_order.0).text(device.product.as_str()).text(device.serial.as_str())
}
