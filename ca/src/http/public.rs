//! Plain HTTP for everybody: CRLs, OCSP, issuers' certificates. All of it is signed and public, and no client
//! needs a certificate to fetch it.
//!
//! hyper without a router: an OCSP response costs a signature, and the rest of a request should cost little
//! beside it.

mod body;
mod cacheable;
mod compromise;
mod conditions;
mod ocsp;
mod rate_limiter;
mod request_content;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use identity::{Clock, IssuerName};
use publication::{Crl, CrlId, DelegateIssuer, OcspResponder, Publication};

use super::listener::Responder;
use crate::ledger::Checkpoints;
use body::PublicBody;
use cacheable::{Cacheable, Kind};
use compromise::CompromiseHandler;
use conditions::Validators;

pub use compromise::{CompromiseRefused, CompromiseReport};

/// The public resources.
pub struct PublicHttp<D> {
    publication: Arc<Publication>,
    ocsp: Arc<OcspResponder<D>>,
    compromise: CompromiseHandler,
    checkpoints: Option<Arc<Checkpoints>>,
    clock: Arc<dyn Clock>,
}

impl<D: DelegateIssuer> PublicHttp<D> {
    /// Serves what is published; proofs of key compromise go to `report`.
    pub fn new(
        publication: Arc<Publication>,
        ocsp: Arc<OcspResponder<D>>,
        report: CompromiseReport,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let compromise = CompromiseHandler::new(report);
        Self { publication, ocsp, compromise, checkpoints: None, clock }
    }

    /// Serves the ledger's checkpoints, too.
    #[must_use]
    pub fn with_checkpoints(self, checkpoints: Option<Arc<Checkpoints>>) -> Self {
        Self { checkpoints, ..self }
    }
}

impl<D: DelegateIssuer> Responder for PublicHttp<D> {
    type Body = PublicBody;

    async fn answer(&self, from: IpAddr, request: Request<Incoming>) -> Response<PublicBody> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        if let Some(encoded) = path.strip_prefix("/ocsp") {
            return match (&head.method, encoded) {
                (&Method::POST, "" | "/") => self.ocsp_post(&head.headers, body).await,
                (&Method::GET | &Method::HEAD, encoded) if !encoded.is_empty() => {
                    let reply = match ocsp::decode(encoded) {
                        Some(request) => self.ocsp.answer(&request).await,
                        None => ocsp::malformed(),
                    };
                    ocsp::cacheable(reply, &head.headers, self.clock.now())
                }
                _ => not_allowed("GET, POST"),
            };
        }
        if path == "/key-compromise" {
            return match head.method {
                Method::POST => self.compromise.answer(from, &head.headers, body).await,
                _ => not_allowed("POST"),
            };
        }
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return not_allowed("GET, HEAD");
        }
        match resource(path) {
            Some(Resource::Crl(id)) => match self.publication.crl(id) {
                Some(found) => crl(found, &head.headers, self.clock.now()),
                None => self.no_crl(id),
            },
            Some(Resource::Certificate(issuer)) => match self.publication.certificate(issuer) {
                Some(der) => certificate(der),
                None => plain(StatusCode::NOT_FOUND, "no such issuer\n"),
            },
            Some(Resource::Checkpoint) => match self.checkpoints.as_ref().and_then(|all| all.newest()) {
                Some(note) => checkpoint(note),
                None => plain(StatusCode::NOT_FOUND, "no checkpoint was signed yet\n"),
            },
            None => plain(StatusCode::NOT_FOUND, "nothing here\n"),
        }
    }
}

impl<D: DelegateIssuer> PublicHttp<D> {
    async fn ocsp_post(&self, headers: &HeaderMap, body: Incoming) -> Response<PublicBody> {
        if !request_content::is_of_type(headers, ocsp::REQUEST_TYPE) || !request_content::is_plain(headers) {
            return plain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a request is application/ocsp-request, without a content coding\n",
            );
        }
        match request_content::read(body, OCSP_REQUEST_BYTES_MAX).await {
            Ok(request) => ocsp::uncacheable(self.ocsp.answer(&request).await),
            Err(refused) => refused,
        }
    }

    /// The response for a CRL that is not made yet, or of a shard that there is not.
    fn no_crl(&self, id: CrlId) -> Response<PublicBody> {
        if id.shard.is_some() && self.publication.crl(CrlId { shard: None, ..id }).is_some() {
            return plain(StatusCode::NOT_FOUND, "no such shard\n");
        }
        let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "the CRL is being made\n");
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
        response
    }
}

enum Resource {
    Crl(CrlId),
    Certificate(IssuerName),
    Checkpoint,
}

fn resource(path: &str) -> Option<Resource> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let (kind, first, second, rest) = (parts.next()?, parts.next()?, parts.next(), parts.next());
    let issuer = |name: &str| name.parse::<IssuerName>().ok();
    match (kind, second, rest) {
        ("crl", Some(file), None) => {
            let shard = match file.strip_suffix(".crl")? {
                "full" => None,
                // As certificates have it, without leading zeros.
                number => Some(number.parse().ok().filter(|shard: &u32| shard.to_string() == number)?),
            };
            Some(Resource::Crl(CrlId { issuer: issuer(first)?, shard }))
        }
        ("ledger", None, None) if first == "checkpoint" => Some(Resource::Checkpoint),
        ("issuers", None, None) => Some(Resource::Certificate(issuer(first.strip_suffix(".cer")?)?)),
        _ => None,
    }
}

/// A CRL (R-CRL-12), never compressed.
fn crl(crl: Arc<Crl>, request: &HeaderMap, now: SystemTime) -> Response<PublicBody> {
    let etag = format!("\"{}\"", crl.meta.number);
    let validators =
        Validators { etag: &etag, modified: crl.meta.this_update, shares_second: crl.shares_second };
    let response = Cacheable {
        media_type: CRL_TYPE,
        validators,
        next_update: crl.meta.next_update,
        margin: CRL_CACHE_MARGIN,
        kind: Kind::Crl,
        body: PublicBody::crl(crl),
    };
    response.respond(request, now)
}

/// R-5280-17: DER, `application/pkix-cert` (RFC 2585, section 4.1).
fn certificate(der: Bytes) -> Response<PublicBody> {
    let mut response = respond(StatusCode::OK, "application/pkix-cert", der.into());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    response
}

/// The newest checkpoint of the ledger, as C2SP's tlog-tiles has it: "text/plain; charset=utf-8".
fn checkpoint(note: Bytes) -> Response<PublicBody> {
    let mut response = respond(StatusCode::OK, "text/plain; charset=utf-8", note.into());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn not_allowed(methods: &'static str) -> Response<PublicBody> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "not so\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<PublicBody> {
    respond(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()).into())
}

fn respond(status: StatusCode, media_type: &'static str, body: PublicBody) -> Response<PublicBody> {
    let length = body.length();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// Concurrent connections; each needs at most 32 KiB and a piece of a CRL.
pub(crate) const CONNECTIONS_MAX: usize = 1_024;

/// The largest OCSP request (R-OCSP-09).
const OCSP_REQUEST_BYTES_MAX: usize = 16 * 1024;

/// RFC 2585, section 4.2.
const CRL_TYPE: &str = "application/pkix-crl";

/// A cache asks again this long before nextUpdate (R-CRL-12).
const CRL_CACHE_MARGIN: Duration = Duration::from_secs(300);
