use std::future::pending;

use identity::SystemClock;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::*;
use crate::http::metrics::{Figures, Sources};

/// An open method whose service never answers.
fn silent() -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> {
    let sources = Sources {
        clock: Arc::new(SystemClock),
        issuers: Arc::default(),
        figures: Arc::new(Figures::default),
    };
    let (metrics, holders) = (Arc::new(Metrics::new(sources)), Holders::new(16, 16));
    let sets = [tonic_health::pb::FILE_DESCRIPTOR_SET];
    let calls = Calls::new(metrics, holders, &sets, CancellationToken::new()).unwrap();
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
