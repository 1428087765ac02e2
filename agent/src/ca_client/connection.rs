//! One mTLS connection to the CA, and the calls of a device.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper_util::rt::TokioIo;
use identity::RequestId;
use prost_types::Timestamp;
use proto::v1;
use proto::v1::Reason;
use proto::v1::enrollment_service_client::EnrollmentServiceClient;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;
use tower::service_fn;

use crate::certificate::Credential;
use crate::key::{DeviceKey, TlsKey};
use crate::state::Parent;
use crate::text::{readable, rfc3339, wire_time};

use super::alert::{Alert, AlertRecorder, about_our_certificate};
use super::refusal::Refusal;
use super::verifier::TimeFloorVerifier;
use super::{ObtainError, Server};

/// A connection whose server was verified. The first call shows whether it takes the device's certificate.
pub(crate) struct Connection {
    server: Server,
    alert: Alert,
    channel: Channel,
    client: EnrollmentServiceClient<Channel>,
    verifier: Arc<TimeFloorVerifier>,
    presented: Vec<CertificateDer<'static>>,
}

impl Connection {
    /// Connects with a credential, trusting what comes with it. `now` is the least that the time can be.
    pub(crate) async fn open(
        server: &Server,
        credential: &Credential,
        key: &Arc<dyn DeviceKey>,
        now: SystemTime,
    ) -> Result<Self, ObtainError> {
        let unreachable = |source| ObtainError::Unreachable(server.to_string(), source);
        let untrusted = |source| ObtainError::ServerCertificate(server.to_string(), source, rfc3339(now));
        let verifier = Arc::new(TimeFloorVerifier::new(credential, now).map_err(untrusted)?);
        let connector =
            TlsConnector::from(configuration(credential, key, verifier.clone()).map_err(untrusted)?);
        let handshake = |stream: TcpStream| {
            let (connector, name) = (connector.clone(), server.name.clone());
            async move {
                stream.set_nodelay(true)?;
                connector.connect(name, stream).await
            }
        };
        let dialled = dial::connect_and_handshake(&server.host, server.port, CONNECT_TIME, handshake).await;
        let stream = match dialled.map_err(io::Error::from) {
            Ok(stream) => stream,
            Err(error) => {
                if let Some(alert) = about_our_certificate(&error) {
                    return Err(ObtainError::NotAccepted(format!("{alert:?}")));
                }
                return Err(match diagnostics::cause(&error) {
                    Some(source @ rustls::Error::InvalidCertificate(_)) => untrusted(source.clone()),
                    // The answer is no TLS record: a plain HTTP port.
                    Some(rustls::Error::InvalidMessage(_)) => unreachable(io::Error::other(
                        "this port does not speak TLS: it is not the CA's gRPC port",
                    )),
                    _ => unreachable(error),
                });
            }
        };
        let presented = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let presented = presented.iter().map(|der| der.clone().into_owned()).collect();
        let (stream, alert) = AlertRecorder::new(stream);
        let mut stream = Some(TokioIo::new(stream));
        // The stream is encrypted already: the channel only needs the server's name.
        let endpoint = Endpoint::from_static("http://ca").origin(server.uri.clone()).timeout(CALL_TIME);
        let channel = endpoint
            .connect_with_connector(service_fn(move |_| {
                let stream = stream.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
                async move { stream }
            }))
            .await
            .map_err(|error| not_accepted(&alert).unwrap_or_else(|| unreachable(io::Error::other(error))))?;
        let client =
            EnrollmentServiceClient::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        Ok(Self { server: server.clone(), alert, channel, client, verifier, presented })
    }

    /// Asks for a certificate by Enroll with the birth certificate, by Renew with the operational one.
    pub(crate) async fn obtain(
        &mut self,
        parent: Parent,
        request_id: RequestId,
        csr: &[u8],
    ) -> Result<v1::EnrollResponse, ObtainError> {
        let (request_id, csr) = (request_id.as_bytes().to_vec().into(), csr.to_vec().into());
        let response = match parent {
            Parent::Birth => self.client.enroll(v1::EnrollRequest { request_id, csr }).await,
            Parent::Operational => {
                self.client.renew(v1::RenewRequest { request_id, csr }).await.map(|response| {
                    response.map(|renewed| {
                        let v1::RenewResponse { certificate, chain, trust_bundle, server_time } = renewed;
                        v1::EnrollResponse { certificate, chain, trust_bundle, server_time }
                    })
                })
            }
        };
        self.answer(response)
    }

    /// Asks for the birth certificate of the key of this connection.
    pub(crate) async fn claim(&mut self) -> Result<v1::EnrollResponse, ObtainError> {
        let response = self.client.claim_birth_certificate(v1::ClaimBirthCertificateRequest {}).await;
        let v1::ClaimBirthCertificateResponse { certificate, chain, trust_bundle, server_time } =
            self.answer(response)?;
        Ok(v1::EnrollResponse { certificate, chain, trust_bundle, server_time })
    }

    pub(crate) async fn trust_bundle(&mut self) -> Result<(), ObtainError> {
        let response = self.client.get_trust_bundle(v1::GetTrustBundleRequest {}).await;
        self.answer(response).map(|_| ())
    }

    /// What the CA says about renewing the certificate of this connection, and its time.
    pub(crate) async fn renewal_info(
        &mut self,
    ) -> Result<(v1::GetRenewalInfoResponse, SystemTime), ObtainError> {
        let response = self.client.get_renewal_info(v1::GetRenewalInfoRequest {}).await;
        let info = self.answer(response)?;
        let server_time = self.server_time(info.server_time)?;
        Ok((info, server_time))
    }

    /// Whether the server takes the certificate of this connection. It is asked for its health, which the
    /// ledger does not record, so the certificate's parent is not superseded yet.
    pub(crate) async fn prove(&mut self) -> Result<(), ObtainError> {
        let mut health = HealthClient::new(self.channel.clone());
        match health.check(HealthCheckRequest::default()).await {
            Ok(_) => Ok(()),
            // Any answer shows that it took the certificate.
            Err(status) => match refused(&self.alert, status) {
                error @ (ObtainError::NotAccepted { .. } | ObtainError::Unreachable { .. }) => Err(error),
                error if error.may_pass() => Err(error),
                _ => Ok(()),
            },
        }
    }

    /// Tells the CA that the certificate of this connection is in use, and returns the CA's time.
    pub(crate) async fn confirm(&mut self, serial_number: Vec<u8>) -> Result<SystemTime, ObtainError> {
        let request = v1::ConfirmInstalledRequest { serial_number: serial_number.into() };
        let response = self.client.confirm_installed(request).await;
        let confirmed = self.answer(response)?;
        self.server_time(confirmed.server_time)
    }

    /// The CA's time, if the CA's own certificates are valid at it ("re-check the chain", R-LIFE-06). So a CA
    /// with a wrong clock can move a device's time floor neither beyond the life of its server certificate
    /// nor to before its beginning. The handshake has verified the certificates at the floor so far: the key
    /// of a certificate that has ended lowers no floor.
    pub(crate) fn server_time(&self, timestamp: Option<Timestamp>) -> Result<SystemTime, ObtainError> {
        let malformed = ObtainError::AnswerMalformed;
        let time = wire_time(timestamp).ok_or_else(|| malformed("it does not tell the time"))?;
        match self.verifier.verify_at(&self.presented, &self.server.name, time) {
            true => Ok(time),
            false => Err(malformed("its time is outside the life of the CA's own certificate")),
        }
    }

    fn answer<T>(&self, response: Result<tonic::Response<T>, Status>) -> Result<T, ObtainError> {
        response.map(tonic::Response::into_inner).map_err(|status| refused(&self.alert, status))
    }
}

fn configuration(
    credential: &Credential,
    key: &Arc<dyn DeviceKey>,
    verifier: Arc<TimeFloorVerifier>,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let own = credential.presented().map(|der| der.into_owned()).collect();
    let own = CertifiedKey::new(own, Arc::new(TlsKey(key.clone())));
    let mut configuration = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    configuration.alpn_protocols = vec![b"h2".to_vec()];
    configuration.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(configuration))
}

/// A refusal of the device's certificate after the client's side of the handshake.
fn not_accepted(alert: &Alert) -> Option<ObtainError> {
    alert.get().map(|alert| ObtainError::NotAccepted(alert.clone()))
}

/// The error behind a gRPC status: a refused handshake, or a refusal of the CA.
fn refused(alert: &Alert, status: Status) -> ObtainError {
    if let Some(error) = not_accepted(alert) {
        return error;
    }
    let details = status.get_error_details();
    let told = details.error_info().is_some();
    let reason =
        details.error_info().map_or_else(|| format!("{:?}", status.code()), |told| told.reason.clone());
    // Without a reason of the CA it was the connection that failed, whatever its code.
    let code = if told || status.source().is_none() { status.code() } else { Code::Unavailable };
    let refusal = Reason::from_str_name(&reason).map_or(Refusal::Other, Refusal::of);
    ObtainError::Refused {
        code,
        refusal,
        reason: readable(&reason),
        message: readable(status.message()),
        retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
    }
}

/// For the name, one of its addresses and the handshake: a slow radio link needs a few seconds.
const CONNECT_TIME: Duration = Duration::from_secs(15);

/// For one call. The CA answers in milliseconds.
const CALL_TIME: Duration = Duration::from_secs(30);

/// The largest answer we take: a certificate, four of a chain and four anchors are below 20 kB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
