//! `ProvisioningService`: for stations.

use std::sync::Arc;

use authority::{Authority, Caller, Refused};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use identity::IssuerName;
use proto::v1;
use proto::v1::provisioning_service_server::ProvisioningService;
use store::Released;
use tonic::{Request, Response, Status, Streaming};

use super::handler::{caller, refuse};
use super::{Answer, Api, convert, status};

type Answers = Vec<Result<v1::IssueBirthCertificatesResponse, Status>>;

#[tonic::async_trait]
impl ProvisioningService for Api {
    type IssueBirthCertificatesStream =
        BoxStream<'static, Result<v1::IssueBirthCertificatesResponse, Status>>;

    async fn get_work_order(
        &self,
        request: Request<v1::GetWorkOrderRequest>,
    ) -> Answer<v1::GetWorkOrderResponse> {
        self.answer("GetWorkOrder", request, async |caller, message| {
            let id = convert::work_order_id("work_order", &message.work_order)?;
            let order = self.authority.work_order_of_station(&caller, id).await?;
            Ok(v1::GetWorkOrderResponse {
                work_order: Some(self.order(&order)),
                chain: convert::chain(&self.authority.chain(IssuerName::Factory)),
                trust_bundle: Some(convert::trust_bundle(self.authority.trust())),
                enrollment_url: self.authority.enrollment_url().to_owned(),
                now: Some(convert::timestamp(self.authority.now())),
            })
        })
        .await
    }

    async fn get_units(&self, request: Request<v1::GetUnitsRequest>) -> Answer<v1::GetUnitsResponse> {
        self.answer("GetUnits", request, async |caller, message| {
            let id = convert::work_order_id("work_order", &message.work_order)?;
            let units = self.authority.units(&caller, id, convert::units_asked(&message)?).await?;
            Ok(convert::units(&units, self.order(&units.order), &caller, self.authority.now()))
        })
        .await
    }

    async fn reserve_units(
        &self,
        request: Request<v1::ReserveUnitsRequest>,
    ) -> Answer<v1::ReserveUnitsResponse> {
        self.answer("ReserveUnits", request, async |caller, message| {
            let asked = convert::reservation_request(&message)?;
            let reserved = self.authority.reserve_units(&caller, asked).await?;
            Ok(convert::reserved(&reserved, self.order(&reserved.order), self.authority.now()))
        })
        .await
    }

    async fn return_units(
        &self,
        request: Request<v1::ReturnUnitsRequest>,
    ) -> Answer<v1::ReturnUnitsResponse> {
        self.answer("ReturnUnits", request, async |caller, message| {
            let id = convert::reservation_id(&message.reservation)?;
            let serials = convert::device_serials(&message.serials)?;
            let home = self.authority.return_units(&caller, id, serials).await?;
            Ok(convert::returned(&home, self.authority.now()))
        })
        .await
    }

    async fn issue_birth_certificate(
        &self,
        request: Request<v1::IssueBirthCertificateRequest>,
    ) -> Answer<v1::IssueBirthCertificateResponse> {
        self.answer("IssueBirthCertificate", request, async |caller, message| {
            let released = self.authority.issue_birth(&caller, convert::birth_request(message)?).await?;
            Ok(v1::IssueBirthCertificateResponse { certificate: Some(convert::issued(&released)) })
        })
        .await
    }

    async fn issue_birth_certificates(
        &self,
        request: Request<Streaming<v1::IssueBirthCertificateRequest>>,
    ) -> Answer<Self::IssueBirthCertificatesStream> {
        let caller = caller(&self.authority, STREAM, &request)?;
        let authority = Arc::clone(&self.authority);
        let answers = request
            .into_inner()
            .ready_chunks(CHUNK_MESSAGES_MAX)
            .map(move |chunk| answer_chunk(Arc::clone(&authority), caller.clone(), chunk))
            .buffered(CHUNKS_IN_FLIGHT_MAX)
            .flat_map(stream::iter);
        Ok(Response::new(answers.boxed()))
    }

    async fn confirm_unit(
        &self,
        request: Request<v1::ConfirmUnitRequest>,
    ) -> Answer<v1::ConfirmUnitResponse> {
        self.answer("ConfirmUnit", request, async |caller, message| {
            let work_order = convert::work_order_id("work_order", &message.work_order)?;
            let device = convert::device_id(message.device)?;
            let serial_number = convert::serial_number(&message.serial_number)?;
            let counts = self.authority.confirm_unit(&caller, work_order, device, serial_number).await?;
            Ok(v1::ConfirmUnitResponse { counts: Some(convert::counts(counts)) })
        })
        .await
    }

    async fn report_scrap(
        &self,
        request: Request<v1::ReportScrapRequest>,
    ) -> Answer<v1::ReportScrapResponse> {
        self.answer("ReportScrap", request, async |caller, message| {
            let v1::ReportScrapRequest { work_order, device, reason, operator } = message;
            let report = convert::unit_report(&work_order, device, &reason, &operator)?;
            let counts = self.authority.report_scrap(&caller, report).await?;
            Ok(v1::ReportScrapResponse { counts: Some(convert::counts(counts)) })
        })
        .await
    }

    async fn report_give_up(
        &self,
        request: Request<v1::ReportGiveUpRequest>,
    ) -> Answer<v1::ReportGiveUpResponse> {
        self.answer("ReportGiveUp", request, async |caller, message| {
            let v1::ReportGiveUpRequest { work_order, device, reason, operator } = message;
            let report = convert::unit_report(&work_order, device, &reason, &operator)?;
            let counts = self.authority.report_give_up(&caller, report).await?;
            Ok(v1::ReportGiveUpResponse { counts: Some(convert::counts(counts)) })
        })
        .await
    }

    async fn request_rework(
        &self,
        request: Request<v1::RequestReworkRequest>,
    ) -> Answer<v1::RequestReworkResponse> {
        self.answer("RequestRework", request, async |caller, message| {
            let v1::RequestReworkRequest { work_order, device, reason, operator } = message;
            let report = convert::unit_report(&work_order, device, &reason, &operator)?;
            let counts = self.authority.request_rework(&caller, report).await?;
            Ok(v1::RequestReworkResponse { counts: Some(convert::counts(counts)) })
        })
        .await
    }
}

/// Answers with one commit. A caller that is not good, or an unreadable message, ends the stream.
async fn answer_chunk(
    authority: Arc<Authority>,
    caller: Caller,
    chunk: Vec<Result<v1::IssueBirthCertificateRequest, Status>>,
) -> Answers {
    let mut answers = Answers::with_capacity(chunk.len());
    let mut request_ids = Vec::with_capacity(chunk.len());
    let mut requests = Vec::with_capacity(chunk.len());
    let mut end = None;
    for message in chunk {
        match message {
            Ok(message) => {
                let request_id = message.request_id.clone();
                match convert::birth_request(message) {
                    Ok(request) => {
                        request_ids.push(request_id);
                        requests.push(request);
                    }
                    Err(refused) => {
                        answers.push(Ok(one_answer(&authority, &caller, request_id, Err(refused))))
                    }
                }
            }
            Err(unreadable) => {
                end = Some(status::unreadable(&unreadable));
                break;
            }
        }
    }
    match authority.issue_births(&caller, requests).await {
        Ok(outcomes) => answers.extend(
            request_ids
                .into_iter()
                .zip(outcomes)
                .map(|(request_id, outcome)| Ok(one_answer(&authority, &caller, request_id, outcome))),
        ),
        Err(refused) => return vec![Err(refuse(&authority, STREAM, caller.principal(), &refused))],
    }
    answers.extend(end.map(Err));
    answers
}

fn one_answer(
    authority: &Authority,
    caller: &Caller,
    request_id: Bytes,
    outcome: Result<Released, Refused>,
) -> v1::IssueBirthCertificatesResponse {
    use v1::issue_birth_certificates_response::Outcome;
    let outcome = match outcome {
        Ok(released) => Outcome::Certificate(convert::issued(&released)),
        Err(refused) => {
            authority.report(STREAM, caller.principal(), &refused, status::reason(&refused).as_str_name());
            Outcome::Refusal(status::refusal(&refused))
        }
    };
    v1::IssueBirthCertificatesResponse { request_id, outcome: Some(outcome) }
}

const STREAM: &str = "IssueBirthCertificates";

/// The most messages that share one commit: 7 ms of signing do not hold up other callers.
const CHUNK_MESSAGES_MAX: usize = 64;

/// Chunks of one stream in work at a time: while one is written to disk, the next is signed.
const CHUNKS_IN_FLIGHT_MAX: usize = 4;
