//! A CA in memory that answers as a test tells it to.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use identity::{Csr, KeyFingerprint};
use proto::v1;
use proto::v1::enrollment_service_server::{EnrollmentService, EnrollmentServiceServer};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::days::{day, now_s};
use super::issuers::{CertificateSpec, Issued, Issuers};
use super::tls;

/// A running CA. It stops with the test.
pub struct FakeCa {
    pub issuers: Arc<Issuers>,
    pub address: SocketAddr,
    pub state: Arc<Mutex<CaState>>,
    _runtime: tokio::runtime::Runtime,
}

/// What it did, and what it is told to do.
#[derive(Default)]
pub struct CaState {
    pub issued: HashMap<Vec<u8>, (KeyFingerprint, Vec<u8>)>,
    pub confirmed: Vec<Vec<u8>>,
    pub calls: usize,
    /// Refuse the next calls, last first; `Ok` lets one pass.
    pub refusals: Vec<(Code, &'static str, Option<std::time::Duration>)>,
    pub wrong_answer: Option<WrongAnswer>,
    /// When operational certificates end, if not in 2090.
    pub until: Option<(i32, u8, u8)>,
    /// Seconds that the CA's clock is past [`now_s`].
    pub later: i64,
    /// When to renew, as seconds from [`now_s`]; without it, never before the year 2090.
    pub window: Option<(i64, i64)>,
    /// The reason of that window.
    pub reason: &'static str,
    /// How often it was asked when to renew.
    pub asked: usize,
    /// Lose so many answers to Renew and ConfirmInstalled after the work was done.
    pub lost: usize,
    /// Child to parent.
    pub parents: HashMap<Vec<u8>, Vec<u8>>,
    /// Birth certificates that were deferred, by the SubjectPublicKeyInfo that claims them.
    pub births: HashMap<Vec<u8>, Issued>,
    /// Revoked or superseded certificates.
    pub revoked: HashSet<Vec<u8>>,
}

impl CaState {
    /// Loses this answer, if it is one of those to be lost.
    fn lose(&mut self) -> Result<(), Status> {
        match self.lost.checked_sub(1) {
            None => Ok(()),
            Some(left) => {
                self.lost = left;
                Err(Status::unavailable("the answer is lost"))
            }
        }
    }

    /// Certificates that were issued and are not revoked.
    pub fn good(&self) -> usize {
        let serial =
            |der: &Vec<u8>| agent::certificate::Certificate::from_der(der.clone()).unwrap().serial_number;
        self.issued.values().filter(|(_, der)| !self.revoked.contains(&serial(der))).count()
    }
}

/// A wrong answer to Enroll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongAnswer {
    OtherKey,
    OtherDevice,
    NotForClients,
    WrongIssuer,
    NoChain,
    NoAnchors,
    ForeignAnchors,
    Ended,
    OtherSerialNumber,
    OlderTrust,
    FarFuture,
    NoTime,
    NoCertificate,
    Garbage,
    /// For a renewal: ends before the certificate in use.
    Shorter,
    /// For a renewal: chain and anchors belong together, and the device does not know them.
    UnknownRoots,
}

impl WrongAnswer {
    /// To an enrolment and to a renewal.
    pub const TO_BOTH: [Self; 14] = [
        Self::OtherKey,
        Self::OtherDevice,
        Self::NotForClients,
        Self::WrongIssuer,
        Self::NoChain,
        Self::NoAnchors,
        Self::ForeignAnchors,
        Self::Ended,
        Self::OtherSerialNumber,
        Self::OlderTrust,
        Self::FarFuture,
        Self::NoTime,
        Self::NoCertificate,
        Self::Garbage,
    ];
}

impl FakeCa {
    pub fn start() -> Self {
        Self::start_with(Issuers::new(), day(-20), (2090, 1, 1))
    }

    /// With a server certificate that is valid from one day until another.
    pub fn start_with(issuers: Issuers, from: (i32, u8, u8), until: (i32, u8, u8)) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), issuers, from, until)
    }

    /// At an address.
    pub fn start_at(
        address: SocketAddr,
        issuers: Issuers,
        from: (i32, u8, u8),
        until: (i32, u8, u8),
    ) -> Self {
        let issuers = Arc::new(issuers);
        let state = Arc::new(Mutex::new(CaState::default()));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        let tls = tls::acceptor(&issuers, issuers.server(from, until));
        let service = Enrollment { issuers: issuers.clone(), state: state.clone() };
        let context = runtime.enter();
        runtime.spawn(
            Server::builder()
                .add_service(EnrollmentServiceServer::new(service))
                .add_service(tonic_health::server::health_reporter().1)
                .serve_with_incoming(tls::incoming(listener, tls)),
        );
        drop(context);
        Self { issuers, address, state, _runtime: runtime }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

struct Enrollment {
    issuers: Arc<Issuers>,
    state: Arc<Mutex<CaState>>,
}

impl Enrollment {
    /// Counts a call, which the ledger hears of: the caller is in use, and its parent superseded.
    fn counted<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let shown = caller(request);
        let caller = shown.serial_number.clone();
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs((now_s() + state.later) as u64);
        for (refused, reason) in [
            (state.revoked.contains(&caller), "CLIENT_CERTIFICATE_REVOKED"),
            (shown.has_ended(now), "CLIENT_CERTIFICATE_EXPIRED"),
        ] {
            if refused {
                let details = ErrorDetails::with_error_info(reason, "touchmark", []);
                return Err(Status::with_error_details(Code::Unauthenticated, "not any more", details));
            }
        }
        if let Some(parent) = state.parents.get(&caller).cloned() {
            state.revoked.insert(parent);
        }
        match state.refusals.pop() {
            None | Some((Code::Ok, ..)) => Ok(()),
            Some((code, reason, retry)) => {
                let mut details = ErrorDetails::with_error_info(reason, "touchmark", []);
                if let Some(retry) = retry {
                    details.set_retry_info(Some(retry));
                }
                Err(Status::with_error_details(code, "as the test says", details))
            }
        }
    }

    fn answer(&self, request: &v1::EnrollRequest, serial: &str) -> v1::EnrollResponse {
        let mut state = self.state.lock().unwrap();
        let key = Csr::from_der(&request.csr).unwrap().public_key().fingerprint();
        let mut spec = CertificateSpec::operational("cam-2", serial);
        spec.until = state.until.unwrap_or(spec.until);
        if let Some(wrong_answer) = state.wrong_answer {
            return self.wrong_answer(wrong_answer, &request.csr, spec);
        }
        let (first_key, certificate) = state
            .issued
            .entry(request.request_id.to_vec())
            .or_insert_with(|| (key, self.issuers.operational.certify(&request.csr, &spec)));
        assert_eq!(*first_key, key, "the same request id with another key");
        let mut response = self.response(certificate.clone());
        response.server_time = Some(prost_types::Timestamp { seconds: now_s() + state.later, nanos: 0 });
        response
    }

    fn response(&self, certificate: Vec<u8>) -> v1::EnrollResponse {
        let serial_number = agent::certificate::Certificate::from_der(certificate.clone())
            .map(|certificate| certificate.serial_number)
            .unwrap_or_default();
        v1::EnrollResponse {
            certificate: Some(v1::IssuedCertificate {
                certificate: certificate.into(),
                serial_number: serial_number.into(),
                ledger_entry: 1,
            }),
            chain: vec![self.issuers.operational.certificate.clone().into()],
            trust_bundle: Some(v1::TrustBundle {
                version: 1,
                anchors: vec![self.issuers.root.clone().into()],
            }),
            server_time: Some(prost_types::Timestamp { seconds: now_s(), nanos: 0 }),
        }
    }

    fn wrong_answer(
        &self,
        wrong_answer: WrongAnswer,
        csr: &[u8],
        spec: CertificateSpec,
    ) -> v1::EnrollResponse {
        let good = |csr: &[u8], spec: &CertificateSpec| self.issuers.operational.certify(csr, spec);
        let mut response = self.response(match wrong_answer {
            WrongAnswer::OtherKey => {
                let (key, _) = agent::key::FileKey::generate().unwrap();
                good(&agent::key::certificate_request(&key).unwrap(), &spec)
            }
            WrongAnswer::OtherDevice => good(csr, &CertificateSpec::operational("cam-2", "SN9")),
            WrongAnswer::NotForClients => good(csr, &CertificateSpec { for_clients: false, ..spec }),
            WrongAnswer::WrongIssuer => self.issuers.factory.certify(csr, &spec),
            WrongAnswer::Ended => good(csr, &CertificateSpec { until: day(-19), ..spec }),
            WrongAnswer::Shorter => good(csr, &CertificateSpec { until: day(5), ..spec }),
            WrongAnswer::Garbage => vec![0x30, 0x03, 0x02, 0x01, 0x05],
            WrongAnswer::UnknownRoots => return self.unknown_roots(csr, &spec),
            _ => good(csr, &spec),
        });
        let bundle = response.trust_bundle.as_mut().unwrap();
        match wrong_answer {
            WrongAnswer::NoChain => response.chain.clear(),
            WrongAnswer::NoAnchors => bundle.anchors.clear(),
            WrongAnswer::ForeignAnchors => bundle.anchors = vec![Issuers::new().root.into()],
            WrongAnswer::OlderTrust => bundle.version = 0,
            WrongAnswer::FarFuture => response.server_time.as_mut().unwrap().seconds = 7_258_118_400,
            WrongAnswer::NoTime => response.server_time = None,
            WrongAnswer::NoCertificate => response.certificate = None,
            WrongAnswer::OtherSerialNumber => {
                response.certificate.as_mut().unwrap().serial_number = vec![0x40; 16].into();
            }
            _ => {}
        }
        response
    }
}

impl Enrollment {
    fn unknown_roots(&self, csr: &[u8], spec: &CertificateSpec) -> v1::EnrollResponse {
        let other = Issuers::new();
        let mut response = self.response(other.operational.certify(csr, spec));
        response.chain = vec![other.operational.certificate.into()];
        response.trust_bundle.as_mut().unwrap().anchors =
            vec![other.root.into(), self.issuers.root.clone().into()];
        response
    }

    fn time(&self, seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds: now_s() + seconds, nanos: 0 })
    }
}

#[tonic::async_trait]
impl EnrollmentService for Enrollment {
    async fn renew(&self, request: Request<v1::RenewRequest>) -> Result<Response<v1::RenewResponse>, Status> {
        self.counted(&request)?;
        let caller = caller(&request);
        let v1::RenewRequest { request_id, csr } = request.into_inner();
        let answer = self.answer(&v1::EnrollRequest { request_id, csr }, &caller.serial.unwrap());
        let v1::EnrollResponse { certificate, chain, trust_bundle, server_time } = answer;
        if let Some(certificate) = &certificate {
            let child = certificate.serial_number.to_vec();
            self.state.lock().unwrap().parents.insert(child, caller.serial_number);
        }
        self.state.lock().unwrap().lose()?;
        Ok(Response::new(v1::RenewResponse { certificate, chain, trust_bundle, server_time }))
    }

    async fn get_renewal_info(
        &self,
        request: Request<v1::GetRenewalInfoRequest>,
    ) -> Result<Response<v1::GetRenewalInfoResponse>, Status> {
        self.counted(&request)?;
        let mut state = self.state.lock().unwrap();
        state.asked += 1;
        Ok(Response::new(v1::GetRenewalInfoResponse {
            window_start: state.window.and_then(|window| self.time(window.0)),
            window_end: state.window.and_then(|window| self.time(window.1)),
            reason: state.reason.to_owned(),
            retry_after: Some(prost_types::Duration { seconds: 3600, nanos: 0 }),
            explanation: String::new(),
            server_time: self.time(state.later),
        }))
    }

    async fn claim_birth_certificate(
        &self,
        request: Request<v1::ClaimBirthCertificateRequest>,
    ) -> Result<Response<v1::ClaimBirthCertificateResponse>, Status> {
        self.counted(&request)?;
        let shown = request.peer_certs().unwrap();
        let birth = self.state.lock().unwrap().births.get(&spki_of(&shown[0])).cloned();
        let Some(birth) = birth else {
            let details = ErrorDetails::with_error_info("CERTIFICATE_NOT_YET_ISSUED", "touchmark", []);
            return Err(Status::with_error_details(Code::Unavailable, "not yet", details));
        };
        self.state.lock().unwrap().lose()?;
        let v1::EnrollResponse { certificate, trust_bundle, server_time, .. } =
            self.response(birth.certificate);
        let chain = birth.chain.into_iter().map(Into::into).collect();
        Ok(Response::new(v1::ClaimBirthCertificateResponse { certificate, chain, trust_bundle, server_time }))
    }

    async fn enroll(
        &self,
        request: Request<v1::EnrollRequest>,
    ) -> Result<Response<v1::EnrollResponse>, Status> {
        self.counted(&request)?;
        let caller = caller(&request);
        Ok(Response::new(self.answer(request.get_ref(), &caller.serial.unwrap())))
    }

    async fn confirm_installed(
        &self,
        request: Request<v1::ConfirmInstalledRequest>,
    ) -> Result<Response<v1::ConfirmInstalledResponse>, Status> {
        self.counted(&request)?;
        assert_eq!(caller(&request).serial_number, request.get_ref().serial_number);
        self.state.lock().unwrap().confirmed.push(request.get_ref().serial_number.to_vec());
        self.state.lock().unwrap().lose()?;
        let later = self.state.lock().unwrap().later;
        Ok(Response::new(v1::ConfirmInstalledResponse { server_time: self.time(later) }))
    }

    async fn get_trust_bundle(
        &self,
        request: Request<v1::GetTrustBundleRequest>,
    ) -> Result<Response<v1::GetTrustBundleResponse>, Status> {
        self.counted(&request)?;
        Ok(Response::new(v1::GetTrustBundleResponse { trust_bundle: None }))
    }
}

fn caller<T>(request: &Request<T>) -> agent::certificate::Certificate {
    let shown = request.peer_certs().unwrap();
    agent::certificate::Certificate::from_der(shown[0].to_vec()).unwrap()
}

fn spki_of(certificate: &[u8]) -> Vec<u8> {
    let (_, parsed) = X509Certificate::from_der(certificate).unwrap();
    parsed.public_key().raw.to_vec()
}
