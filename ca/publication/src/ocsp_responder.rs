//! The OCSP responder: serves responses from the cache, or signs them on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use diagnostics::Limit;
use identity::{Clock, IssuerName};
use issuance::{CertId, OcspCertStatus, OcspError, OcspIssuer, OcspRequest, SingleResponse, ocsp_response};
use signer::Issuers;
use tracing::error;

use super::delegate::{Delegate, DelegateIssuer, DelegateSlot};
use super::ocsp_cache::{CachedResponse, OcspCache, RESPONSES_MAX};
use super::{StatusSource, same_second};

/// Answers OCSP requests of anybody, for the issuers whose keys are online.
pub struct OcspResponder<D> {
    source: Arc<dyn StatusSource>,
    delegate_issuer: Arc<D>,
    clock: Arc<dyn Clock>,
    /// How long before its signature thisUpdate of a response is.
    backdate: Duration,
    responders: Vec<IssuerResponder>,
    cache: OcspCache,
    signed: AtomicU64,
    cached: AtomicU64,
    refused: AtomicU64,
}

struct IssuerResponder {
    issuer: IssuerName,
    names: OcspIssuer,
    slot: Arc<DelegateSlot>,
}

/// The reply to one request.
#[derive(Debug, Clone)]
pub struct OcspReply {
    /// `OCSPResponse`, DER.
    pub der: Bytes,
    /// How long HTTP caches may keep it; `None`: not at all, because it has a nonce or is an error.
    pub cache: Option<CacheValidity>,
}

/// Validity and HTTP validators of a cacheable response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheValidity {
    /// thisUpdate.
    pub this_update: SystemTime,
    /// nextUpdate.
    pub next_update: SystemTime,
    /// Entity tag with its quotes: SHA-256 of the response in hexadecimal.
    pub etag: Arc<str>,
    /// Whether another response for the same certificate has a thisUpdate in the same second.
    pub shares_second: bool,
}

/// Counts since the start of the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct OcspFigures {
    /// Responses signed on demand.
    pub signed: u64,
    /// Responses from the cache.
    pub cached: u64,
    /// Requests that got an error.
    pub refused: u64,
}

impl<D: DelegateIssuer> OcspResponder<D> {
    /// A responder for the issuers whose keys are online.
    pub fn new(
        source: Arc<dyn StatusSource>,
        delegate_issuer: Arc<D>,
        issuers: &Issuers,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let responder = |issuer| IssuerResponder {
            issuer,
            names: OcspIssuer::of(issuers.certificate(issuer)),
            slot: Arc::new(DelegateSlot::of(issuer)),
        };
        Self {
            source,
            delegate_issuer,
            clock,
            backdate: Duration::ZERO,
            // Devices first: most requests are about them.
            responders: [IssuerName::Operational, IssuerName::Factory, IssuerName::Infrastructure]
                .map(responder)
                .into(),
            cache: OcspCache::new(RESPONSES_MAX),
            signed: AtomicU64::new(0),
            cached: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Sets thisUpdate this long before the signature, for clients whose clocks are behind (ADR 0036).
    /// producedAt is always the time of the signature (RFC 6960, section 2.4).
    #[must_use]
    pub fn backdated(self, backdate: Duration) -> Self {
        Self { backdate, ..self }
    }

    /// The reply to an `OCSPRequest` (DER), well-formed or not.
    pub async fn answer(&self, request: &[u8]) -> OcspReply {
        let reply = match OcspRequest::from_der(request) {
            Ok(request) => self.answer_request(&request).await,
            Err(error) => Err(error),
        };
        reply.unwrap_or_else(|error| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            OcspReply { der: Bytes::copy_from_slice(&error.der()), cache: None }
        })
    }

    /// Counts since the start.
    pub fn figures(&self) -> OcspFigures {
        OcspFigures {
            signed: self.signed.load(Ordering::Relaxed),
            cached: self.cached.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    async fn answer_request(&self, request: &OcspRequest<'_>) -> Result<OcspReply, OcspError> {
        if self.clock.doubt().is_some() {
            return Err(OcspError::TryLater);
        }
        let now = self.clock.now();
        let first = request.cert_ids.first().ok_or(OcspError::MalformedRequest)?;
        let responder = self
            .responders
            .iter()
            .find(|responder| responder.names.matches(first))
            .ok_or(OcspError::Unauthorized)?;
        // A delegate may answer for its issuer only (R-OCSP-06).
        if !request.cert_ids.iter().all(|question| responder.names.matches(question)) {
            return Err(OcspError::Unauthorized);
        }
        let (&[question], None) = (request.cert_ids.as_slice(), request.nonce) else {
            return self.answer_once(responder, request, now).await;
        };
        let status = self.status(responder, &question).await?;
        let before = self.cache.get(question.cert_id);
        if let Some(current) = before.as_ref().filter(|response| response.is_current(status, now)) {
            self.cached.fetch_add(1, Ordering::Relaxed);
            return Ok(current.reply());
        }
        let delegate = self.delegate(responder, now).await?;
        let answer = self.dated(question.cert_id, status, &delegate, now);
        let der = self.sign(&delegate, &[answer], now, None)?;
        let SingleResponse { this_update, next_update, .. } = answer;
        let validity = CacheValidity {
            this_update,
            next_update,
            etag: format!("\"{}\"", hex::encode(digest(&SHA256, &der))).into(),
            shares_second: before.is_some_and(|before| same_second(before.validity.this_update, this_update)),
        };
        let response = CachedResponse { der, status, validity };
        let reply = response.reply();
        // Serial numbers that were never issued are not cached: there are as many as anybody likes to ask
        // about.
        if status != OcspCertStatus::Unknown {
            self.cache.insert(question.cert_id.into(), response);
        }
        Ok(reply)
    }

    /// Signs a response with the client's nonce, or about several certificates.
    async fn answer_once(
        &self,
        responder: &IssuerResponder,
        request: &OcspRequest<'_>,
        now: SystemTime,
    ) -> Result<OcspReply, OcspError> {
        let delegate = self.delegate(responder, now).await?;
        let mut ocsp_responder = Vec::with_capacity(request.cert_ids.len());
        for question in &request.cert_ids {
            let status = self.status(responder, question).await?;
            ocsp_responder.push(self.dated(question.cert_id, status, &delegate, now));
        }
        let der = self.sign(&delegate, &ocsp_responder, now, request.nonce)?;
        Ok(OcspReply { der, cache: None })
    }

    async fn status(
        &self,
        responder: &IssuerResponder,
        question: &CertId<'_>,
    ) -> Result<OcspCertStatus, OcspError> {
        // Not a serial number that this CA can have issued.
        let Some(serial_number) = question.serial_number() else { return Ok(OcspCertStatus::Unknown) };
        let status = self.source.status(responder.issuer, &serial_number).await;
        // R-OCSP-10: "tryLater".
        status.map_err(|_| OcspError::TryLater)
    }

    async fn delegate(
        &self,
        responder: &IssuerResponder,
        now: SystemTime,
    ) -> Result<Arc<Delegate>, OcspError> {
        let delegate = responder.slot.delegate(&self.delegate_issuer, now).await;
        delegate.map_err(|why| {
            if NO_SIGNER.admits() {
                let why: &dyn std::error::Error = &why;
                error!(issuer = %responder.issuer, why, "there is no OCSP signer for {}", responder.issuer);
            }
            OcspError::TryLater
        })
    }

    /// Valid from now, and no longer than the certificate of its signer.
    fn dated<'a>(
        &self,
        cert_id: &'a [u8],
        status: OcspCertStatus,
        delegate: &Delegate,
        now: SystemTime,
    ) -> SingleResponse<'a> {
        let this_update = now.checked_sub(self.backdate).unwrap_or(now);
        SingleResponse {
            cert_id,
            status,
            this_update,
            next_update: (now + RESPONSE_LIFETIME).min(delegate.ends),
        }
    }

    fn sign(
        &self,
        delegate: &Delegate,
        ocsp_responder: &[SingleResponse<'_>],
        now: SystemTime,
        nonce: Option<&[u8]>,
    ) -> Result<Bytes, OcspError> {
        let prepared = ocsp_response(ocsp_responder, &delegate.responder, now, nonce).map_err(|why| {
            if NO_ANSWER.admits() {
                let why: &dyn std::error::Error = &why;
                error!(why, "an OCSP response would break a rule");
            }
            OcspError::InternalError
        })?;
        let signature = delegate.key.sign(prepared.to_be_signed()).map_err(|_| OcspError::TryLater)?;
        let der = prepared.seal(&signature).map_err(|_| OcspError::InternalError)?;
        self.signed.fetch_add(1, Ordering::Relaxed);
        Ok(der.into())
    }
}

impl CachedResponse {
    fn reply(&self) -> OcspReply {
        OcspReply { der: self.der.clone(), cache: Some(self.validity.clone()) }
    }
}

/// Clients decide how often these are logged.
static NO_SIGNER: Limit = Limit::new("there is no OCSP signer");
static NO_ANSWER: Limit = Limit::new("an OCSP response would break a rule");

/// From thisUpdate (without backdating) to nextUpdate. HTTP caches are told to keep a response for a minute;
/// a client with a cache of its own may keep it until nextUpdate, or send a nonce to get a new one.
const RESPONSE_LIFETIME: Duration = Duration::from_secs(60 * 60);
