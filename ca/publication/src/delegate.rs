//! Who answers for an issuer: a key of this process and a short certificate, both made anew at half of its life.

use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use identity::IssuerName;
use issuance::{Certificate, OcspSigner, Refusal};
use parking_lot::RwLock;
use signer::{DelegateKey, KeyFileError, SignerError};
use store::StoreError;

/// Makes delegates: the authority, which puts their certificates on record as it does with all.
pub trait DelegateIssuer: Send + Sync + 'static {
    /// A certificate of the profile `ocsp-signer` by this issuer for this key. On record when it returns.
    fn delegate(
        &self,
        issuer: IssuerName,
        key: &DelegateKey,
    ) -> impl Future<Output = Result<Certificate, DelegationError>> + Send;
}

/// A key that may answer for an issuer.
#[derive(Debug)]
pub struct Delegate {
    key: DelegateKey,
    /// Its certificate, as answers carry it.
    pub(super) responder: OcspSigner,
    begins: SystemTime,
    ends: SystemTime,
}

impl Delegate {
    /// Signs an answer.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.key.sign(message)
    }

    /// Whether it is past half of its life.
    fn is_old(&self, now: SystemTime) -> bool {
        let life = self.ends.duration_since(self.begins).unwrap_or_default();
        now < self.begins || now >= self.begins + life / 2
    }

    /// Until when its answers can be believed.
    pub(super) fn ends(&self) -> SystemTime {
        self.ends
    }
}

/// The delegate of one issuer. Made with the first question: a CA that nobody asks issues none.
pub(super) struct DelegateSlot {
    issuer: IssuerName,
    current: RwLock<Option<Arc<Delegate>>>,
    making: tokio::sync::Mutex<()>,
}

impl DelegateSlot {
    pub(super) fn of(issuer: IssuerName) -> Self {
        Self { issuer, current: RwLock::default(), making: tokio::sync::Mutex::default() }
    }

    /// The delegate, made anew when it is due. Who cannot be made anew answers to its end.
    pub(super) async fn delegate<D: DelegateIssuer>(
        self: &Arc<Self>,
        by: &Arc<D>,
        now: SystemTime,
    ) -> Result<Arc<Delegate>, DelegationError> {
        if let Some(current) = self.current().filter(|current| !current.is_old(now)) {
            return Ok(current);
        }
        let (slot, by) = (Arc::clone(self), Arc::clone(by));
        // A task of its own: whoever asks may go away while the certificate is put on record, and it must be used all the same, or every
        // question that is broken off would leave another one in the ledger.
        let making = tokio::spawn(async move { slot.renew(by.as_ref(), now).await });
        making
            .await
            .unwrap_or(Err(StoreError::Bug { what: "the task that made an OCSP signer panicked" }.into()))
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
    /// No key.
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
    /// Nobody knows what time it is.
    #[error("the certificate of an OCSP signer is not made while the clock is in doubt")]
    ClockInDoubt,
    /// The ledger refuses it.
    #[error("the ledger refuses the certificate of an OCSP signer: {why}")]
    Conflict {
        /// Why.
        why: String,
    },
}
