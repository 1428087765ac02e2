//! Which HTTP requests are gRPC calls.

use std::time::Duration;

use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use tonic::body::Body;

/// The response to a request that is not a gRPC call; `None`: it is one. Browsers send GET, and forms of
/// other sites `text/plain`, with the client certificate of their user.
///
/// "Content-Type → 'content-type' 'application/grpc' [('+proto' / '+json' / {custom})]", and a server should
/// answer others with HTTP 415 (gRPC over HTTP2, "Requests").
pub(super) fn refuse_other(request: &Request<Body>) -> Option<Response<Body>> {
    let refused = |status, allow: Option<&'static str>| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        if let Some(allow) = allow {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        Some(response)
    };
    if request.headers().get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity") {
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, None);
    }
    if request.method() != Method::POST {
        return refused(StatusCode::METHOD_NOT_ALLOWED, Some("POST"));
    }
    let mut types = request.headers().get_all(CONTENT_TYPE).iter();
    let is_grpc = match (types.next().map(HeaderValue::as_bytes), types.next()) {
        (Some(value), None) => {
            let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
            media_type.eq_ignore_ascii_case(b"application/grpc")
                || media_type.eq_ignore_ascii_case(b"application/grpc+proto")
        }
        _ => false,
    };
    if is_grpc { None } else { refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, None) }
}

/// Reads a short body to its end: HTTP/2 would reset the stream, a broken connection for curl before 8.
pub(super) async fn drain(body: Body) {
    let all = Limited::new(body, DRAINED_BYTES_MAX).collect();
    tokio::time::timeout(DRAIN_TIME_MAX, all).await.ok();
}

/// The most that is read of a refused body: a form, a small file.
const DRAINED_BYTES_MAX: usize = 16 * 1024;

const DRAIN_TIME_MAX: Duration = Duration::from_secs(1);
