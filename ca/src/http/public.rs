//! Plain HTTP for everybody: revocation lists, answers about status, issuers' certificates. Nothing here is secret, all of it is signed,
//! and none of it may need a certificate to be fetched.
//!
//! hyper by itself, without a router: an answer about status costs a signature, and what surrounds it should cost little beside that.

mod body;
mod compromise;
mod conditional;
mod crls;
mod ocsp;
mod rate_limiter;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use identity::{Clock, IssuerName};
use publication::{CrlId, DelegateIssuer, OcspResponder, Publication};

use super::listener::Responder;
use body::PublicBody;
use compromise::CompromiseHandler;

pub use compromise::{CompromiseRefused, CompromiseReport};

/// What everybody may ask.
pub struct PublicHttp<D> {
    publication: Arc<Publication>,
    answers: Arc<OcspResponder<D>>,
    compromise: CompromiseHandler,
    clock: Arc<dyn Clock>,
}

impl<D: DelegateIssuer> PublicHttp<D> {
    /// Lists and certificates from `publication`, status from `answers`; proofs of compromise go to `report`.
    pub fn new(
        publication: Arc<Publication>,
        answers: Arc<OcspResponder<D>>,
        report: CompromiseReport,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { publication, answers, compromise: CompromiseHandler::new(report), clock }
    }
}

impl<D: DelegateIssuer> Responder for PublicHttp<D> {
    type Body = PublicBody;

    async fn answer(&self, from: IpAddr, request: Request<Incoming>) -> Response<PublicBody> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        if let Some(question) = path.strip_prefix("/ocsp") {
            return match (&head.method, question) {
                (&Method::POST, "" | "/") => self.answer_posted(&head.headers, body).await,
                (&Method::GET | &Method::HEAD, encoded) if !encoded.is_empty() => {
                    let answered = match ocsp::decode(encoded) {
                        Some(question) => self.answers.answer(&question).await,
                        None => ocsp::malformed(),
                    };
                    ocsp::cacheable(answered, &head.headers, self.clock.now())
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
            Some(Resource::Crl(name)) => match self.publication.crl(name) {
                Some(list) => crls::page(list, &head.headers, self.clock.now()),
                None => self.no_list(name),
            },
            Some(Resource::Certificate(issuer)) => match self.publication.certificate(issuer) {
                Some(der) => certificate(der),
                None => plain(StatusCode::NOT_FOUND, "no such issuer\n"),
            },
            None => plain(StatusCode::NOT_FOUND, "nothing here\n"),
        }
    }
}

impl<D: DelegateIssuer> PublicHttp<D> {
    async fn answer_posted(&self, headers: &HeaderMap, body: Incoming) -> Response<PublicBody> {
        if !conditional::is_of_type(headers, ocsp::QUESTION_TYPE) || !conditional::is_plain(headers) {
            return plain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a question is application/ocsp-request, without a content coding\n",
            );
        }
        match read_body(body, QUESTION_BYTES_MAX).await {
            Ok(question) => ocsp::for_one(self.answers.answer(&question).await),
            Err(refused) => refused,
        }
    }

    /// A list that will come, or never.
    fn no_list(&self, name: CrlId) -> Response<PublicBody> {
        let whole = CrlId { shard: None, ..name };
        if name.shard.is_some() && self.publication.crl(whole).is_some() {
            return plain(StatusCode::NOT_FOUND, "no such shard\n");
        }
        let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, "the list is being made\n");
        answer.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("2"));
        answer
    }
}

/// The whole body, if it is not too large and comes in time.
async fn read_body(body: Incoming, bytes_max: usize) -> Result<Bytes, Response<PublicBody>> {
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => Err(plain(StatusCode::PAYLOAD_TOO_LARGE, "it is too large, or it broke off\n")),
        Err(_) => Err(plain(StatusCode::REQUEST_TIMEOUT, "it did not come in time\n")),
    }
}

/// What a path names.
enum Resource {
    Crl(CrlId),
    Certificate(IssuerName),
}

fn resource(path: &str) -> Option<Resource> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let (kind, first, second, rest) = (parts.next()?, parts.next()?, parts.next(), parts.next());
    let issuer = |name: &str| name.parse::<IssuerName>().ok();
    match (kind, second, rest) {
        ("crl", Some(file), None) => {
            let shard = match file.strip_suffix(".crl")? {
                "full" => None,
                // As it is written in certificates, and in no other way.
                number => Some(number.parse().ok().filter(|shard: &u32| shard.to_string() == number)?),
            };
            Some(Resource::Crl(CrlId { issuer: issuer(first)?, shard }))
        }
        ("issuers", None, None) => Some(Resource::Certificate(issuer(first.strip_suffix(".cer")?)?)),
        _ => None,
    }
}

/// R-5280-17: DER, `application/pkix-cert` (RFC 2585, section 4.1).
fn certificate(der: Bytes) -> Response<PublicBody> {
    let mut answer = page(StatusCode::OK, "application/pkix-cert", PublicBody::whole(der));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    answer
}

/// RFC 9110, section 15.5.13.
fn another() -> Response<PublicBody> {
    plain(StatusCode::PRECONDITION_FAILED, "there is another one now\n")
}

fn not_allowed(methods: &'static str) -> Response<PublicBody> {
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "not so\n");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}

fn plain(status: StatusCode, text: &'static str) -> Response<PublicBody> {
    page(status, "text/plain; charset=utf-8", PublicBody::whole(Bytes::from_static(text.as_bytes())))
}

fn page(status: StatusCode, kind: &'static str, body: PublicBody) -> Response<PublicBody> {
    let length = body.length();
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    answer
}

/// Connections at once; each has at most 32 KiB and a piece of a CRL.
pub(crate) const CONNECTIONS_MAX: usize = 1_024;

/// How long a question may take after its head.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a cache on the way may keep a CRL or an OCSP response, at most: a revocation makes a new one within a second, and who asks
/// through a cache sees it this much later. Who cannot wait asks with a nonce, by POST, or follows the feed.
const MAX_AGE_SECONDS: u64 = 60;

/// The largest question (R-OCSP-09).
const QUESTION_BYTES_MAX: usize = 16 * 1024;
