//! The station's calls to the CA. Each call is repeated until the CA answers or `ca-patience-s` is over.

mod look;
mod outage;
mod patience;
mod reason;
mod refusal;

use std::time::{Duration, SystemTime};

use client::{Connector, endpoint};
use identity::{DeviceId, DeviceSerial, RequestId, SerialNumber};
use prost::bytes::Bytes;
use proto::v1;
use proto::v1::provisioning_service_client::ProvisioningServiceClient;
use tokio::sync::watch;
use tonic::Response;
use tonic::transport::{Channel, Uri};

pub(crate) use look::Look;
pub(crate) use reason::{CA_UNREACHABLE, CLOCK, NOT_RESERVED, advice, exit_status, is_of_tls};

use crate::crew::CrewNow;
use crate::metrics::CaFigures;
use crate::reconcile::{Reconciled, Waiting};
use crate::session::{BirthCertificate, Refusal};
use crate::stock::{Reservation, ReserveRequest};
use crate::wire::{birth_certificate, device_message, reservation, reserve_request, time};
use outage::Outage;
use refusal::refused_on_stream;

type Client = ProvisioningServiceClient<Channel>;

/// A connection to the CA, shared by all slots. Cheap to clone. It connects on first use and after a loss.
#[derive(Clone)]
pub(crate) struct Ca {
    client: Client,
    patience: Duration,
    outage: Outage,
    figures: Option<CaFigures>,
    /// Whether calls are given up at once after one was given up.
    goes_away: bool,
}

impl Ca {
    /// Connects lazily to `server`. One call is repeated for at most `patience`.
    pub(crate) fn new(
        server: &Uri,
        connector: Connector,
        patience: Duration,
    ) -> Result<Self, tonic::transport::Error> {
        let channel = endpoint(server)?
            .user_agent(concat!("touchmark-station/", env!("CARGO_PKG_VERSION")))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .connect_with_connector_lazy(connector);
        Ok(Self {
            client: ProvisioningServiceClient::new(channel),
            patience,
            outage: Outage::default(),
            figures: None,
            goes_away: false,
        })
    }

    /// Counts calls and outages.
    pub(crate) fn with_figures(self, figures: CaFigures) -> Self {
        Self { figures: Some(figures), ..self }
    }

    /// Makes calls fail at once after one was given up, until [`Ca::back`]: the line works without the CA.
    pub(crate) fn that_may_be_away(self) -> Self {
        Self { goes_away: true, ..self }
    }

    /// Asks nothing until [`Ca::back`].
    pub(crate) fn leave(&self) {
        self.outage.set_away(true);
    }

    /// The CA is asked again.
    pub(crate) fn back(&self) {
        self.outage.set_away(false);
    }

    /// Asks the CA while others do not: each call once.
    pub(crate) fn on_trial(&self) -> Self {
        Self { patience: Duration::ZERO, outage: Outage::default(), goes_away: false, ..self.clone() }
    }

    /// Whether the line works without the CA.
    pub(crate) fn is_away(&self) -> bool {
        self.outage.is_away()
    }

    /// Tells when that changes.
    pub(crate) fn away(&self) -> watch::Receiver<bool> {
        self.outage.away()
    }

    pub(crate) async fn work_order(&self, work_order: &str) -> Result<v1::GetWorkOrderResponse, CaError> {
        let request = v1::GetWorkOrderRequest { work_order: work_order.to_owned() };
        self.call(request, |mut client, request| async move { client.get_work_order(request).await }).await
    }

    /// Reads the CA's record of serial numbers of the order's product, at most [`UNITS_MAX`] at a time. With
    /// an empty `serials` it reads the next ones of the order's manifest after `after`.
    pub(crate) async fn units(
        &self,
        work_order: &str,
        serials: Vec<String>,
        after: String,
    ) -> Result<v1::GetUnitsResponse, CaError> {
        let request = v1::GetUnitsRequest { work_order: work_order.to_owned(), serials, after };
        self.call(request, |mut client, request| async move { client.get_units(request).await }).await
    }

    /// Reserves units. The same request always gives the same reservation.
    pub(crate) async fn reserve(
        &self,
        work_order: &str,
        request: &ReserveRequest,
    ) -> Result<ReservedUnits, CaError> {
        let request = reserve_request(work_order, request);
        let answer = self
            .call(request, |mut client, request| async move { client.reserve_units(request).await })
            .await?;
        let reservation = reservation(&answer)
            .ok_or_else(|| CaError::Unreachable("its answer has no reservation that can be read".into()))?;
        let left = answer.work_order.as_ref().map_or(0, v1::WorkOrder::units_left);
        Ok(ReservedUnits { reservation, left, now: answer.now.as_ref().map(time) })
    }

    /// Returns units that were not used. `serials` must not be empty: that would mean all that are out.
    pub(crate) async fn return_units(
        &self,
        reservation: &str,
        serials: &[DeviceSerial],
    ) -> Result<(), CaError> {
        if serials.is_empty() {
            return Ok(());
        }
        let serials = serials.iter().map(ToString::to_string).collect();
        let request = v1::ReturnUnitsRequest { reservation: reservation.to_owned(), serials };
        self.call(request, |mut client, request| async move { client.return_units(request).await })
            .await
            .map(|_| ())
    }

    /// Requests the birth certificate of a device. The same id and request always give the same certificate.
    /// When the CA was not reached it may have issued: the same call again tells.
    pub(crate) async fn issue(
        &self,
        work_order: &str,
        (device, made_at): (&DeviceId, Option<SystemTime>),
        request_id: RequestId,
        csr: &[u8],
        crew: CrewNow,
    ) -> Result<BirthCertificate, CaError> {
        let request = birth_request(work_order, device, (request_id, csr), (made_at, crew));
        let answer = self
            .call(request, |mut client, request| async move { client.issue_birth_certificate(request).await })
            .await?;
        birth_certificate(answer.certificate)
            .ok_or_else(|| CaError::Unreachable("its answer has no certificate".into()))
    }

    /// Requests the certificates of units that were made without the CA, on one stream. An answer may be
    /// missing. If the stream is cut, all are asked again: the CA gives the same answers.
    pub(crate) async fn issue_deferred(
        &self,
        work_order: &str,
        units: &[Waiting],
    ) -> Result<Vec<(RequestId, Reconciled)>, CaError> {
        let request = |unit: &Waiting| {
            let asked = (unit.request_id, unit.csr.as_slice());
            let made = (Some(unit.made_at), unit.crew.clone());
            birth_request(work_order, &unit.device, asked, made)
        };
        let requests: Vec<_> = units.iter().map(request).collect();
        let answers = self
            .call(requests, |mut client, requests| async move {
                let stream = client.issue_birth_certificates(tokio_stream::iter(requests)).await?;
                let (mut stream, mut answers) = (stream.into_inner(), Vec::new());
                while let Some(answer) = stream.message().await? {
                    answers.push(answer);
                }
                Ok(Response::new(answers))
            })
            .await?;
        Ok(answers.into_iter().filter_map(reconciled).collect())
    }

    /// Records the unit as passed.
    pub(crate) async fn confirm(
        &self,
        work_order: &str,
        device: &DeviceId,
        serial_number: SerialNumber,
    ) -> Result<(), CaError> {
        let request = v1::ConfirmUnitRequest {
            work_order: work_order.to_owned(),
            device: Some(device_message(device)),
            serial_number: Bytes::copy_from_slice(serial_number.as_bytes()),
        };
        self.call(request, |mut client, request| async move { client.confirm_unit(request).await })
            .await
            .map(|_| ())
    }

    /// Records the unit as scrapped: its certificates are revoked, and its serial number is never used again.
    pub(crate) async fn scrap(
        &self,
        work_order: &str,
        device: &DeviceId,
        words: &Words,
    ) -> Result<(), CaError> {
        let request = v1::ReportScrapRequest {
            work_order: work_order.to_owned(),
            device: Some(device_message(device)),
            reason: words.remark.clone(),
            operator: words.operator.clone(),
        };
        self.call(request, |mut client, request| async move { client.report_scrap(request).await })
            .await
            .map(|_| ())
    }

    /// Gives up a serial number without a certificate: no unit ever gets it.
    pub(crate) async fn give_up(
        &self,
        work_order: &str,
        device: &DeviceId,
        words: &Words,
    ) -> Result<(), CaError> {
        let request = v1::ReportGiveUpRequest {
            work_order: work_order.to_owned(),
            device: Some(device_message(device)),
            reason: words.remark.clone(),
            operator: words.operator.clone(),
        };
        self.call(request, |mut client, request| async move { client.report_give_up(request).await })
            .await
            .map(|_| ())
    }

    /// Has the unit allowed one more birth certificate.
    pub(crate) async fn rework(
        &self,
        work_order: &str,
        device: &DeviceId,
        words: &Words,
    ) -> Result<(), CaError> {
        let request = v1::RequestReworkRequest {
            work_order: work_order.to_owned(),
            device: Some(device_message(device)),
            reason: words.remark.clone(),
            operator: words.operator.clone(),
        };
        self.call(request, |mut client, request| async move { client.request_rework(request).await })
            .await
            .map(|_| ())
    }
}

fn birth_request(
    work_order: &str,
    device: &DeviceId,
    (request_id, csr): (RequestId, &[u8]),
    (made_at, crew): (Option<SystemTime>, CrewNow),
) -> v1::IssueBirthCertificateRequest {
    let CrewNow { shift, operator } = crew;
    v1::IssueBirthCertificateRequest {
        shift,
        operator,
        request_id: Bytes::copy_from_slice(request_id.as_bytes()),
        work_order: work_order.to_owned(),
        device: Some(device_message(device)),
        csr: Bytes::copy_from_slice(csr),
        deferral: made_at.map(|made_at| v1::Deferral { made_at: Some(made_at.into()) }),
    }
}

/// The request id and the content of an answer on the stream; `None` if it has no id.
fn reconciled(answer: v1::IssueBirthCertificatesResponse) -> Option<(RequestId, Reconciled)> {
    use v1::issue_birth_certificates_response::Outcome;
    let request_id = RequestId::try_from(answer.request_id.as_ref()).ok()?;
    let reconciled = match answer.outcome {
        Some(Outcome::Certificate(certificate)) => match birth_certificate(Some(certificate)) {
            Some(certificate) => Reconciled::Issued(certificate),
            None => Reconciled::Later("its answer has no certificate that can be read".into()),
        },
        Some(Outcome::Refusal(refusal)) => refused_on_stream(refusal),
        None => Reconciled::Later("its answer is empty".into()),
    };
    Some((request_id, reconciled))
}

/// What the CA answered to a request for units.
#[derive(Debug)]
pub(crate) struct ReservedUnits {
    pub(crate) reservation: Reservation,
    /// How many units of the order are left for others.
    pub(crate) left: u64,
    /// The CA's time.
    pub(crate) now: Option<SystemTime>,
}

/// What a person says of the end of a unit, for the ledger.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    pub(crate) remark: String,
    /// Who does it; empty: it was not said.
    pub(crate) operator: String,
}

/// Why the CA gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaError {
    #[error("the CA refuses: {0}")]
    Refused(Refusal),
    /// The CA gave no answer within the patience. The text says why.
    #[error("the CA cannot answer: {0}")]
    Unreachable(String),
}

impl CaError {
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.reason,
            Self::Unreachable(_) => CA_UNREACHABLE,
        }
    }
}

/// The most serial numbers of one request: `GetUnitsRequest.serials` in provisioning.proto.
pub(crate) const UNITS_MAX: usize = 1_000;

/// For TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that a switch has dropped is noticed before a unit has to wait for it.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
