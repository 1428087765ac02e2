//! A unit is born: birth certificates (IDevID) against a work order, the read-back that confirms them, and the scrap that ends them.

use bytes::Bytes;
use diagnostics::Limit;
use identity::{DeviceId, ProfileName, RequestId, SerialNumber};
use issuance::{Request, Subject};
use ledger::{Action, Conflict, WorkOrderCounts, WorkOrderId};
use store::{Released, Store, WorkOrderRecord};

use super::content::Content;
use super::issue::{Holder, Placed, PreflightOutcome, Question};
use super::keys::AcceptedKey;
use super::{Authority, Caller, Refused};

/// One birth certificate that a station asks for.
#[derive(Debug, Clone)]
pub struct BirthRequest {
    /// The same again gets the same answer.
    pub request: RequestId,
    /// Counted against this order.
    pub work_order: WorkOrderId,
    /// The unit.
    pub device: DeviceId,
    /// PKCS#10 DER, not yet read.
    pub csr: Bytes,
}

impl<S: Store> Authority<S> {
    /// A work order as the stations that it names see it.
    ///
    /// # Errors
    /// [`Conflict::NoSuchWorkOrder`] also when the order does not name the caller: a station does not learn of others' orders.
    pub async fn work_order_of_station(
        &self,
        caller: &Caller,
        id: WorkOrderId,
    ) -> Result<WorkOrderRecord, Refused> {
        let order = self.store.work_order(id).await?;
        let named = |order: &WorkOrderRecord| {
            caller.station().is_some_and(|station| order.terms.stations.contains(station))
        };
        Ok(order.filter(named).ok_or(Conflict::NoSuchWorkOrder(id))?)
    }

    /// One birth certificate. Exactly once for a request id, and for a unit with its key.
    ///
    /// # Errors
    /// Why there is none; see [`Refused`].
    pub async fn issue_birth(&self, caller: &Caller, request: BirthRequest) -> Result<Released, Refused> {
        let answer = self.issue_births(caller, vec![request]).await?.pop();
        answer.unwrap_or_else(|| Err(store::StoreError::Bug { what: "a question was not answered" }.into()))
    }

    /// Birth certificates for many units: one answer for each request, in their order, and one durable commit for all. The refusal of one
    /// does not touch the others.
    ///
    /// # Errors
    /// When the caller is no longer good: then nothing was read, let alone issued.
    pub async fn issue_births(
        &self,
        caller: &Caller,
        requests: Vec<BirthRequest>,
    ) -> Result<Vec<Result<Released, Refused>>, Refused> {
        self.check_caller(caller).await?;
        let mut answers: Vec<Placed<Result<Released, Refused>>> = Vec::with_capacity(requests.len());
        let mut orders = Vec::new();
        for (place, request) in requests.into_iter().enumerate() {
            let question = match self.accepted_key(&request.csr) {
                Ok(key) => birth_question(request, key),
                Err(refused) => {
                    answers.push((place, Err(refused)));
                    continue;
                }
            };
            match self.preflight(caller, &question).await {
                PreflightOutcome::Answered(answer) => answers.push((place, answer)),
                PreflightOutcome::New | PreflightOutcome::Alarm => {
                    self.sort_by_order(caller, &mut orders, &mut answers, (place, question)).await
                }
            }
        }
        for (_, profile, questions) in orders {
            answers.extend(self.issue(caller, self.profile(profile)?, questions).await);
        }
        answers.sort_unstable_by_key(|(place, _)| *place);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    /// The unit passed its read-back. Idempotent.
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
        self.record(caller, None, content, action).await?;
        Ok(self.work_order_of_station(caller, work_order).await?.counts)
    }

    /// The unit failed for good: its certificates are revoked, its serial and key never return. Idempotent.
    ///
    /// # Errors
    /// When the order is not the caller's, or the unit is not of it.
    pub async fn report_scrap(
        &self,
        caller: &Caller,
        work_order: WorkOrderId,
        device: DeviceId,
        reason: String,
    ) -> Result<WorkOrderCounts, Refused> {
        let content = unit("scrap unit v1", work_order, &device).text(&reason).finish();
        let action = Action::ScrapUnit { work_order, device: device.clone(), reason };
        // A station can ask again as often as it likes, and an order may have thousands of units.
        if !self.record(caller, None, content, action).await?.is_replay() && SCRAPPED.admits() {
            tracing::info!(principal = %caller.principal(), %device, %work_order, "{device} is scrapped");
        }
        Ok(self.work_order_of_station(caller, work_order).await?.counts)
    }

    /// Puts a question with the others of its order: the order says the profile.
    async fn sort_by_order(
        &self,
        caller: &Caller,
        orders: &mut Vec<(WorkOrderId, ProfileName, Vec<Placed<Question>>)>,
        answers: &mut Vec<Placed<Result<Released, Refused>>>,
        (place, question): Placed<Question>,
    ) {
        let Holder::Birth { work_order, .. } = question.holder else { return };
        if let Some((_, _, questions)) = orders.iter_mut().find(|(id, _, _)| *id == work_order) {
            questions.push((place, question));
            return;
        }
        match self.work_order_of_station(caller, work_order).await {
            Ok(order) => orders.push((work_order, order.terms.profile, vec![(place, question)])),
            Err(refused) => answers.push((place, Err(refused))),
        }
    }
}

fn birth_question(request: BirthRequest, key: AcceptedKey) -> Question {
    let BirthRequest { request, work_order, device, csr: _ } = request;
    let public_key = key.public_key().clone();
    Question {
        request,
        content: unit("birth certificate v1", work_order, &device)
            .bytes(key.fingerprint().as_bytes())
            .finish(),
        asked: Request { public_key, subject: Subject::Device(device.clone()), lifetime: None, shard: None },
        holder: Holder::Birth { work_order, device },
        key,
    }
}

fn unit(question: &'static str, work_order: WorkOrderId, device: &DeviceId) -> Content {
    Content::of(question).number(work_order.0).text(device.product.as_str()).text(device.serial.as_str())
}

static SCRAPPED: Limit = Limit::new("a unit is scrapped");
