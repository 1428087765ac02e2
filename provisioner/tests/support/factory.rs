//! A CA and devices that live in the test, and the directory of a station that may use them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use prost::Message;
use proto::v1;
use proto::v1::provisioning_service_server::{ProvisioningService, ProvisioningServiceServer};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SigningKey,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

/// A CA that keeps its promises, in memory.
#[derive(Clone)]
pub struct Ca(pub Arc<Mutex<Records>>);

pub struct Records {
    pub root: Vec<u8>,
    pub issuer: Issuer<'static, KeyPair>,
    pub quantity: u64,
    /// By serial: key and certificate.
    pub issued: BTreeMap<String, (Vec<u8>, v1::IssuedCertificate)>,
    pub confirmed: std::collections::BTreeSet<String>,
    pub scrapped: BTreeMap<String, String>,
    pub paused: bool,
    /// The order's window, and how far the CA's clock is ahead of the station's, in seconds.
    pub opens_at: Option<i64>,
    pub closes_at: Option<i64>,
    pub ahead_s: i64,
    pub revoked: std::collections::BTreeSet<String>,
    /// Made by another station.
    pub elsewhere: std::collections::BTreeSet<String>,
    /// So many questions are answered with "not now".
    pub busy: u32,
    /// Serial numbers that are out, with their reservations.
    pub reserved: BTreeMap<String, String>,
    /// What was answered to each request for units.
    pub reservations: BTreeMap<Vec<u8>, v1::ReserveUnitsResponse>,
}

impl Records {
    /// Seconds since 1970.
    pub fn now(&self) -> i64 {
        let since =
            identity::Clock::now(&identity::SystemClock).duration_since(std::time::UNIX_EPOCH).unwrap();
        i64::try_from(since.as_secs()).unwrap() + self.ahead_s
    }
}

fn seconds(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

fn refused(code: tonic::Code, reason: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, "touchmark", std::collections::HashMap::new());
    Status::with_error_details(code, format!("because {reason}"), details)
}

#[tonic::async_trait]
impl ProvisioningService for Ca {
    async fn get_work_order(
        &self,
        request: Request<v1::GetWorkOrderRequest>,
    ) -> Result<Response<v1::GetWorkOrderResponse>, Status> {
        if request.get_ref().work_order != "wo-000001" {
            return Err(refused(tonic::Code::NotFound, "WORK_ORDER_NOT_FOUND"));
        }
        let records = self.0.lock().unwrap();
        Ok(Response::new(v1::GetWorkOrderResponse {
            work_order: Some(v1::WorkOrder {
                id: "wo-000001".into(),
                product: "cam-2".into(),
                quantity: records.quantity,
                serials: Some(v1::work_order::Serials::Pattern("SN{0001..0100}".into())),
                state: if records.paused { v1::WorkOrderState::Paused } else { v1::WorkOrderState::Open }
                    .into(),
                counts: Some(v1::WorkOrderCounts {
                    issued: records.issued.len() as u64,
                    reserved: records.reserved.len() as u64,
                    ..Default::default()
                }),
                opens_at: records.opens_at.map(seconds),
                closes_at: records.closes_at.map(seconds),
                ..Default::default()
            }),
            chain: vec![],
            trust_bundle: Some(v1::TrustBundle { version: 1, anchors: vec![records.root.clone().into()] }),
            enrollment_url: "https://ca.example.com:8443".into(),
            now: Some(seconds(records.now())),
        }))
    }

    async fn get_units(
        &self,
        request: Request<v1::GetUnitsRequest>,
    ) -> Result<Response<v1::GetUnitsResponse>, Status> {
        let serials = request.get_ref().serials.clone();
        let order = self.get_work_order(Request::new(v1::GetWorkOrderRequest {
            work_order: request.into_inner().work_order,
        }));
        let order = order.await?.into_inner().work_order;
        let records = self.0.lock().unwrap();
        let unit = |serial: String| {
            let issued = records.issued.get(&serial).map(|(_, issued)| issued.serial_number.clone());
            let state = match (&issued, records.confirmed.contains(&serial)) {
                _ if records.scrapped.contains_key(&serial) => v1::UnitState::Gone,
                (None, _) if records.reserved.contains_key(&serial) => v1::UnitState::Reserved,
                (None, _) => v1::UnitState::Free,
                (Some(_), false) => v1::UnitState::Issued,
                (Some(_), true) => v1::UnitState::Confirmed,
            };
            let (revoked, other_station) =
                (records.revoked.contains(&serial), records.elsewhere.contains(&serial));
            let birth_certificate = issued.unwrap_or_default();
            let reservation = records.reserved.get(&serial).cloned().unwrap_or_default();
            v1::Unit {
                reservation,
                serial,
                state: state.into(),
                birth_certificate,
                revoked,
                other_station,
                ..v1::Unit::default()
            }
        };
        Ok(Response::new(v1::GetUnitsResponse {
            units: serials.into_iter().map(unit).collect(),
            more: false,
            work_order: order,
            station: "line-1".into(),
            now: Some(seconds(records.now())),
        }))
    }

    async fn reserve_units(
        &self,
        request: Request<v1::ReserveUnitsRequest>,
    ) -> Result<Response<v1::ReserveUnitsResponse>, Status> {
        let v1::ReserveUnitsRequest { request_id, work_order, count, serials, duration } =
            request.into_inner();
        let mut records = self.0.lock().unwrap();
        if let Some(answer) = records.reservations.get(request_id.as_ref()) {
            return Ok(Response::new(answer.clone()));
        }
        let now = records.now();
        let left =
            records.quantity.saturating_sub(records.issued.len() as u64 + records.reserved.len() as u64);
        for (is_so, reason) in [
            (records.paused, "WORK_ORDER_PAUSED"),
            (records.opens_at.is_some_and(|opens_at| now < opens_at), "WORK_ORDER_NOT_YET_OPEN"),
            (records.closes_at.is_some_and(|closes_at| now >= closes_at), "WORK_ORDER_EXPIRED"),
            (left == 0, "WORK_ORDER_EXHAUSTED"),
        ] {
            if is_so {
                return Err(refused(tonic::Code::FailedPrecondition, reason));
            }
        }
        let wanted = if serials.is_empty() && count == 0 { 500 } else { count.into() };
        let (most, named): (u64, Vec<String>) = match serials.is_empty() {
            true => (wanted, (1..=100).map(|number| format!("SN{number:04}")).collect()),
            false => (u64::MAX, serials),
        };
        let is_free = |serial: &String| {
            !records.issued.contains_key(serial)
                && !records.reserved.contains_key(serial)
                && !records.elsewhere.contains(serial)
        };
        let most = usize::try_from(most.min(left)).unwrap();
        let free: Vec<String> = named.into_iter().filter(is_free).take(most).collect();
        if free.is_empty() {
            return Err(refused(tonic::Code::FailedPrecondition, "DEVICE_ALREADY_ISSUED"));
        }
        let id = format!("rs-{:06}", records.reservations.len() + 1);
        records.reserved.extend(free.iter().map(|serial| (serial.clone(), id.clone())));
        let ends_at = now + duration.map_or(12 * 3600, |duration| duration.seconds);
        let answer = v1::ReserveUnitsResponse {
            reservation: Some(v1::Reservation {
                id,
                work_order,
                ends_at: Some(seconds(ends_at)),
                ..v1::Reservation::default()
            }),
            serials: free,
            work_order: Some(v1::WorkOrder { quantity: left, ..v1::WorkOrder::default() }),
            now: Some(seconds(now)),
        };
        records.reservations.insert(request_id.to_vec(), answer.clone());
        Ok(Response::new(answer))
    }

    async fn return_units(
        &self,
        request: Request<v1::ReturnUnitsRequest>,
    ) -> Result<Response<v1::ReturnUnitsResponse>, Status> {
        let v1::ReturnUnitsRequest { reservation, serials } = request.into_inner();
        let mut records = self.0.lock().unwrap();
        records.reserved.retain(|serial, id| *id != reservation || !serials.contains(serial));
        Ok(Response::new(v1::ReturnUnitsResponse { reservation: None, returned: serials }))
    }

    async fn issue_birth_certificate(
        &self,
        request: Request<v1::IssueBirthCertificateRequest>,
    ) -> Result<Response<v1::IssueBirthCertificateResponse>, Status> {
        let request = request.into_inner();
        let mut records = self.0.lock().unwrap();
        if records.busy > 0 {
            records.busy -= 1;
            return Err(Status::unavailable("not now"));
        }
        let device = request.device.unwrap();
        let csr = CertificateSigningRequestParams::from_der(&request.csr.to_vec().into()).unwrap();
        let key = csr.public_key.subject_public_key_info();
        if let Some((known, certificate)) = records.issued.get(&device.serial) {
            return if *known == key {
                Ok(Response::new(v1::IssueBirthCertificateResponse {
                    certificate: Some(certificate.clone()),
                }))
            } else {
                Err(refused(tonic::Code::AlreadyExists, "DEVICE_ALREADY_ISSUED"))
            };
        }
        if records.paused {
            return Err(refused(tonic::Code::FailedPrecondition, "WORK_ORDER_PAUSED"));
        }
        let is_reserved = records.reserved.remove(&device.serial).is_some();
        let spent = records.issued.len() as u64 + records.reserved.len() as u64;
        if spent >= records.quantity && !is_reserved {
            return Err(refused(tonic::Code::ResourceExhausted, "WORK_ORDER_EXHAUSTED"));
        }
        let mut serial_number = [0x40; 16];
        serial_number[15] = records.issued.len() as u8;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationalUnitName, device.product.as_str());
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), device.serial.as_str());
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&serial_number));
        let der = params.signed_by(&csr.public_key, &records.issuer).unwrap().der().to_vec();
        let certificate = v1::IssuedCertificate {
            certificate: der.into(),
            serial_number: serial_number.to_vec().into(),
            ledger_entry: 9,
        };
        records.issued.insert(device.serial, (key, certificate.clone()));
        Ok(Response::new(v1::IssueBirthCertificateResponse { certificate: Some(certificate) }))
    }

    type IssueBirthCertificatesStream = Streaming<v1::IssueBirthCertificatesResponse>;

    async fn issue_birth_certificates(
        &self,
        _: Request<Streaming<v1::IssueBirthCertificateRequest>>,
    ) -> Result<Response<Self::IssueBirthCertificatesStream>, Status> {
        Err(Status::unimplemented("not by this station"))
    }

    async fn confirm_unit(
        &self,
        request: Request<v1::ConfirmUnitRequest>,
    ) -> Result<Response<v1::ConfirmUnitResponse>, Status> {
        let serial = request.into_inner().device.unwrap().serial;
        self.0.lock().unwrap().confirmed.insert(serial);
        Ok(Response::new(v1::ConfirmUnitResponse::default()))
    }

    async fn report_scrap(
        &self,
        request: Request<v1::ReportScrapRequest>,
    ) -> Result<Response<v1::ReportScrapResponse>, Status> {
        let v1::ReportScrapRequest { device, reason, .. } = request.into_inner();
        let serial = device.unwrap().serial;
        let mut records = self.0.lock().unwrap();
        if !records.issued.contains_key(&serial) {
            return Err(refused(tonic::Code::NotFound, "DEVICE_NOT_FOUND"));
        }
        records.scrapped.insert(serial, reason);
        Ok(Response::new(v1::ReportScrapResponse::default()))
    }

    async fn report_give_up(
        &self,
        request: Request<v1::ReportGiveUpRequest>,
    ) -> Result<Response<v1::ReportGiveUpResponse>, Status> {
        let serial = request.into_inner().device.unwrap().serial;
        match self.0.lock().unwrap().issued.contains_key(&serial) {
            true => Err(refused(tonic::Code::AlreadyExists, "DEVICE_ALREADY_ISSUED")),
            false => Ok(Response::new(v1::ReportGiveUpResponse::default())),
        }
    }

    async fn request_rework(
        &self,
        _: Request<v1::RequestReworkRequest>,
    ) -> Result<Response<v1::RequestReworkResponse>, Status> {
        Err(Status::unimplemented("not needed here"))
    }
}

/// What the devices behind one TCP port keep, by serial.
pub type Flash = Arc<Mutex<BTreeMap<String, Kept>>>;

#[derive(Default)]
pub struct Kept {
    pub key: Option<KeyPair>,
    pub install: Option<v1::Install>,
    pub locked: bool,
}

async fn device(mut stream: TcpStream, flash: Flash) {
    let mut decoder = link::Decoder::new();
    let mut serial = String::new();
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        for payload in decoder.push(&buffer[..length]).flatten() {
            let message = v1::StationMessage::decode(payload.as_slice()).unwrap();
            if let Some(v1::station_message::Request::Hello(hello)) = &message.request {
                serial = hello.assigned_serial.clone();
            }
            let response = answer(&serial, message.request.unwrap(), &flash);
            let answer =
                v1::DeviceMessage { exchange: message.exchange, response: Some(response), from_device: true };
            let frame = link::encode(&answer.encode_to_vec()).unwrap();
            // Noise before each answer: the station must not mind.
            stream.write_all(&[0x55, 0xaa]).await.unwrap();
            if stream.write_all(&frame).await.is_err() {
                return;
            }
        }
    }
}

fn answer(
    serial: &str,
    request: v1::station_message::Request,
    flash: &Flash,
) -> v1::device_message::Response {
    use v1::device_message::Response;
    use v1::station_message::Request;
    let mut flash = flash.lock().unwrap();
    let kept = flash.entry(serial.to_owned()).or_default();
    match request {
        Request::Hello(hello) => Response::Hello(v1::HelloResponse {
            protocol_version: 1,
            device: Some(v1::DeviceId { product: hello.product, serial: serial.to_owned() }),
            firmware: "test".into(),
            key_types: vec!["p256".into()],
            step: match (kept.locked, &kept.install, &kept.key) {
                (true, ..) => v1::FactoryStep::Locked,
                (_, Some(_), _) => v1::FactoryStep::Installed,
                (_, _, Some(_)) => v1::FactoryStep::KeyReady,
                _ => v1::FactoryStep::Blank,
            }
            .into(),
            ..Default::default()
        }),
        Request::GenerateKey(_) if serial == "SN0007" => Response::Fault(v1::DeviceFault {
            code: v1::DeviceFaultCode::Storage.into(),
            message: "flash is worn out".into(),
        }),
        Request::GenerateKey(_) => {
            let key = kept.key.get_or_insert_with(|| KeyPair::generate().unwrap());
            let csr = CertificateParams::default().serialize_request(key).unwrap();
            Response::GenerateKey(v1::GenerateKeyResponse { csr: csr.der().to_vec().into() })
        }
        Request::Install(install) => {
            kept.install = Some(install);
            Response::Install(v1::InstallResponse {})
        }
        Request::ReadBack(read_back) => {
            let install = kept.install.clone().unwrap();
            let anchors: Vec<Vec<u8>> =
                install.trust_bundle.unwrap().anchors.iter().map(|anchor| anchor.to_vec()).collect();
            let nonce: [u8; 32] = read_back.nonce.as_ref().try_into().unwrap();
            let message = provisioner::read_back_message(&nonce);
            Response::ReadBack(v1::ReadBackResponse {
                certificate: install.certificate,
                chain: install.chain,
                anchors_digest: provisioner::anchors_digest(&anchors).into(),
                signature: SigningKey::sign(kept.key.as_ref().unwrap(), &message).unwrap().into(),
            })
        }
        Request::Lock(_) => {
            kept.locked = true;
            Response::Lock(v1::LockResponse {})
        }
    }
}

/// A CA, devices, and the directory of a station that may use them.
pub struct Factory {
    pub directory: tempfile::TempDir,
    pub ca: Ca,
    pub flash: Flash,
    pub link: String,
}

impl Factory {
    pub async fn open(quantity: u64) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let end_entity = |names: Vec<String>| {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
            (certificate.pem(), key.serialize_pem())
        };
        let server = end_entity(vec!["localhost".into()]);
        let station = end_entity(vec![]);
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("cert.pem", &station.0);
        // The issuer is the root here; a chain file is never empty.
        write("chain.pem", &root.pem());
        write("trust.pem", &root.pem());
        write("key.pem", &station.1);
        mode(&directory.path().join("key.pem"), 0o600);

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        write(
            "station.toml",
            &format!(
                "server = \"https://localhost:{port}\"\ncredentials = \".\"\njournal = \"journal\"\nca-patience-s = 5\n"
            ),
        );
        let ca = Ca(Arc::new(Mutex::new(Records {
            root: root.der().to_vec(),
            quantity,
            issued: BTreeMap::new(),
            confirmed: Default::default(),
            scrapped: BTreeMap::new(),
            paused: false,
            opens_at: None,
            closes_at: None,
            ahead_s: 0,
            revoked: Default::default(),
            elsewhere: Default::default(),
            busy: 0,
            reserved: BTreeMap::new(),
            reservations: BTreeMap::new(),
            issuer,
        })));
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(server.0, server.1))
            .client_ca_root(Certificate::from_pem(root.pem()));
        let service = ProvisioningServiceServer::new(ca.clone());
        let server = Server::builder().tls_config(tls).unwrap().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

        let flash = Flash::default();
        let devices = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = format!("tcp:{}", devices.local_addr().unwrap());
        let kept = Arc::clone(&flash);
        tokio::spawn(async move {
            while let Ok((stream, _)) = devices.accept().await {
                tokio::spawn(device(stream, Arc::clone(&kept)));
            }
        });
        Self { directory, ca, flash, link }
    }

    /// A device server that makes so many units; then it is away, or takes connections and says nothing.
    pub async fn server_of(&self, units: usize, is_away: bool) -> String {
        let devices = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = format!("tcp:{}", devices.local_addr().unwrap());
        let kept = Arc::clone(&self.flash);
        tokio::spawn(async move {
            for _ in 0..units {
                device(devices.accept().await.unwrap().0, Arc::clone(&kept)).await;
            }
            if !is_away {
                loop {
                    devices.accept().await.unwrap();
                }
            }
        });
        link
    }

    pub async fn station(&self, command: &str, arguments: &[&str]) -> Output {
        let mut station = Command::new(env!("CARGO_BIN_EXE_touchmark-station"));
        station.arg(command).arg("--config").arg(self.directory.path().join("station.toml"));
        station.args(arguments).current_dir(self.directory.path()).stdin(std::process::Stdio::null());
        tokio::task::spawn_blocking(move || station.output().unwrap()).await.unwrap()
    }

    pub async fn provision(&self, more: &[&str]) -> Output {
        let mut arguments = vec!["--work-order", "wo-000001", "--link", &self.link];
        arguments.extend(more);
        self.station("provision", &arguments).await
    }
}

fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
