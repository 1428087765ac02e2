//! Revocation: of a confirmed selection (R-LIFE-09), and of all with a compromised key (R-LIFE-13).

use std::time::SystemTime;

use diagnostics::Limit;
use identity::{
    CompromiseProof, CompromiseProofError, IssuerName, KeyFingerprint, PublicKey, RequestId,
    RevocationReason, SerialNumber,
};
use ledger::{
    Action, CertificateStatus, Command, Conflict, EntryNumber, Event, JobId, REVOKE_MAX, RevocationTerms,
    Selection,
};
use store::{Recorded, StatusRecord, StoreError};

use super::record::caller_command;
use super::request_digest::RequestDigest;
use super::{Authority, Caller, Operation, Refused};

/// A request to revoke a selection of certificates.
#[derive(Debug, Clone)]
pub struct RevocationRequest {
    /// The operator's id of the request: the same request again follows the same work.
    pub request: RequestId,
    /// Which certificates.
    pub selection: Selection,
    /// The reason code that goes into CRLs.
    pub reason: RevocationReason,
    /// When the keys are believed to have been lost.
    pub invalidity_date: Option<SystemTime>,
    /// How many certificates the operator confirmed.
    pub expected: u64,
    /// Text for people who read the ledger.
    pub remark: String,
}

/// The progress of a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocationProgress {
    /// Certificates revoked so far.
    pub revoked: u64,
    /// How many certificates are to be revoked.
    pub total: u64,
    /// Whether all of them are on record as revoked.
    pub done: bool,
    /// The ledger entry that began, did or finished it; 0: there was nothing to do.
    pub entry: EntryNumber,
    /// The job, if it is more than one ledger entry.
    pub job: Option<JobId>,
}

impl RevocationProgress {
    fn done(revoked: u64, total: u64, entry: EntryNumber) -> Self {
        Self { revoked, total, done: true, entry, job: None }
    }
}

impl Authority {
    /// Revokes a selection. If it fits into one ledger entry, it is on record when this returns; otherwise it
    /// has begun, goes on in the background, and is followed with [`Authority::follow_revocation`].
    ///
    /// # Errors
    /// [`Refused::CountChanged`] when the count is not the one that the operator confirmed; nothing was
    /// revoked.
    pub async fn revoke(
        &self,
        caller: &Caller,
        request: RevocationRequest,
    ) -> Result<RevocationProgress, Refused> {
        let content = content(&request);
        let RevocationRequest { request, selection, reason, invalidity_date, expected, remark } = request;
        // A request that was answered is answered again, before anything is counted.
        self.check_caller(caller).await?;
        if let Some(principal) = caller.principal()
            && let Some(before) = self.store.answered(principal, &request, &content).await?
        {
            return self.progress_of(&before?, expected).await;
        }
        let survey = self.store.survey(&selection).await?;
        let (devices, certificates) = (survey.devices, survey.certificates);
        if certificates != expected {
            return Err(Refused::CountChanged { expected, certificates, devices });
        }
        let action = if certificates == 0 {
            return Ok(RevocationProgress::done(0, 0, EntryNumber(0)));
        } else if certificates <= REVOKE_MAX as u64 {
            let certificates = self.not_yet_revoked(&selection, REVOKE_MAX).await?;
            Action::Revoke { certificates, reason, invalidity_date, job: None }
        } else {
            Action::BeginRevocation(RevocationTerms {
                selection,
                reason,
                invalidity_date,
                devices,
                certificates,
            })
        };
        let command = Command { request: Some(request), remark, ..caller_command(caller, content, action) };
        let recorded = self.record_as(caller, Operation::RevokeCertificates, command).await?;
        tracing::info!(
            principal = %caller, entry = %recorded.entry().number, certificates, devices, %reason,
            "revoking {certificates} certificates"
        );
        self.jobs.notify_one();
        self.progress_of(&recorded, expected).await
    }

    /// The progress as soon as it differs from `last`. The caller is checked again.
    pub async fn follow_revocation(
        &self,
        caller: &Caller,
        last: RevocationProgress,
    ) -> Result<RevocationProgress, Refused> {
        let Some(job) = last.job.filter(|_| !last.done) else { return Ok(last) };
        let mut recorded = self.store.follow();
        loop {
            recorded.mark_unchanged();
            self.check_caller(caller).await?;
            let now = self.progress_of_job(job).await?;
            if now != last {
                return Ok(now);
            }
            recorded.changed().await.map_err(|_| StoreError::Stopped)?;
        }
    }

    /// Revokes all certificates with a key that is proven to be compromised, whoever proves it. Returns how
    /// many certificates this call revoked, zero if they were revoked before; `None` if no certificate has
    /// the key, which records nothing. Idempotent.
    ///
    /// # Errors
    /// When it proves nothing, or the store cannot record. [`Conflict::IssuerNotRevocable`] when an issuer
    /// has the key, which is logged as an error.
    pub async fn key_compromised(&self, proof: &[u8]) -> Result<Option<usize>, Refused> {
        let proof = CompromiseProof::from_der(proof).map_err(|why| match why {
            CompromiseProofError::Csr(why) => Refused::Csr(why),
            CompromiseProofError::Subject => Refused::Request { field: "subject", what: why.to_string() },
        })?;
        let key: KeyFingerprint = proof.public_key().fingerprint();
        if let Some(issuer) = self.issuer_with(proof.public_key()) {
            self.counters.issuers_compromised.add(issuer);
            if ISSUER_COMPROMISED.admits() {
                tracing::error!(
                    issuer = %issuer,
                    "the key of the {issuer} issuer was proven to be compromised: whoever proved it can make certificates that everybody believes; \
                     stop the CA and see docs/operations/compromised-issuer.md"
                );
            }
            return Err(Conflict::IssuerNotRevocable.into());
        }
        if self.store.select(&Selection::Key(key), 0, 1).await?.certificates.is_empty() {
            return Ok(None);
        }
        let reason = RevocationReason::KeyCompromise;
        let mut revoked = 0;
        loop {
            let certificates = self.not_yet_revoked(&Selection::Key(key), REVOKE_MAX).await?;
            if certificates.is_empty() {
                return Ok(Some(revoked));
            }
            revoked += certificates.len();
            tracing::warn!(
                certificates = certificates.len(),
                "a key was proven to be compromised: revoking what has it"
            );
            self.record_own(Action::Revoke { certificates, reason, invalidity_date: None, job: None })
                .await?;
        }
    }

    /// The status of certificates, in the order of the request; `None`: not on record.
    pub async fn statuses(
        &self,
        serial_numbers: &[SerialNumber],
    ) -> Result<Vec<Option<StatusRecord>>, Refused> {
        let mut statuses = Vec::with_capacity(serial_numbers.len());
        for serial_number in serial_numbers {
            statuses.push(self.store.status_record(serial_number).await?);
        }
        Ok(statuses)
    }

    fn issuer_with(&self, key: &PublicKey) -> Option<IssuerName> {
        IssuerName::ALL.into_iter().find(|issuer| self.issuers.certificate(*issuer).public_key() == key)
    }

    /// The first of the selection that are not revoked yet.
    async fn not_yet_revoked(
        &self,
        selection: &Selection,
        limit: usize,
    ) -> Result<Vec<SerialNumber>, Refused> {
        let mut found = Vec::new();
        let mut next = Some(0);
        while let Some(from) = next.filter(|_| found.len() < limit) {
            let page = self.store.select(selection, from, limit).await?;
            let due = page.certificates.iter().filter(|one| one.status != CertificateStatus::Revoked);
            found.extend(due.map(|one| one.serial_number));
            next = page.next;
        }
        found.truncate(limit);
        Ok(found)
    }

    async fn progress_of(&self, recorded: &Recorded, total: u64) -> Result<RevocationProgress, Refused> {
        match &recorded.entry().event {
            Event::RevocationBegun { job, .. } => self.progress_of_job(*job).await,
            Event::CertificatesRevoked { certificates, .. } => {
                let revoked = certificates.len() as u64;
                Ok(RevocationProgress::done(revoked, revoked, recorded.entry().number))
            }
            // All of them were revoked by others between the count and the command.
            _ => Ok(RevocationProgress::done(0, total, recorded.entry().number)),
        }
    }

    async fn progress_of_job(&self, job: JobId) -> Result<RevocationProgress, Refused> {
        let facts = self.store.job(job).await?.ok_or(Conflict::NoSuchJob(job))?;
        Ok(RevocationProgress {
            revoked: facts.revoked,
            total: facts.terms.certificates,
            done: facts.finished.is_some(),
            entry: facts.finished.unwrap_or(facts.begun),
            job: Some(job),
        })
    }
}

fn content(request: &RevocationRequest) -> [u8; 32] {
    let content =
        RequestDigest::of("revoke v1").number(request.reason.code().into()).number(request.expected);
    let content = content.time(request.invalidity_date);
    selected(content, &request.selection).finish()
}

/// Adds a selection to the digest of a request.
pub(super) fn selected(content: RequestDigest, selection: &Selection) -> RequestDigest {
    match selection {
        Selection::Device(device) => content.text("device").text(&device.to_string()),
        Selection::Certificate(number) => content.text("certificate").bytes(number.as_bytes()),
        Selection::Lineage(number) => content.text("lineage").bytes(number.as_bytes()),
        Selection::WorkOrder(work_order) => content.text("work order").number(work_order.0),
        Selection::Product(product) => content.text("product").text(product.as_str()),
        Selection::Station(name) => content.text("station").text(name.as_str()),
        Selection::Issued { from, until } => content.text("issued").time(Some(*from)).time(Some(*until)),
        Selection::Key(key) => content.text("key").bytes(key.as_bytes()),
    }
}

/// Whoever has the key can cause any number of these lines.
static ISSUER_COMPROMISED: Limit = Limit::new("the key of an issuer was proven to be compromised");
