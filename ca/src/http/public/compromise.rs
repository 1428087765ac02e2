//! `POST /key-compromise`: who has a key proves it, and all that has the key is withdrawn (R-LIFE-13). Nobody is asked for a name.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use proto::v1::Reason;
use tokio::sync::Semaphore;

use super::body::PublicBody;
use super::conditional::{is_of_type, is_plain};
use super::rate_limiter::RateLimiter;
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
    /// Nobody here has this key.
    #[error("no certificate has this key")]
    UnknownKey,
    /// An issuer of this CA has it, and the CA cannot withdraw that by itself (R-CRL-13).
    #[error("the key is an issuer's")]
    OfAnIssuer,
    /// It cannot be recorded now.
    #[error("it cannot be recorded now")]
    Unavailable,
}

/// The desk where proofs are taken, one after the other, and not too often from one place: nothing is asked of who comes, and what a proof
/// costs is taken from issuing.
pub(super) struct CompromiseHandler {
    report: CompromiseReport,
    place: Semaphore,
    rate_limiter: RateLimiter,
}

impl CompromiseHandler {
    pub(super) fn new(report: CompromiseReport) -> Self {
        Self { report, place: Semaphore::new(1), rate_limiter: RateLimiter::default() }
    }

    pub(super) async fn answer(
        &self,
        from: IpAddr,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Response<PublicBody> {
        // Before a byte of the body is read.
        if let Err(wait) = self.rate_limiter.step(from, Instant::now()) {
            return later(StatusCode::TOO_MANY_REQUESTS, "too many proofs from where you are\n", wait);
        }
        if !is_of_type(headers, PROOF_TYPE) || !is_plain(headers) {
            return plain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a proof is application/pkcs10, without a content coding\n",
            );
        }
        let proof = match read_body(body, PROOF_BYTES_MAX).await {
            Ok(proof) => proof,
            Err(refused) => return refused,
        };
        let Ok(_place) = self.place.try_acquire() else {
            return later(StatusCode::TOO_MANY_REQUESTS, "another proof is looked at\n", SOON);
        };
        match (self.report)(proof).await {
            Ok(revoked) => {
                let text = format!("{{\"revoked\":{revoked}}}\n");
                page(StatusCode::OK, "application/json", PublicBody::whole(text.into()))
            }
            Err(CompromiseRefused::NoProof(reason)) => refused(StatusCode::BAD_REQUEST, reason),
            Err(CompromiseRefused::UnknownKey) => {
                refused(StatusCode::NOT_FOUND, Reason::KeyUnknown.as_str_name())
            }
            Err(CompromiseRefused::OfAnIssuer) => {
                refused(StatusCode::CONFLICT, Reason::IssuerNotRevocable.as_str_name())
            }
            Err(CompromiseRefused::Unavailable) => {
                later(StatusCode::SERVICE_UNAVAILABLE, "it cannot be recorded now\n", SOON)
            }
        }
    }
}

/// A refusal with a stable reason.
fn refused(status: StatusCode, reason: &str) -> Response<PublicBody> {
    page(status, "application/json", PublicBody::whole(format!("{{\"reason\":\"{reason}\"}}\n").into()))
}

fn later(status: StatusCode, text: &'static str, wait: Duration) -> Response<PublicBody> {
    let mut answer = plain(status, text);
    // Whole seconds, and never none of them.
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
    answer
}

/// When to come again to a desk that is busy.
const SOON: Duration = Duration::ZERO;

/// RFC 5967.
const PROOF_TYPE: &str = "application/pkcs10";

/// As for any certificate request.
const PROOF_BYTES_MAX: usize = 8 * 1024;
