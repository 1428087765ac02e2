//! Delegated OCSP signers (R-OCSP-06): a key in memory and a short-lived certificate, both renewed at half of
//! their life.

use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use identity::IssuerName;
use issuance::{Certificate, OcspSigner, Refusal};
use parking_lot::RwLock;
use signer::{DelegateKey, KeyFileError, SignerError};
use store::StoreError;

/// Issues certificates to delegates; implemented by the authority, which records them.
pub trait DelegateIssuer: Send + Sync + 'static {
    /// Issues a certificate of the profile `ocsp-signer` for this key. It is on record when this returns.
    fn delegate(
        &self,
        issuer: IssuerName,
        key: &DelegateKey,
    ) -> impl Future<Output = Result<Certificate, DelegationError>> + Send;
}

/// A key that may sign OCSP responses for an issuer.
#[derive(Debug)]
pub struct Delegate {
    pub(super) key: DelegateKey,
    /// Its certificate, as responses include it.
    pub(super) responder: OcspSigner,
    begins: SystemTime,
    /// notAfter of its certificate, which no response may outlive.
    pub(super) ends: SystemTime,
}

impl Delegate {
    /// Whether it is past half of its life, or from the future.
    fn is_old(&self, now: SystemTime) -> bool {
        let life = self.ends.duration_since(self.begins).unwrap_or_default();
        now < self.begins || now >= self.begins + life / 2
    }
}

/// The current delegate of one issuer, made at the first request: a CA without OCSP clients issues none.
pub(super) struct DelegateSlot {
    issuer: IssuerName,
    current: RwLock<Option<Arc<Delegate>>>,
    making: tokio::sync::Mutex<()>,
}

impl DelegateSlot {
    pub(super) fn of(issuer: IssuerName) -> Self {
        Self { issuer, current: RwLock::default(), making: tokio::sync::Mutex::default() }
    }

    /// Returns the current delegate, renewing it past half of its life. If renewal fails, the old one is used
    /// until it expires.
    pub(super) async fn delegate<D: DelegateIssuer>(
        self: &Arc<Self>,
        by: &Arc<D>,
        now: SystemTime,
    ) -> Result<Arc<Delegate>, DelegationError> {
        if let Some(current) = self.current().filter(|current| !current.is_old(now)) {
            return Ok(current);
        }
        let (slot, by) = (Arc::clone(self), Arc::clone(by));
        // In a task of its own: if the client went away during the renewal and dropped it, every aborted
        // request would leave another certificate in the ledger.
        let making = tokio::spawn(async move { slot.renew(by.as_ref(), now).await });
        making.await.unwrap_or(Err(StoreError::Bug("the task that made an OCSP signer panicked").into()))
    }

    async fn renew(
        &self,
        by: &impl DelegateIssuer,
        now: SystemTime,
    ) -> Result<Arc<Delegate>, DelegationError> {
        let _one_at_a_time = self.making.lock().await;
        let current = self.current();
        if let Some(current) = current.as_ref().filter(|current| !current.is_old(now)) {
            return Ok(Arc::clone(current));
        }
        match (self.make(by).await, current) {
            (Ok(made), _) => {
                let made = Arc::new(made);
                *self.current.write() = Some(Arc::clone(&made));
                Ok(made)
            }
            (Err(_), Some(current)) if now < current.ends => Ok(current),
            (Err(error), _) => Err(error),
        }
    }

    fn current(&self) -> Option<Arc<Delegate>> {
        self.current.read().clone()
    }

    async fn make(&self, by: &impl DelegateIssuer) -> Result<Delegate, DelegationError> {
        let key = DelegateKey::generate()?;
        let certificate = by.delegate(self.issuer, &key).await?;
        let validity = certificate.validity();
        Ok(Delegate {
            responder: OcspSigner::new(&certificate)?,
            begins: validity.not_before(),
            ends: validity.not_after(),
            key,
        })
    }
}

/// Why there is no delegate.
#[derive(Debug, thiserror::Error)]
pub enum DelegationError {
    /// No key could be made.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The issuer's key cannot be used.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// It would break a rule.
    #[error("the certificate of an OCSP signer cannot be made")]
    Refused(#[from] Refusal),
    /// It cannot be recorded.
    #[error("the certificate of an OCSP signer cannot be recorded")]
    Store(#[from] StoreError),
    /// The clock is in doubt.
    #[error("the certificate of an OCSP signer is not made while the clock is in doubt")]
    ClockInDoubt,
    /// The ledger refuses it.
    #[error("the ledger refuses the certificate of an OCSP signer: {0}")]
    Conflict(String),
}
