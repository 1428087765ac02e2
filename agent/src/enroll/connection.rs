//! One mTLS connection to the CA, and the calls of a device.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper_util::rt::TokioIo;
use proto::v1;
use proto::v1::enrollment_service_client::EnrollmentServiceClient;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;
use tower::service_fn;

use crate::certificate::{Credential, earliest_moment, unix_time};
use crate::key::{DeviceKey, TlsKey};
use crate::state::rfc3339;

use super::alert::{Alert, Remembering, about_our_certificate};
use super::answer::moment;
use super::{EnrollError, Server};

/// A connection that proved who the server is. Whether the server takes us shows with the first call.
pub(crate) struct Connection {
    server: Server,
    alert: Alert,
    channel: Channel,
    client: EnrollmentServiceClient<Channel>,
    verifier: Arc<FromNowOn>,
    presented: Vec<CertificateDer<'static>>,
}

impl Connection {
    /// Connects with a credential, trusting what comes with it. `now` is the least that the time can be.
    pub(crate) async fn open(
        server: &Server,
        credential: &Credential,
        key: &Arc<dyn DeviceKey>,
        now: SystemTime,
    ) -> Result<Self, EnrollError> {
        let unreachable = |source| EnrollError::Unreachable { server: server.to_string(), source };
        let untrusted =
            |source| EnrollError::ServerCertificate { server: server.to_string(), source, now: rfc3339(now) };
        let verifier = Arc::new(FromNowOn::new(credential, now).map_err(untrusted)?);
        let connector =
            TlsConnector::from(configuration(credential, key, verifier.clone()).map_err(untrusted)?);
        let handshake = |stream: TcpStream| {
            let (connector, name) = (connector.clone(), server.name.clone());
            async move {
                stream.set_nodelay(true)?;
                connector.connect(name, stream).await
            }
        };
        let dialled = dial::connect_and_greet(&server.host, server.port, CONNECT_TIME, handshake).await;
        let stream = match dialled.map_err(io::Error::from) {
            Ok(stream) => stream,
            Err(error) => {
                if let Some(alert) = about_our_certificate(&error) {
                    return Err(EnrollError::NotAccepted { alert: format!("{alert:?}") });
                }
                return Err(match tls_error(&error) {
                    Some(source @ rustls::Error::InvalidCertificate(_)) => untrusted(source.clone()),
                    // What comes is no TLS record: a port that speaks plain HTTP answers so.
                    Some(rustls::Error::InvalidMessage(_)) => unreachable(io::Error::other(
                        "this port does not speak TLS: it is not the CA's gRPC port",
                    )),
                    _ => unreachable(error),
                });
            }
        };
        let presented = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let presented = presented.iter().map(|der| der.clone().into_owned()).collect();
        let (stream, alert) = Remembering::new(stream);
        let mut stream = Some(TokioIo::new(stream));
        // The stream is encrypted already: the channel only needs to know what to call the server.
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

    pub(crate) async fn enroll(
        &mut self,
        request: v1::EnrollRequest,
    ) -> Result<v1::EnrollResponse, EnrollError> {
        Ok(self.client.enroll(request).await.map_err(|it| refused(&self.alert, it))?.into_inner())
    }

    pub(crate) async fn trust_bundle(&mut self) -> Result<(), EnrollError> {
        let request = v1::GetTrustBundleRequest {};
        self.client.get_trust_bundle(request).await.map_err(|it| refused(&self.alert, it))?;
        Ok(())
    }

    pub(crate) async fn renew(
        &mut self,
        request: v1::RenewRequest,
    ) -> Result<v1::EnrollResponse, EnrollError> {
        let response = self.client.renew(request).await.map_err(|it| refused(&self.alert, it))?.into_inner();
        let v1::RenewResponse { certificate, chain, trust_bundle, server_time } = response;
        Ok(v1::EnrollResponse { certificate, chain, trust_bundle, server_time })
    }

    pub(crate) async fn renewal_info(&mut self) -> Result<v1::GetRenewalInfoResponse, EnrollError> {
        let request = v1::GetRenewalInfoRequest {};
        Ok(self.client.get_renewal_info(request).await.map_err(|it| refused(&self.alert, it))?.into_inner())
    }

    /// Whether the server takes the certificate of this connection: in TLS 1.3 a client learns that only when it reads. The question
    /// is one that the ledger does not hear of, so proving a new certificate does not yet end its parent.
    pub(crate) async fn prove(&mut self) -> Result<(), EnrollError> {
        let mut health = HealthClient::new(self.channel.clone());
        match health.check(HealthCheckRequest::default()).await {
            Ok(_) => Ok(()),
            // Whatever it says of its health, it read us and answered.
            Err(status) => match refused(&self.alert, status) {
                error @ (EnrollError::NotAccepted { .. } | EnrollError::Unreachable { .. }) => Err(error),
                error if error.may_pass() => Err(error),
                _ => Ok(()),
            },
        }
    }

    /// Tells the CA that the certificate of this connection is in use, and returns the CA's time.
    pub(crate) async fn confirm(&mut self, serial_number: Vec<u8>) -> Result<SystemTime, EnrollError> {
        let request = v1::ConfirmInstalledRequest { serial_number: serial_number.into() };
        let response =
            self.client.confirm_installed(request).await.map_err(|it| refused(&self.alert, it))?.into_inner();
        moment(response.server_time)
    }

    /// Whether the server's certificates are good at `moment`, to the second.
    pub(crate) fn check_server_at(&self, moment: SystemTime) -> Result<(), EnrollError> {
        let Some((leaf, chain)) = self.presented.split_first() else {
            return Err(EnrollError::AnswerMalformed { what: "the server showed no certificate" });
        };
        self.verifier
            .webpki
            .verify_server_cert(leaf, chain, &self.server.name, &[], unix_time(moment))
            .map(|_| ())
            .map_err(|_| EnrollError::AnswerMalformed {
                what: "its time is outside the life of the CA's own certificate",
            })
    }
}

fn configuration(
    credential: &Credential,
    key: &Arc<dyn DeviceKey>,
    verifier: Arc<FromNowOn>,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let own = std::iter::once(&credential.certificate)
        .chain(&credential.chain)
        .map(|der| CertificateDer::from(der.clone()))
        .collect();
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

/// The usual verification of servers, at the time that a device without a clock can go by: not before its floor, and not before
/// what it is shown was issued (R-LIFE-06, ADR 0014). What has ended stays ended.
#[derive(Debug)]
struct FromNowOn {
    webpki: Arc<WebPkiServerVerifier>,
    now: SystemTime,
}

impl FromNowOn {
    fn new(credential: &Credential, now: SystemTime) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for anchor in &credential.anchors {
            roots.add(CertificateDer::from(anchor.clone()))?;
        }
        let webpki =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()))
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(Self { webpki, now })
    }
}

impl ServerCertVerifier for FromNowOn {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _clock: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let moment = earliest_moment(self.now, std::iter::once(end_entity).chain(intermediates));
        let moment = unix_time(moment);
        self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, moment)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// The handshake was refused after it seemed done, if that is what ended the connection.
fn not_accepted(alert: &Alert) -> Option<EnrollError> {
    alert.get().map(|alert| EnrollError::NotAccepted { alert: alert.clone() })
}

/// A status as what it means: a refused handshake, or the CA's word.
fn refused(alert: &Alert, status: Status) -> EnrollError {
    if let Some(error) = not_accepted(alert) {
        return error;
    }
    let details = status.get_error_details();
    let told = details.error_info().is_some();
    let reason =
        details.error_info().map_or_else(|| format!("{:?}", status.code()), |told| told.reason.clone());
    // Without a reason of the CA's it was the connection that failed, whatever code that got.
    let code = if told || status.source().is_none() { status.code() } else { Code::Unavailable };
    EnrollError::Refused {
        code,
        reason: readable(&reason),
        message: readable(status.message()),
        retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
    }
}

/// The TLS error somewhere below, if that is what went wrong.
pub(super) fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An io::Error does not count what it wraps as its source.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

/// What a server says, made harmless for a terminal and a log.
pub(crate) fn readable(text: &str) -> String {
    text.chars().map(|c| if identity::is_unseen(c) { ' ' } else { c }).take(TEXT_CHARACTERS_MAX).collect()
}

/// To resolve the name, connect to one of its addresses and shake hands: a slow radio link needs a few seconds.
const CONNECT_TIME: Duration = Duration::from_secs(15);

/// For one call: the CA answers in milliseconds, or not now.
const CALL_TIME: Duration = Duration::from_secs(30);

/// The largest answer we take: a certificate, four of a chain and four anchors are below 20 kB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Of a server's message.
const TEXT_CHARACTERS_MAX: usize = 256;
