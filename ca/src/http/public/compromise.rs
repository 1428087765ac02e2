//! `POST /key-compromise`: a client proves that it has a private key, and all certificates with that key are
//! revoked (R-LIFE-13). No authentication besides the proof.

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
use super::rate_limiter::RateLimiter;
use super::request_content::{self, is_of_type, is_plain};
use super::{plain, respond};

/// Acts on a proof (PKCS#10, DER) and returns how many certificates it revoked.
pub type CompromiseReport =
    Arc<dyn Fn(Bytes) -> BoxFuture<'static, Result<usize, CompromiseRefused>> + Send + Sync>;

/// Why nothing was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum CompromiseRefused {
    #[error("it proves nothing: {0}")]
    NoProof(&'static str),
    #[error("no certificate has this key")]
    UnknownKey,
    /// An issuer of this CA has the key, and only the root can revoke that (R-CRL-13).
    #[error("the key is an issuer's")]
    OfAnIssuer,
    #[error("it cannot be recorded now")]
    Unavailable,
}

/// One proof at a time and a limited rate per network: anybody can send them, and each costs CPU time.
pub(super) struct CompromiseHandler {
    report: CompromiseReport,
    in_progress: Semaphore,
    rate_limiter: RateLimiter,
}

impl CompromiseHandler {
    pub(super) fn new(report: CompromiseReport) -> Self {
        Self { report, in_progress: Semaphore::new(1), rate_limiter: RateLimiter::default() }
    }

    pub(super) async fn answer(
        &self,
        from: IpAddr,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Response<PublicBody> {
        // Before a byte of the body is read.
        if let Err(wait) = self.rate_limiter.check(from, Instant::now()) {
            return later(StatusCode::TOO_MANY_REQUESTS, "too many proofs from your network\n", wait);
        }
        if !is_of_type(headers, PROOF_TYPE) || !is_plain(headers) {
            return plain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a proof is application/pkcs10, without a content coding\n",
            );
        }
        let proof = match request_content::read(body, PROOF_BYTES_MAX).await {
            Ok(proof) => proof,
            Err(refused) => return refused,
        };
        let Ok(_permit) = self.in_progress.try_acquire() else {
            return later(StatusCode::TOO_MANY_REQUESTS, "another proof is being verified\n", SOON);
        };
        match (self.report)(proof).await {
            Ok(revoked) => {
                let text = format!("{{\"revoked\":{revoked}}}\n");
                respond(StatusCode::OK, "application/json", Bytes::from(text).into())
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

fn refused(status: StatusCode, reason: &str) -> Response<PublicBody> {
    respond(status, "application/json", Bytes::from(format!("{{\"reason\":\"{reason}\"}}\n")).into())
}

fn later(status: StatusCode, text: &'static str, wait: Duration) -> Response<PublicBody> {
    let mut answer = plain(status, text);
    // In seconds, rounded up to at least one.
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
    answer
}

/// When to try again while another proof is being verified.
const SOON: Duration = Duration::ZERO;

/// RFC 5967.
const PROOF_TYPE: &str = "application/pkcs10";

/// As for any certificate request.
const PROOF_BYTES_MAX: usize = 8 * 1024;
