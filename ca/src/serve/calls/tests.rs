use std::future::pending;

use http::StatusCode;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::*;
use crate::http::metrics::Figures;

/// An open method whose service never answers.
fn silent() -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> {
    let (metrics, quota) = (Arc::new(Metrics::new(Arc::new(Figures::default))), PerClientQuota::new(16, 16));
    let sets = [tonic_health::pb::FILE_DESCRIPTOR_SET];
    let calls = CallLayer::new(metrics, quota, &sets, CancellationToken::new()).unwrap();
    calls.layer(tower::service_fn(async |_: Request<Body>| pending().await))
}

async fn answered(headers: &[(&'static str, &'static str)]) -> Response<Body> {
    let mut request = Request::post("/grpc.health.v1.Health/Check");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = silent().call(request.body(Body::empty()).unwrap());
    tokio::time::timeout(Duration::from_secs(30), answer).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_call_that_is_given_no_time_is_not_made() {
    for timeout in ["0S", "0n", "1n"] {
        let answer = answered(&[("content-type", "application/grpc"), ("grpc-timeout", timeout)]).await;
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{timeout}");
    }
}

#[tokio::test]
async fn a_body_that_is_packed_is_refused_and_what_is_no_call_is_heard_out() {
    let packed = answered(&[("content-type", "application/grpc"), ("content-encoding", "gzip")]).await;
    assert_eq!(packed.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    // An endless body does not delay the response.
    let (_sender, endless) = tokio::io::duplex(1);
    let endless = http_body_util::StreamBody::new(futures::stream::unfold(endless, |mut end| async move {
        use tokio::io::AsyncReadExt;
        end.read_u8()
            .await
            .ok()
            .map(|_| (Ok::<_, Status>(hyper::body::Frame::data(bytes::Bytes::new())), end))
    }));
    let request = Request::post("/grpc.health.v1.Health/Check").header("content-type", "text/plain");
    let answer = silent().call(request.body(Body::new(endless)).unwrap());
    let answer = tokio::time::timeout(Duration::from_secs(30), answer).await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_call_has_the_time_that_its_caller_gives_it() {
    let answer = answered(&[("content-type", "application/grpc"), ("grpc-timeout", "50m")]).await;
    let status = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.get_details_error_info().unwrap().reason, "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn what_is_not_grpc_is_refused_before_anything_else() {
    let answer = answered(&[("content-type", "text/plain")]).await;
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let twice = [("content-type", "application/grpc"), ("content-type", "text/plain")];
    assert_eq!(answered(&twice).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
