//! Answers about the status of certificates (OCSP): from what was signed before, or signed now.

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
use super::ocsp_cache::{CachedResponse, Found, OcspCache};
use super::{StatusSource, same_second};

/// Answers anybody. All methods may be called at the same time from anywhere.
pub struct OcspResponder<D> {
    source: Arc<dyn StatusSource>,
    delegating: Arc<D>,
    clock: Arc<dyn Clock>,
    /// How long before its making an answer says that it is right.
    backdate: Duration,
    responders: Vec<IssuerResponder>,
    ocsp_cache: OcspCache,
    signed: AtomicU64,
    kept: AtomicU64,
    refused: AtomicU64,
}

/// One issuer that can be asked about.
struct IssuerResponder {
    issuer: IssuerName,
    names: OcspIssuer,
    slot: Arc<DelegateSlot>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct OcspReply {
    /// `OCSPResponse`.
    pub der: Bytes,
    /// What others must know who keep it; `None`: they may not, it is for one asker or no answer at all.
    pub fresh: Option<CacheValidity>,
}

/// What a cache must know of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheValidity {
    /// As of when it is right.
    pub this_update: SystemTime,
    /// Until when it may be believed.
    pub next_update: SystemTime,
    /// An entity tag with its quotes: the SHA-256 of the answer, in hexadecimal.
    pub etag: Arc<str>,
    /// Whether another answer to the same question has a thisUpdate of the same second.
    pub shares_second: bool,
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct OcspFigures {
    /// Answers that were signed for their question.
    pub signed: u64,
    /// Answers that had been signed before.
    pub kept: u64,
    /// Questions that got an error.
    pub refused: u64,
}

impl<D: DelegateIssuer> OcspResponder<D> {
    /// Answers for the issuers whose keys are at hand.
    pub fn new(
        source: Arc<dyn StatusSource>,
        delegating: Arc<D>,
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
            delegating,
            clock,
            backdate: Duration::ZERO,
            // Devices first: they are asked about most.
            responders: [IssuerName::Operational, IssuerName::Factory, IssuerName::Infrastructure]
                .map(responder)
                .into(),
            ocsp_cache: OcspCache::default(),
            signed: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Answers say that they are right from so long before their making, for askers whose clocks are behind (ADR 0036). When an answer was
    /// made (producedAt) stays what it is (RFC 6960, section 2.4).
    #[must_use]
    pub fn backdated(self, backdate: Duration) -> Self {
        Self { backdate, ..self }
    }

    /// The answer to a question (`OCSPRequest`), whatever it is.
    pub async fn answer(&self, question: &[u8]) -> OcspReply {
        let answered = match OcspRequest::from_der(question) {
            Ok(request) => self.answer_read(&request).await,
            Err(error) => Err(error),
        };
        answered.unwrap_or_else(|error| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            OcspReply { der: Bytes::copy_from_slice(&error.der()), fresh: None }
        })
    }

    /// What was answered since the start.
    pub fn figures(&self) -> OcspFigures {
        OcspFigures {
            signed: self.signed.load(Ordering::Relaxed),
            kept: self.kept.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    async fn answer_read(&self, request: &OcspRequest<'_>) -> Result<OcspReply, OcspError> {
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
        let before = match self.ocsp_cache.find(question.cert_id, status, now) {
            Found::Good(kept) => {
                self.kept.fetch_add(1, Ordering::Relaxed);
                return Ok(kept.answered());
            }
            Found::Stale(before) => Some(before),
            Found::Nothing => None,
        };
        let delegate = self.delegate(responder, now).await?;
        let answer = self.dated(question.cert_id, status, &delegate, now);
        let der = self.sign(&delegate, &[answer], now, None)?;
        let SingleResponse { this_update, next_update, .. } = answer;
        let fresh = CacheValidity {
            this_update,
            next_update,
            etag: format!("\"{}\"", hex::encode(digest(&SHA256, &der))).into(),
            shares_second: before.is_some_and(|before| same_second(before, this_update)),
        };
        let kept = CachedResponse { der, status, fresh };
        let answered = kept.answered();
        // What was never issued is not kept: anybody can ask about numbers that there are not.
        if status != OcspCertStatus::Unknown {
            self.ocsp_cache.keep(question.cert_id, kept);
        }
        Ok(answered)
    }

    /// Answers with the asker's nonce, or about many certificates: signed now, for this asker.
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
        Ok(OcspReply { der, fresh: None })
    }

    async fn status(
        &self,
        responder: &IssuerResponder,
        question: &CertId<'_>,
    ) -> Result<OcspCertStatus, OcspError> {
        // Not a number that we can have given.
        let Some(serial_number) = question.serial_number() else { return Ok(OcspCertStatus::Unknown) };
        let status = self.source.status(responder.issuer, &serial_number).await;
        // R-OCSP-10.
        status.map_err(|_| OcspError::TryLater)
    }

    async fn delegate(
        &self,
        responder: &IssuerResponder,
        now: SystemTime,
    ) -> Result<Arc<Delegate>, OcspError> {
        let delegate = responder.slot.delegate(&self.delegating, now).await;
        delegate.map_err(|why| {
            if NO_SIGNER.admits() {
                let why: &dyn std::error::Error = &why;
                error!(issuer = %responder.issuer, why, "there is no OCSP signer for {}", responder.issuer);
            }
            OcspError::TryLater
        })
    }

    /// Right as of now, and not longer than its signer's certificate.
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
            next_update: (now + RESPONSE_LIFETIME).min(delegate.ends()),
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
                error!(why, "an answer about status would break a rule");
            }
            OcspError::InternalError
        })?;
        let signature = delegate.sign(prepared.to_be_signed()).map_err(|_| OcspError::TryLater)?;
        let der = prepared.seal(&signature).map_err(|_| OcspError::InternalError)?;
        self.signed.fetch_add(1, Ordering::Relaxed);
        Ok(der.into())
    }
}

impl CachedResponse {
    fn answered(&self) -> OcspReply {
        OcspReply { der: self.der.clone(), fresh: Some(self.fresh.clone()) }
    }
}

/// Whoever asks decides how many these are.
static NO_SIGNER: Limit = Limit::new("there is no OCSP signer");
static NO_ANSWER: Limit = Limit::new("an answer about status would break a rule");

/// How long a response may be believed. HTTP caches are told to keep it for a minute; a client that keeps responses by itself may do so
/// for this long. Who cannot wait sends a nonce.
const RESPONSE_LIFETIME: Duration = Duration::from_secs(60 * 60);
