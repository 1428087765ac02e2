//! What is not a gRPC call or not an HTTP/1.1 request is refused as the standards say, before anything is
//! done.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::time::Instant;

use proto::v1::{IssueBirthCertificateRequest, Role};
use tests::{Caller, CertificateAuthority, Factory, call_raw, plain_http, refused};
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::http::{Method, Request, Response, StatusCode};
use tonic::{Code, Status};
use tower::ServiceExt;

#[tokio::test]
async fn the_grpc_port_takes_post_and_grpc_only() {
    let authority = CertificateAuthority::start();
    let operator = authority.operator();
    let answer = raw(&operator, Method::GET, &[("content-type", "application/grpc")]).await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers()["allow"], "POST");
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json",
        "application/grpc-web",
        "application/grpc+json",
        "application/grpcx",
    ] {
        let answer = raw(&operator, Method::POST, &[("content-type", kind)]).await;
        assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    let answer = raw(&operator, Method::POST, &[]).await;
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "none");
    for kind in ["application/grpc", "application/grpc+proto", "Application/GRPC", "application/grpc; x=y"] {
        let answer = raw(&operator, Method::POST, &[("content-type", kind)]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{kind}");
    }
}

#[tokio::test]
async fn a_compressed_call_is_told_that_compression_is_not_implemented() {
    let authority = CertificateAuthority::start();
    let headers = [("content-type", "application/grpc"), ("grpc-encoding", "gzip")];
    let answer = raw(&authority.operator(), Method::POST, &headers).await;
    assert_eq!(answer.headers()["grpc-accept-encoding"], "identity");
    let status = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(refused(&status).reason, "MESSAGE_COMPRESSED");
}

#[tokio::test]
async fn a_call_ends_when_its_caller_said() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let began = Instant::now();
    let (_asking, never) = tokio::sync::mpsc::channel::<IssueBirthCertificateRequest>(1);
    let mut request = tonic::Request::new(ReceiverStream::new(never));
    // Not `set_timeout`: the client would end the call by itself.
    request.metadata_mut().insert("grpc-timeout", "300m".parse().unwrap());
    let mut answers = station.provisioning().issue_birth_certificates(request).await.unwrap().into_inner();
    let ended = answers.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::DeadlineExceeded);
    assert_eq!(refused(&ended).reason, "DEADLINE_EXCEEDED");
    assert!((300..20_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());

    let headers = [("content-type", "application/grpc"), ("grpc-timeout", "soon")];
    let answer = raw(&authority.operator(), Method::POST, &headers).await;
    let status = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(refused(&status).reason, "TIMEOUT_MALFORMED");
}

#[tokio::test]
async fn a_request_of_http_1_1_without_a_host_is_refused_on_every_listener() {
    let authority = CertificateAuthority::start();
    for address in [authority.public(), authority.http()] {
        for (head, expected) in [
            ("GET /issuers/root.cer HTTP/1.1\r\nconnection: close\r\n\r\n", 400),
            ("GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n", 400),
            ("GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n", 400),
            ("GET /healthz HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n", 400),
            ("POST /ocsp HTTP/1.1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", 400),
        ] {
            let (answer, _) = plain_http(address, head, &[]);
            assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{head}: {answer}");
        }
    }
    let (answer, _) = plain_http(authority.http(), "GET /healthz HTTP/1.0\r\n\r\n", &[]);
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
}

#[tokio::test]
async fn health_is_told_for_every_service() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    factory.credential(Role::RelyingParty, "broker").await;
    let file_descriptors = prost_reflect::DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    for service in file_descriptors.services() {
        // grpc.health.v1.HealthCheckRequest: field 1, a string.
        let name = service.full_name();
        let message = [&[0x0a, name.len() as u8], name.as_bytes()].concat();
        let channel = authority.operator().channel();
        let answer = call_raw(channel, "/grpc.health.v1.Health/Check", message.into()).await;
        assert_eq!(answer.unwrap().as_ref(), [0x08, 1], "{name} is SERVING");
    }
}

/// The answer to a call without content, with these headers.
async fn raw(caller: &Caller, method: Method, headers: &[(&'static str, &'static str)]) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(LIST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    // One message of no bytes.
    let request = request.body(Body::new("\0\0\0\0\0".to_owned())).unwrap();
    caller.channel().oneshot(request).await.unwrap()
}

const LIST: &str = "/touchmark.v1.WorkOrderService/List";
