//! `POST /key-compromise`: who has a key proves it, and all that has the key is withdrawn (R-LIFE-13). Nobody is asked for a name.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use super::body::Page;
use super::{page, plain, read_body};

/// Takes a proof (PKCS#10, DER) to whoever acts on it.
pub type CompromiseReport =
    Arc<dyn Fn(Bytes) -> BoxFuture<'static, Result<usize, CompromiseRefused>> + Send + Sync>;

/// Why nothing was withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompromiseRefused {
    /// It proves nothing. The reason is stable.
    #[error("it proves nothing: {0}")]
    NoProof(&'static str),
    /// It cannot be recorded now.
    #[error("it cannot be recorded now")]
    Unavailable,
}

/// The desk where proofs are taken, one after the other: each asks for a search through all certificates.
pub(super) struct Desk {
    report: CompromiseReport,
    place: Semaphore,
}

impl Desk {
    pub(super) fn new(report: CompromiseReport) -> Self {
        Self { report, place: Semaphore::new(1) }
    }

    pub(super) async fn answer(&self, headers: &HeaderMap, body: Incoming) -> Response<Page> {
        if headers.get(http::header::CONTENT_TYPE).is_some_and(|kind| kind != PROOF_TYPE) {
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a proof is application/pkcs10\n");
        }
        let proof = match read_body(body, PROOF_BYTES_MAX).await {
            Ok(proof) => proof,
            Err(refused) => return refused,
        };
        let Ok(_place) = self.place.try_acquire() else {
            return later(StatusCode::TOO_MANY_REQUESTS, "another proof is looked at\n");
        };
        match (self.report)(proof).await {
            Ok(revoked) => {
                let text = format!("{{\"revoked\":{revoked}}}\n");
                page(StatusCode::OK, "application/json", Page::whole(text.into()))
            }
            Err(CompromiseRefused::NoProof(reason)) => {
                let text = format!("{{\"reason\":\"{reason}\"}}\n");
                page(StatusCode::BAD_REQUEST, "application/json", Page::whole(text.into()))
            }
            Err(CompromiseRefused::Unavailable) => {
                later(StatusCode::SERVICE_UNAVAILABLE, "it cannot be recorded now\n")
            }
        }
    }
}

fn later(status: StatusCode, text: &'static str) -> Response<Page> {
    let mut answer = plain(status, text);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

/// RFC 5967.
const PROOF_TYPE: &str = "application/pkcs10";

/// As for any certificate request.
const PROOF_BYTES_MAX: usize = 8 * 1024;
