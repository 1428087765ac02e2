//! The real `touchmark-station` with a CA and devices that live in the test: mTLS and frames over TCP are real.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
struct Ca(Arc<Mutex<Records>>);

struct Records {
    root: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    quantity: u64,
    /// By serial: key and certificate.
    issued: BTreeMap<String, (Vec<u8>, v1::IssuedCertificate)>,
    confirmed: std::collections::BTreeSet<String>,
    scrapped: BTreeMap<String, String>,
    paused: bool,
    /// So many questions are answered with "not now".
    busy: u32,
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
                    ..Default::default()
                }),
                ..Default::default()
            }),
            chain: vec![],
            trust_bundle: Some(v1::TrustBundle { version: 1, anchors: vec![records.root.clone().into()] }),
            enrollment_url: "https://ca.example.com:8443".into(),
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
                (None, _) => v1::UnitState::Free,
                (Some(_), false) => v1::UnitState::Issued,
                (Some(_), true) => v1::UnitState::Confirmed,
            };
            let birth_certificate = issued.unwrap_or_default();
            v1::Unit { serial, state: state.into(), birth_certificate, ..v1::Unit::default() }
        };
        Ok(Response::new(v1::GetUnitsResponse {
            units: serials.into_iter().map(unit).collect(),
            more: false,
            work_order: order,
            station: "line-1".into(),
        }))
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
        if records.issued.len() as u64 >= records.quantity {
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
}

/// What the devices behind one TCP port keep, by serial.
type Flash = Arc<Mutex<BTreeMap<String, Kept>>>;

#[derive(Default)]
struct Kept {
    key: Option<KeyPair>,
    install: Option<v1::Install>,
    locked: bool,
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
            let message = provisioner::session::read_back_message(&nonce);
            Response::ReadBack(v1::ReadBackResponse {
                certificate: install.certificate,
                chain: install.chain,
                anchors_digest: provisioner::session::anchors_digest(&anchors).into(),
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
struct Factory {
    directory: tempfile::TempDir,
    ca: Ca,
    flash: Flash,
    link: String,
}

impl Factory {
    async fn open(quantity: u64) -> Self {
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
            busy: 0,
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

    async fn station(&self, command: &str, arguments: &[&str]) -> Output {
        let mut station = Command::new(env!("CARGO_BIN_EXE_touchmark-station"));
        station.arg(command).arg("--config").arg(self.directory.path().join("station.toml"));
        station.args(arguments).current_dir(self.directory.path()).stdin(std::process::Stdio::null());
        tokio::task::spawn_blocking(move || station.output().unwrap()).await.unwrap()
    }

    async fn provision(&self, more: &[&str]) -> Output {
        let mut arguments = vec!["--work-order", "wo-000001", "--link", &self.link];
        arguments.extend(more);
        self.station("provision", &arguments).await
    }
}

fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_made_reported_and_not_made_again() {
    let factory = Factory::open(100).await;
    factory.ca.0.lock().unwrap().busy = 3;
    let list: String = (1..=20).map(|number| format!("SN{number:04},B{number}\n")).collect();
    std::fs::write(factory.directory.path().join("list.csv"), format!("serial,revision\n{list}")).unwrap();
    let arguments = ["--serials", "list.csv", "--slots", "4", "--report", "report.jsonl", "--json"];
    let output = factory.provision(&arguments).await;
    assert_eq!(output.status.code(), Some(6), "one device has a worn out flash: {}", text(&output));
    let report = std::fs::read_to_string(factory.directory.path().join("report.jsonl")).unwrap();
    let units: Vec<serde_json::Value> =
        report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(units.len(), 20);
    let failed: Vec<_> = units.iter().filter(|unit| unit["outcome"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["device"], "cam-2/SN0007");
    assert_eq!((&failed[0]["cause"], &failed[0]["reason"]), (&"device-fault".into(), &"STORAGE".into()));
    assert_eq!(failed[0]["columns"]["revision"], "B7");
    assert_eq!(factory.ca.0.lock().unwrap().confirmed.len(), 19);
    assert_eq!(factory.flash.lock().unwrap().values().filter(|kept| kept.locked).count(), 19);

    let again = factory.provision(&["--serials", "list.csv", "--json"]).await;
    let stdout = String::from_utf8_lossy(&again.stdout).into_owned();
    assert_eq!(stdout.lines().count(), 2, "the one that failed, and the summary: {stdout}");
    assert_eq!(factory.ca.0.lock().unwrap().issued.len(), 19);
    let report = factory.station("report", &["--json"]).await;
    let totals: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!((&totals["passed"], &totals["failed"]), (&19.into(), &1.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_order_stops_the_line_once_and_says_what_to_do() {
    let factory = Factory::open(3).await;
    let list: String = (11..=30).map(|number| format!("SN{number:04}\n")).collect();
    std::fs::write(factory.directory.path().join("list"), list).unwrap();
    let output = factory.provision(&["--serials", "list"]).await;
    assert_eq!(output.status.code(), Some(6), "{}", text(&output));
    assert!(text(&output).contains("3 passed, 0 failed, 1 unfinished"), "{}", text(&output));
    assert!(text(&output).contains("WORK_ORDER_EXHAUSTED"), "{}", text(&output));
    assert!(text(&output).contains("16 were not begun"), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_order_stops_the_line_before_a_unit_is_put_on_the_bench() {
    let factory = Factory::open(5).await;
    factory.ca.0.lock().unwrap().paused = true;
    let output = factory.provision(&["--slots", "4", "--json"]).await;
    assert_eq!(output.status.code(), Some(7), "{}", text(&output));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["summary"]["stopped"]["reason"], "WORK_ORDER_PAUSED");
    assert_eq!(summary["summary"]["not_begun"], 5);
    assert!(text(&output).contains("touchmark work-order resume"), "{}", text(&output));
    assert!(factory.flash.lock().unwrap().is_empty(), "no device was spoken to");
    factory.ca.0.lock().unwrap().paused = false;
    assert_eq!(factory.provision(&["--slots", "4"]).await.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrapped_unit_is_on_record_and_is_not_made_again() {
    let factory = Factory::open(5).await;
    std::fs::write(factory.directory.path().join("list"), "SN0001\nSN0002\n").unwrap();
    assert_eq!(factory.provision(&["--serials", "list"]).await.status.code(), Some(0));
    let scrap = ["--work-order", "wo-000001", "--reason", "cracked lens", "SN0001", "SN0009"];

    let unasked = factory.station("scrap", &scrap).await;
    assert_eq!(unasked.status.code(), Some(2), "nobody can be asked: {}", text(&unasked));
    assert!(text(&unasked).contains("give --yes"), "{}", text(&unasked));
    assert!(factory.ca.0.lock().unwrap().scrapped.is_empty());

    for _ in 0..2 {
        let output = factory.station("scrap", &[&["--yes", "--json"], scrap.as_slice()].concat()).await;
        assert_eq!(output.status.code(), Some(6), "{}", text(&output));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let said: Vec<serde_json::Value> =
            said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&said[0]["device"], &said[0]["outcome"]), (&"cam-2/SN0001".into(), &"scrapped".into()));
        assert_eq!(
            (&said[1]["outcome"], &said[1]["reason"]),
            (&"refused".into(), &"DEVICE_NOT_FOUND".into())
        );
        assert_eq!(said[2]["summary"]["scrapped"], 1);
    }
    assert_eq!(factory.ca.0.lock().unwrap().scrapped["SN0001"], "cracked lens");

    let again = factory.provision(&["--serials", "list", "--json"]).await;
    assert_eq!(
        String::from_utf8_lossy(&again.stdout).lines().count(),
        1,
        "only the summary: {}",
        text(&again)
    );
    let report = factory.station("report", &["--json"]).await;
    let totals: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!((&totals["passed"], &totals["scrapped"]), (&1.into(), &1.into()));
    let units = factory.station("report", &["--units"]).await;
    let said = text(&units);
    assert!(said.contains("cam-2/SN0001 scrapped, certificate ") && said.contains("SN0002 passed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_to_a_file_has_no_colours() {
    let factory = Factory::open(1).await;
    factory.ca.0.lock().unwrap().busy = 1;
    let output = factory.provision(&[]).await;
    assert!(text(&output).contains("the CA answers again"), "{}", text(&output));
    assert!(!text(&output).contains('\u{1b}'), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_ends_hangs_or_babbles_fails_its_unit_and_says_why() {
    let factory = Factory::open(5).await;
    let config = factory.directory.path().join("station.toml");
    let fast = std::fs::read_to_string(&config).unwrap() + "answer-timeout-ms = 50\nsends-max = 2\n";
    std::fs::write(&config, fast).unwrap();
    for (command, status, cause, words) in [
        ("exec:sh -c 'echo no such board >&2; exit 7'", 6, "link-lost", "no such board"),
        ("exec:sh -c 'echo waiting for the loader >&2; exec sleep 60'", 6, "timed-out", "did not answer"),
        ("exec:tr a-z A-Z", 6, "timed-out", "damaged frames"),
        ("exec:cat", 1, "echo", "the line echoes"),
        ("exec:/nonexistent/agent", 1, "link-unusable", "cannot start /nonexistent/agent"),
    ] {
        let arguments = ["--work-order", "wo-000001", "--limit", "1", "--json", "--link", command];
        let output = factory.station("provision", &arguments).await;
        assert_eq!(output.status.code(), Some(status), "{command}: {}", text(&output));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let unit: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        assert_eq!(unit["cause"], cause, "{command}: {unit}");
        assert!(unit["message"].as_str().unwrap().contains(words), "{command}: {unit}");
    }
    assert!(factory.ca.0.lock().unwrap().issued.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_list_the_orders_own_range_is_made_up_to_its_quantity() {
    let factory = Factory::open(5).await;
    let output = factory.provision(&["--slots", "2"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let issued: Vec<String> = factory.ca.0.lock().unwrap().issued.keys().cloned().collect();
    assert_eq!(issued, ["SN0001", "SN0002", "SN0003", "SN0004", "SN0005"]);
    let dry = factory.provision(&["--dry-run"]).await;
    assert!(text(&dry).contains("to make       0 units"), "{}", text(&dry));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_that_is_killed_is_resumed_with_the_same_certificates() {
    let factory = Factory::open(100).await;
    let list: String = (11..=60).map(|number| format!("SN{number:04}\n")).collect();
    std::fs::write(factory.directory.path().join("list"), list).unwrap();
    let mut station = Command::new(env!("CARGO_BIN_EXE_touchmark-station"));
    station.arg("provision").arg("--config").arg(factory.directory.path().join("station.toml"));
    station.args(["--work-order", "wo-000001", "--slots", "8", "--link", &factory.link, "--serials"]);
    let mut station = station.arg(factory.directory.path().join("list")).spawn().unwrap();
    while factory.ca.0.lock().unwrap().issued.len() < 10 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    station.kill().unwrap();
    station.wait().unwrap();
    let resumed = factory.station("resume", &[]).await;
    assert_eq!(resumed.status.code(), Some(0), "{}", text(&resumed));
    let before = factory.ca.0.lock().unwrap().issued.len();
    assert_eq!(factory.ca.0.lock().unwrap().confirmed.len(), before, "none is left under way");
    let rest = factory.provision(&["--serials", "list", "--slots", "8"]).await;
    assert_eq!(rest.status.code(), Some(0), "{}", text(&rest));
    assert_eq!(factory.ca.0.lock().unwrap().issued.len(), 50);
    let kept = factory.flash.lock().unwrap();
    let records = factory.ca.0.lock().unwrap();
    for (serial, (_, certificate)) in &records.issued {
        assert_eq!(kept[serial].install.as_ref().unwrap().certificate, certificate.certificate, "{serial}");
        assert!(kept[serial].locked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_a_foreign_order_and_a_damaged_journal_are_refused_before_anything_is_begun() {
    let factory = Factory::open(5).await;
    std::fs::write(factory.directory.path().join("list"), "SN0001\nSN_2\nSN0001\n").unwrap();
    let output = factory.provision(&["--serials", "list"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("line 2:") && text(&output).contains("line 3:"), "{}", text(&output));
    std::fs::write(factory.directory.path().join("list"), "SN0001\nXX1\n").unwrap();
    let output = factory.provision(&["--serials", "list"]).await;
    assert!(
        text(&output).contains("line 2: the serial number is not in SN{0001..0100}"),
        "{}",
        text(&output)
    );

    let output = factory.station("provision", &["--work-order", "wo-000002", "--link", &factory.link]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("WORK_ORDER_NOT_FOUND"), "{}", text(&output));

    let journal = factory.directory.path().join("journal/wo-000001.journal");
    let mut content = std::fs::read(&journal).unwrap();
    content[20] ^= 1;
    std::fs::write(&journal, &content).unwrap();
    let output = factory.provision(&[]).await;
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output).contains("is damaged in line 1"), "{}", text(&output));
    assert_eq!(std::fs::read(&journal).unwrap(), content, "it is left as it is");
    assert!(factory.ca.0.lock().unwrap().issued.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_leads_nowhere_stops_the_line_at_its_first_unit() {
    let factory = Factory::open(50).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (link, status, begun, words) in [
        ("exec:/nonexistent/agent".to_owned(), 1, 1, "cannot start /nonexistent/agent"),
        (
            "tcp:no-such-host.invalid:7000".to_owned(),
            1,
            1,
            "the host name no-such-host.invalid cannot be resolved",
        ),
        (format!("tcp:{nobody}"), 1, 0, "Connection refused"),
        ("exec:false".to_owned(), 1, 3, "the first 3 units of slot 1 said nothing"),
    ] {
        let arguments = ["--work-order", "wo-000001", "--link", &link, "--json"];
        let output = factory.station("provision", &arguments).await;
        assert_eq!(output.status.code(), Some(status), "{link}: {}", text(&output));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let summary: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        assert_eq!(summary["summary"]["stopped"]["reason"], "LINK_UNUSABLE", "{link}: {summary}");
        assert_eq!(said.lines().count(), begun + 1, "{link}: {said}");
        assert!(text(&output).contains(words), "{link}: {}", text(&output));
        assert!(text(&output).contains("touchmark-station: next: check --link"), "{link}: {}", text(&output));
    }
    assert!(factory.ca.0.lock().unwrap().issued.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixture_where_nobody_is_leaves_its_units_to_the_others() {
    let factory = Factory::open(6).await;
    // The devices listen at 127.0.0.1 only.
    let port = factory.link.rsplit(':').next().unwrap();
    let link = format!("tcp:127.0.0.{{slot}}:{port}");
    let arguments = ["--work-order", "wo-000001", "--link", &link, "--slots", "2"];
    let output = factory.station("provision", &arguments).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("slot 2 takes no units in this run"), "{}", text(&output));
    assert_eq!(factory.ca.0.lock().unwrap().confirmed.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn serial_numbers_go_to_the_slots_in_their_order() {
    let factory = Factory::open(8).await;
    let output = factory.provision(&["--slots", "8", "--json"]).await;
    assert_eq!(output.status.code(), Some(6), "{}", text(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut slots: Vec<(String, u64)> = said
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|unit| Some((unit["device"].as_str()?.to_owned(), unit["slot"].as_u64()?)))
        .collect();
    slots.sort();
    // SN0007 of this factory's devices cannot make its key; it is on its fixture all the same.
    let expected: Vec<_> = (1..=8).map(|number| (format!("cam-2/SN{number:04}"), number)).collect();
    assert_eq!(slots, expected);
}
