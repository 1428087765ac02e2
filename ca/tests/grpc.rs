//! The services through their generated clients, over the real routes and gate; the peer's certificate is put
//! where TLS puts it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "world/world.rs"]
mod world;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use authority::{CallerKind, PeerCertificate, PrincipalRevocation, Proof, Token};
use ca::grpc::{Access, TABLE};
use identity::{RevocationReason, Role};
use proto::v1;
use proto::v1::issue_birth_certificates_response::Outcome;
use proto::v1::provisioning_service_client::ProvisioningServiceClient;
use proto::v1::work_order_service_client::WorkOrderServiceClient;
use store::Fault;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::Service;

use world::{Key, World, fresh_id};

#[tokio::test]
async fn a_stream_answers_each_message_and_refuses_without_ending() {
    let world = World::new().await;
    let der = world.credential(Role::Station, "line-3").await;
    let order = world.order(2, &["line-3"]).await.to_string();
    let messages: Vec<_> = (1..=3).map(|serial| message(&order, serial, &Key::new().csr())).collect();
    let mut client = ProvisioningServiceClient::new(peer(&world, Some(&der)));
    let stream = client.issue_birth_certificates(tokio_stream::iter(messages.clone())).await.unwrap();
    let answers: Vec<_> = stream.into_inner().map(Result::unwrap).collect().await;
    assert_eq!(answers.len(), 3);
    for (asked, answer) in messages.iter().zip(&answers) {
        assert_eq!(asked.request_id, answer.request_id);
    }
    let Some(Outcome::Refusal(refusal)) = &answers[2].outcome else { panic!("{:?}", answers[2]) };
    assert_eq!(refusal.reason, "WORK_ORDER_EXHAUSTED");
    assert_eq!(refusal.code, i32::from(Code::ResourceExhausted));
}

/// R-CA-11.
#[tokio::test]
async fn a_station_revoked_while_it_streams_gets_nothing_more() {
    let world = World::new().await;
    let der = world.credential(Role::Station, "line-3").await;
    let order = world.order(9, &["line-3"]).await.to_string();
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let mut client = ProvisioningServiceClient::new(peer(&world, Some(&der)));
    sender.send(message(&order, 1, &Key::new().csr())).await.unwrap();
    let stream = client.issue_birth_certificates(ReceiverStream::new(receiver)).await.unwrap();
    let mut answers = stream.into_inner();
    let first = answers.next().await.unwrap().unwrap();
    assert!(matches!(first.outcome, Some(Outcome::Certificate(_))));
    let name = "line-3".parse().unwrap();
    let operator = world.operator().await;
    let revocation = PrincipalRevocation {
        role: Role::Station,
        name,
        reason: RevocationReason::KeyCompromise,
        remark: String::new(),
        last_operator: false,
    };
    world.authority.revoke_principal(&operator, revocation).await.unwrap();
    let head = world.store.head();
    sender.send(message(&order, 2, &Key::new().csr())).await.unwrap();
    let refused = answers.next().await.unwrap().unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::Unauthenticated, "CLIENT_CERTIFICATE_REVOKED".into())
    );
    assert!(answers.next().await.is_none(), "the stream has ended");
    assert_eq!(world.store.head(), head);
}

#[tokio::test]
async fn every_kind_of_caller_gets_exactly_the_rpcs_of_its_row() {
    let world = World::new().await;
    let mut peers: Vec<(CallerKind, Vec<u8>)> =
        vec![(CallerKind::Named(Role::Operator), world.operator_der.clone())];
    for role in [Role::RelyingParty, Role::Service, Role::Station] {
        peers.push((CallerKind::Named(role), world.credential(role, "one").await));
    }
    let station = world.caller(&peers[3].1).await;
    let order = world.order(1, &["one"]).await;
    let birth = world.born(&station, order, 1, &Key::new()).await.der().to_vec();
    let with_birth = world.caller(&birth).await;
    let operational = world.authority.enroll(&with_birth, fresh_id(), &Key::new().csr()).await.unwrap();
    peers.push((CallerKind::DeviceOperational, operational.der().to_vec()));
    peers.push((CallerKind::DeviceBirth, birth));
    assert_eq!(peers.len(), Role::ALL.len() + 2);
    for (path, access) in TABLE.iter().filter(|(path, _)| path.starts_with("/touchmark.")) {
        let refused = call(&world, None, path).await;
        assert_eq!(refused, (Code::Unauthenticated, "CLIENT_CERTIFICATE_REQUIRED".into()), "nobody, {path}");
        for (kind, der) in &peers {
            let (code, reason) = call(&world, Some(der), path).await;
            let denied = (code, reason.as_str()) == (Code::PermissionDenied, "ROLE_NOT_ALLOWED");
            let may = matches!(access, Access::Operation(operation) if operation.allows(*kind));
            assert_eq!(!denied, may, "{kind:?} {path}: {code:?} {reason}");
        }
    }
    let token = Token {
        subject: "alice".to_owned(),
        issuer: "https://id.example.com".to_owned(),
        expires: world::noon() + Duration::from_secs(3600),
    };
    for (proof, expected) in
        [(Proof::Token(token), "TOKEN_NOT_ALLOWED"), (Proof::BareKey([7; 32].into()), "BARE_KEY_NOT_ALLOWED")]
    {
        for (path, _) in TABLE.iter().filter(|(path, _)| path.starts_with("/touchmark.")) {
            let said = call_with(&world, Some(proof.clone()), path).await;
            // The key of nobody's device is admitted to the one operation for bare keys, and gets nothing.
            let may = expected == "BARE_KEY_NOT_ALLOWED" && path.ends_with("/ClaimBirthCertificate");
            let expected = match may {
                true => (Code::Unavailable, "CERTIFICATE_NOT_YET_ISSUED".into()),
                false => (Code::PermissionDenied, expected.into()),
            };
            assert_eq!(said, expected, "{path}");
        }
    }
    let unknown = call(&world, Some(&world.operator_der), "/touchmark.v1.WorkOrderService/Destroy").await;
    assert_eq!(unknown, (Code::Unimplemented, "RPC_UNKNOWN".into()));
}

#[tokio::test]
async fn a_refusal_says_its_reason_its_number_and_when_to_come_back() {
    let world = World::new().await;
    let der = world.credential(Role::Station, "line-3").await;
    let order = world.order(1, &["line-3"]).await.to_string();
    let mut client = ProvisioningServiceClient::new(peer(&world, Some(&der)));
    world.log.fail_next(Fault::Full);
    let asked = message(&order, 1, &Key::new().csr());
    let refused = client.issue_birth_certificate(asked.clone()).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::Unavailable, "STORE_FULL".into()));
    let details = refused.get_error_details();
    assert!(details.retry_info().unwrap().retry_delay.is_some());
    assert!(!details.request_info().unwrap().request_id.is_empty());
    let issued = client.issue_birth_certificate(asked).await.unwrap().into_inner();
    assert!(issued.certificate.is_some());
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_name() {
    let world = World::new().await;
    let der = world.credential(Role::Station, "line-3").await;
    let mut client = ProvisioningServiceClient::new(peer(&world, Some(&der)));
    let mut refuse = async |change: fn(&mut v1::IssueBirthCertificateRequest)| {
        let mut message = message("wo-000001", 1, b"x");
        change(&mut message);
        reason(&client.issue_birth_certificate(message).await.unwrap_err())
    };
    assert_eq!(refuse(|message| message.request_id = b"short".as_slice().into()).await, "REQUEST_INVALID");
    assert_eq!(refuse(|message| message.work_order = "17".into()).await, "REQUEST_INVALID");
    assert_eq!(refuse(|message| message.device = None).await, "REQUEST_INVALID");
    assert_eq!(refuse(|message| message.csr = vec![0; 65_537].into()).await, "CSR_TOO_LARGE");
    assert_eq!(refuse(|message| message.csr = vec![0; 200_000].into()).await, "MESSAGE_TOO_LARGE");
    let mut operator = WorkOrderServiceClient::new(peer(&world, Some(&world.operator_der)));
    for page in [
        v1::PageRequest { size: 1_001, cursor: String::new() },
        v1::PageRequest { size: 1, cursor: "nonsense".into() },
    ] {
        let refused = operator.list(v1::ListWorkOrdersRequest { page: Some(page) }).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    }
}

fn message(order: &str, serial: u32, csr: &[u8]) -> v1::IssueBirthCertificateRequest {
    v1::IssueBirthCertificateRequest {
        deferral: None,
        request_id: fresh_id().as_bytes().to_vec().into(),
        work_order: order.into(),
        device: Some(v1::DeviceId { product: "cam-2".into(), serial: format!("SN{serial:06}") }),
        csr: csr.to_vec().into(),
        shift: String::new(),
        operator: String::new(),
    }
}

fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no reason: {status:?}"));
    assert_eq!(info.domain, "touchmark");
    info.reason.clone()
}

/// Calls an RPC with an empty message and tells how it ended; `Ok` when it was answered.
async fn call(world: &World, der: Option<&[u8]>, path: &str) -> (Code, String) {
    call_with(world, der.map(|der| Proof::Certificate(PeerCertificate::new(der))), path).await
}

/// As [`call`], with any proof.
async fn call_with(world: &World, proof: Option<Proof>, path: &str) -> (Code, String) {
    let mut client = tonic::client::Grpc::new(peer_with(world, proof));
    client.ready().await.unwrap();
    let path = path.parse().unwrap();
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    // A single answer is a stream of one; of a longer one the first is enough.
    let first = match client.server_streaming(tonic::Request::new(()), path, codec).await {
        Ok(answers) => answers.into_inner().message().await,
        Err(status) => Err(status),
    };
    match first {
        Ok(_) => (Code::Ok, String::new()),
        Err(status) if status.code() == Code::Internal && status.details().is_empty() => {
            (Code::Ok, String::new())
        }
        Err(status) => (status.code(), reason(&status)),
    }
}

fn peer(world: &World, der: Option<&[u8]>) -> Peer {
    peer_with(world, der.map(|der| Proof::Certificate(PeerCertificate::new(der))))
}

fn peer_with(world: &World, proof: Option<Proof>) -> Peer {
    let routes =
        ca::grpc::routes(&world.authority, &world.publication, Arc::new(Vec::new), Routes::default());
    Peer { routes, proof }
}

/// The routes, called with a proof.
#[derive(Clone)]
struct Peer {
    routes: Routes,
    proof: Option<Proof>,
}

impl Service<http::Request<Body>> for Peer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = <Routes as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<http::Request<Body>>::poll_ready(&mut self.routes, cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        if let Some(proof) = &self.proof {
            request.extensions_mut().insert(proof.clone());
        }
        self.routes.call(request)
    }
}
