//! Every RPC is tried by every kind of caller, over real mTLS; the calls that the table below does not allow
//! are refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use prost::bytes::Bytes;
use prost_reflect::DescriptorPool;
use proto::v1::Role;
use tests::{Caller, CertificateAuthority, Credentials, Device, Factory, OrderTerms, call_raw, refused};
use tonic::{Code, Status};

#[tokio::test(flavor = "multi_thread")]
async fn an_rpc_answers_only_those_it_is_for() {
    let authority = CertificateAuthority::start();
    let callers = callers(&authority).await;
    let mut wrong = Vec::new();
    let mut tried = 0;
    for (rpc, path) in rpcs() {
        let (_, allowed) = ALLOWED
            .iter()
            .find(|(name, _)| *name == rpc)
            .unwrap_or_else(|| panic!("{rpc} is new: say here who may call it"));
        for (kind, caller) in &callers {
            // An empty message fails for everybody, but with another reason if the caller is allowed.
            let answer = call_raw(caller.channel(), &path, Bytes::new()).await;
            let expected = if allowed.contains(kind) { None } else { Some(refusal_of(*kind)) };
            let said = answer.err().and_then(|status| role_refusal(&status));
            if said != expected {
                wrong.push(format!("{rpc} called by {kind:?}: {said:?}, not {expected:?}"));
            }
            tried += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(tried, ALLOWED.len() * callers.len(), "every cell is tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_without_a_certificate() {
    let authority = CertificateAuthority::start();
    let trust = Credentials::read(&authority.operator_directory()).trust;
    let stranger = Caller::without_certificate(authority.grpc(), &trust);
    let serving = call_raw(stranger.channel(), "/grpc.health.v1.Health/Check", Bytes::new()).await.unwrap();
    assert_eq!(serving.as_ref(), [0x08, 0x01], "HealthCheckResponse: SERVING");
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let list_services = Bytes::from_static(&[0x3a, 0x00]);
    let said = call_raw(stranger.channel(), reflection, list_services.clone()).await;
    assert_eq!(said.expect_err("reflection is for callers with a certificate").code(), Code::Unauthenticated);
    let services = call_raw(authority.operator().channel(), reflection, list_services).await.unwrap();
    assert!(String::from_utf8_lossy(&services).contains("touchmark.v1.ProvisioningService"));
}

/// Which kinds of caller there are, each with one of its kind.
async fn callers(authority: &CertificateAuthority) -> Vec<(Kind, Caller)> {
    let factory = Factory::of(authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(1, &["line-1"])).await;
    let birth = factory.born(&station, &order, &Device::new("cam-2", "SN000001")).await;
    let operational = factory.enrolled(&birth).await;
    let relying_party = factory.credential(Role::RelyingParty, "broker-1").await;
    let service = factory.credential(Role::Service, "service-1").await;
    vec![
        (Kind::Nobody, Caller::without_certificate(authority.grpc(), &birth.trust)),
        (Kind::Station, station),
        (Kind::Operator, authority.operator()),
        (Kind::RelyingParty, authority.caller(&relying_party)),
        (Kind::Service, authority.caller(&service)),
        (Kind::DocumentSigner, authority.caller(&authority.document_signer())),
        (Kind::DeviceBirth, authority.caller(&birth)),
        (Kind::DeviceOperational, authority.caller(&operational)),
    ]
}

/// Every RPC that is ours: `Service.Method` and its path.
fn rpcs() -> Vec<(String, String)> {
    let pool = DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    methods
        .map(|method| {
            let service = method.parent_service();
            (
                format!("{}.{}", service.name(), method.name()),
                format!("/{}/{}", service.full_name(), method.name()),
            )
        })
        .collect()
}

/// The refusal for being the wrong kind of caller; `None` for any other.
fn role_refusal(status: &Status) -> Option<(Code, String)> {
    let refused = refused(status);
    let of_role = ["ROLE_NOT_ALLOWED", "CLIENT_CERTIFICATE_REQUIRED"].contains(&refused.reason.as_str());
    let of_code = matches!(refused.code, Code::PermissionDenied | Code::Unauthenticated);
    if refused.reason.is_empty() {
        return Some((Code::Unauthenticated, AT_THE_HANDSHAKE.to_owned()));
    }
    (of_role || of_code).then_some((refused.code, refused.reason))
}

fn refusal_of(kind: Kind) -> (Code, String) {
    match kind {
        Kind::Nobody => (Code::Unauthenticated, "CLIENT_CERTIFICATE_REQUIRED".to_owned()),
        // Its certificate is for servers, or for signatures of documents (R-DOC-01): it cannot even begin.
        Kind::Service | Kind::DocumentSigner => (Code::Unauthenticated, AT_THE_HANDSHAKE.to_owned()),
        _ => (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned()),
    }
}

/// Marks a connection that the CA ended before any call.
const AT_THE_HANDSHAKE: &str = "at the handshake";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nobody,
    Station,
    Operator,
    RelyingParty,
    Service,
    DocumentSigner,
    DeviceBirth,
    DeviceOperational,
}

/// The expected table of callers, kept apart from the CA's own table.
const ALLOWED: &[(&str, &[Kind])] = &[
    ("ProvisioningService.GetWorkOrder", &[Kind::Station]),
    ("ProvisioningService.GetUnits", &[Kind::Station]),
    ("ProvisioningService.IssueBirthCertificate", &[Kind::Station]),
    ("ProvisioningService.IssueBirthCertificates", &[Kind::Station]),
    ("ProvisioningService.ConfirmUnit", &[Kind::Station]),
    ("ProvisioningService.ReportScrap", &[Kind::Station]),
    ("ProvisioningService.ReportGiveUp", &[Kind::Station]),
    ("ProvisioningService.RequestRework", &[Kind::Station]),
    ("ProvisioningService.ReserveUnits", &[Kind::Station]),
    ("ProvisioningService.ReturnUnits", &[Kind::Station]),
    // For a bare key alone: tests/deferral.rs.
    ("EnrollmentService.ClaimBirthCertificate", &[]),
    ("EnrollmentService.Enroll", &[Kind::DeviceBirth]),
    ("EnrollmentService.Renew", &[Kind::DeviceOperational]),
    ("EnrollmentService.GetRenewalInfo", &[Kind::DeviceOperational]),
    ("EnrollmentService.ConfirmInstalled", &[Kind::DeviceOperational]),
    ("EnrollmentService.GetTrustBundle", &[Kind::DeviceBirth, Kind::DeviceOperational]),
    ("LifecycleService.GetDevice", &[Kind::Operator]),
    ("LifecycleService.ListDevices", &[Kind::Operator]),
    ("LifecycleService.ListCertificates", &[Kind::Operator]),
    ("LifecycleService.PreviewSelection", &[Kind::Operator]),
    ("LifecycleService.Revoke", &[Kind::Operator]),
    ("LifecycleService.Hold", &[Kind::Operator]),
    ("LifecycleService.Release", &[Kind::Operator]),
    ("LifecycleService.Retire", &[Kind::Operator]),
    ("LifecycleService.RequestRotation", &[Kind::Operator]),
    ("LifecycleService.AllowRework", &[Kind::Operator]),
    ("LifecycleService.ListAlarms", &[Kind::Operator]),
    ("RevocationService.CheckStatus", &[Kind::RelyingParty, Kind::Operator]),
    ("RevocationService.WatchRevocations", &[Kind::RelyingParty, Kind::Operator]),
    ("RevocationService.GetCrl", &[Kind::RelyingParty, Kind::Operator]),
    ("WorkOrderService.Create", &[Kind::Operator]),
    ("WorkOrderService.AppendManifest", &[Kind::Operator]),
    ("WorkOrderService.ScrapUnit", &[Kind::Operator]),
    ("WorkOrderService.GiveUpUnit", &[Kind::Operator]),
    ("WorkOrderService.Get", &[Kind::Operator]),
    ("WorkOrderService.List", &[Kind::Operator]),
    ("WorkOrderService.Pause", &[Kind::Operator]),
    ("WorkOrderService.Resume", &[Kind::Operator]),
    ("WorkOrderService.Close", &[Kind::Operator]),
    ("WorkOrderService.GetClosingReport", &[Kind::Operator]),
    ("ProductService.Get", &[Kind::Operator]),
    ("ProductService.List", &[Kind::Operator]),
    ("ProductService.Pause", &[Kind::Operator]),
    ("ProductService.Resume", &[Kind::Operator]),
    ("WorkOrderService.ListReservations", &[Kind::Operator]),
    ("WorkOrderService.WithdrawReservation", &[Kind::Operator]),
    ("AuthorityService.GetCondition", &[Kind::Operator]),
    ("PrincipalService.Issue", &[Kind::Operator]),
    ("PrincipalService.List", &[Kind::Operator]),
    ("PrincipalService.Revoke", &[Kind::Operator]),
];
