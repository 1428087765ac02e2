//! Bad input is refused with a stable reason and a line in the log, and nothing is counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use identity::{Clock, SystemClock};
use prost::bytes::Bytes;
use proto::v1::{
    CloseWorkOrderRequest, IssueBirthCertificateRequest, PauseWorkOrderRequest, ResumeWorkOrderRequest,
    WorkOrderCounts,
};
use tests::{
    Answer, Caller, CertificateAuthority, Device, Factory, OrderTerms, ask, ask_on_stream, call_raw, refusal,
};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_certificate_request_is_refused_with_its_reason() {
    let bench = Bench::new(100).await;
    let mut cases: Vec<(String, Bytes, &str)> = Vec::new();
    let fixtures = fixtures();
    for path in fixtures.iter().filter(|path| path.extension().is_some_and(|extension| extension == "der")) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (reason, _) = name.split_once('.').expect("REASON.what.der");
        let reason = REASONS.iter().find(|known| **known == reason).expect("a known reason");
        cases.push((name, std::fs::read(path).unwrap().into(), reason));
    }
    for (vector, reason) in [
        ("csr_e3.pem", "KEY_WEAK"),
        ("csr_fermat.pem", "KEY_WEAK"),
        ("csr_ed_identity.pem", "KEY_WEAK"),
        ("csr_compressed.pem", "KEY_MALFORMED"),
        ("csr_rsa1024.pem", "KEY_TYPE_NOT_ALLOWED"),
        ("csr_secp256k1.pem", "KEY_TYPE_NOT_ALLOWED"),
        ("csr_p256_sha1.pem", "PROOF_OF_POSSESSION_FAILED"),
    ] {
        cases.push((vector.to_owned(), vector_der(vector), reason));
    }
    assert!(cases.len() > 30, "the fixtures are there");
    cases.push(("nothing at all".to_owned(), Bytes::new(), "CSR_NOT_DER"));
    cases.push(("8 KiB + 1".to_owned(), vec![0x30; 8 * 1024 + 1].into(), "CSR_TOO_LARGE"));
    cases.push(("64 KiB + 1".to_owned(), vec![0x30; 64 * 1024 + 1].into(), "CSR_TOO_LARGE"));

    let mut wrong = Vec::new();
    for (number, (name, csr, reason)) in cases.iter().enumerate() {
        let mut request = Device::new("cam-2", &format!("SN{number:06}")).birth_request(&bench.order);
        request.csr = csr.clone();
        match bench.refused(request).await {
            (code, said) if said == *reason && code == Code::InvalidArgument => {}
            (code, said) => wrong.push(format!("{name}: {code:?} {said}, not {reason}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    bench.nothing_was_counted_and_all_was_logged(&REASONS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_key_of_a_request_is_used() {
    let bench = Bench::new(100).await;
    let mut wants_to_be_a_ca = Device::new("cam-2", "SN000001").birth_request(&bench.order);
    wants_to_be_a_ca.csr = vector_der("csr_ca.pem");
    let der = ask(&bench.station, wants_to_be_a_ca).await.issued().certificate;
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
    assert!(!certificate.is_ca(), "R-5280-21: what the profile says, not what the request asks for");
    assert!(!certificate.subject().to_string().contains("evil"));

    // The same key, proven with SHA-384: allowed (R-KEY-09), and the same key for ever (R-KEY-11).
    let mut same_key = Device::new("cam-2", "SN000002").birth_request(&bench.order);
    same_key.csr = vector_der("csr_p256_sha384.pem");
    assert_eq!(ask(&bench.station, same_key).await.reason(), "KEY_ALREADY_USED");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_used_only_as_it_says() {
    let bench = Bench::new(1).await;
    let now = SystemClock.now();
    let hour = Duration::from_secs(3600);
    let order = async |terms: OrderTerms| bench.factory.order(terms).await;
    let terms = || OrderTerms::new(100, &["line-1"]);
    let unit = |order: &str, serial: &str| Device::new("cam-2", serial).birth_request(order);

    ask(&bench.station, unit(&bench.order, "SN000001")).await.issued();
    let not_yet = order(OrderTerms { opens_at: Some(now + hour), ..terms() }).await;
    let ends = now + Duration::from_secs(2);
    let expired = order(OrderTerms { closes_at: Some(ends), ..terms() }).await;
    let paused = order(terms()).await;
    let work_orders = || bench.factory.operator().work_orders();
    work_orders().pause(PauseWorkOrderRequest { id: paused.clone() }).await.unwrap();
    let closed = order(terms()).await;
    work_orders().close(CloseWorkOrderRequest { id: closed.clone() }).await.unwrap();
    let others = order(OrderTerms { stations: vec!["line-2".to_owned()], ..terms() }).await;
    let narrow = order(OrderTerms { serials: "SN{000100..000199}".to_owned(), ..terms() }).await;
    tests::eventually(Duration::from_secs(20), "the window ends", async || {
        (SystemClock.now() > ends).then_some(())
    })
    .await;

    let other_product = Device::new("lock-7", "SN000150").birth_request(&narrow);
    let bad_serial = unit(&narrow, "SN_000150");
    let no_serial = unit(&narrow, "");
    let cases = [
        ("unit N+1", unit(&bench.order, "SN000002"), Code::ResourceExhausted, "WORK_ORDER_EXHAUSTED"),
        ("not yet open", unit(&not_yet, "SN000003"), Code::FailedPrecondition, "WORK_ORDER_NOT_YET_OPEN"),
        ("expired", unit(&expired, "SN000004"), Code::FailedPrecondition, "WORK_ORDER_EXPIRED"),
        ("paused", unit(&paused, "SN000005"), Code::FailedPrecondition, "WORK_ORDER_PAUSED"),
        ("closed", unit(&closed, "SN000006"), Code::FailedPrecondition, "WORK_ORDER_CLOSED"),
        ("of another station", unit(&others, "SN000007"), Code::NotFound, "WORK_ORDER_NOT_FOUND"),
        ("that does not exist", unit("wo-999999", "SN000008"), Code::NotFound, "WORK_ORDER_NOT_FOUND"),
        (
            "outside the pattern",
            unit(&narrow, "SN000200"),
            Code::PermissionDenied,
            "SERIAL_NOT_IN_WORK_ORDER",
        ),
        ("of another product", other_product, Code::PermissionDenied, "PRODUCT_NOT_IN_WORK_ORDER"),
        ("a serial number that is none", bad_serial, Code::InvalidArgument, "REQUEST_INVALID"),
        ("no serial number", no_serial, Code::InvalidArgument, "REQUEST_INVALID"),
        ("an order id that is none", unit("17", "SN000009"), Code::InvalidArgument, "REQUEST_INVALID"),
    ];
    let mut wrong = Vec::new();
    for (name, request, code, reason) in cases {
        let said = bench.refused(request).await;
        if said != (code, reason.to_owned()) {
            wrong.push(format!("{name}: {said:?}, not {code:?} {reason}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for order in [&not_yet, &expired, &paused, &closed, &others, &narrow] {
        assert_eq!(bench.factory.counts(order).await, WorkOrderCounts::default(), "nothing was counted");
    }

    work_orders().resume(ResumeWorkOrderRequest { id: paused.clone() }).await.unwrap();
    ask(&bench.station, unit(&paused, "SN000005")).await.issued();
    let reopened = refusal(work_orders().resume(ResumeWorkOrderRequest { id: closed }).await);
    assert_eq!((reopened.code, reopened.reason.as_str()), (Code::FailedPrecondition, "WORK_ORDER_CLOSED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_none_is_refused_and_stops_nothing() {
    let bench = Bench::new(100).await;
    let channel = || bench.station.channel();
    let good = prost::Message::encode_to_vec(&Device::new("cam-2", "SN000001").birth_request(&bench.order));
    let unary = "/touchmark.v1.ProvisioningService/IssueBirthCertificate";
    let stream = "/touchmark.v1.ProvisioningService/IssueBirthCertificates";

    let truncated = Bytes::copy_from_slice(&good[..good.len() - 10]);
    let wrong_type = Bytes::from_static(&[0x08, 0x01]);
    let endless_length = Bytes::from_static(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    let not_utf8 = Bytes::from_static(&[0x12, 0x02, 0xff, 0xfe]);
    for message in [truncated, wrong_type, endless_length, not_utf8] {
        for path in [unary, stream] {
            let said = refusal(call_raw(channel(), path, message.clone()).await);
            let said = (said.code, said.reason);
            assert_eq!(said, (Code::InvalidArgument, "MESSAGE_MALFORMED".to_owned()), "{path} {message:?}");
        }
    }
    let oversized = Bytes::from(vec![0; 5 * 1024 * 1024]);
    for path in [unary, stream] {
        let code = call_raw(channel(), path, oversized.clone()).await.expect_err("it is refused").code();
        assert!(
            matches!(code, Code::OutOfRange | Code::ResourceExhausted | Code::InvalidArgument),
            "{code:?}"
        );
    }
    let unknown = call_raw(channel(), "/touchmark.v1.ProvisioningService/Nothing", Bytes::new()).await;
    assert_eq!(unknown.expect_err("there is no such method").code(), Code::Unimplemented);

    bench.nothing_was_counted_and_all_was_logged(&[]).await;
    ask(&bench.station, Device::new("cam-2", "SN000001").birth_request(&bench.order)).await.issued();
}

/// A CA with one station and one order.
struct Bench {
    authority: CertificateAuthority,
    factory: Factory,
    station: Caller,
    order: String,
}

impl Bench {
    async fn new(quantity: u64) -> Self {
        let authority = CertificateAuthority::start();
        let factory = Factory::of(&authority);
        let station = factory.station("line-1").await;
        let order = factory.order(OrderTerms::new(quantity, &["line-1"])).await;
        Self { authority, factory, station, order }
    }

    /// The CA's refusal of a request: the same in a call and on a stream.
    async fn refused(&self, request: IssueBirthCertificateRequest) -> (Code, String) {
        let alone = ask(&self.station, request.clone()).await;
        let streamed = ask_on_stream(&self.station, vec![request.clone()]).await;
        let Answer::Refused(alone) = alone else { panic!("{request:?} must be refused: {alone:?}") };
        let Answer::Refused(streamed) = &streamed[&request.request_id] else { panic!("{streamed:?}") };
        assert_eq!((alone.code, &alone.reason), (streamed.code, &streamed.reason), "{request:?}");
        assert!(!alone.message.is_empty(), "a refusal says why to people: {alone:?}");
        (alone.code, alone.reason)
    }

    async fn nothing_was_counted_and_all_was_logged(&self, reasons: &[&str]) {
        assert_eq!(self.factory.counts(&self.order).await, WorkOrderCounts::default());
        for reason in reasons {
            assert!(self.authority.logs(reason), "the log says {reason}");
        }
    }
}

fn fixtures() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/csr");
    let mut paths: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn vector_der(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/csr").join(name);
    pem::parse(std::fs::read(path).unwrap()).unwrap().into_contents().into()
}

/// The reasons for refused certificate requests.
const REASONS: [&str; 6] = [
    "CSR_TOO_LARGE",
    "CSR_NOT_DER",
    "PROOF_OF_POSSESSION_FAILED",
    "KEY_TYPE_NOT_ALLOWED",
    "KEY_WEAK",
    "KEY_MALFORMED",
];
