//! The closing report of a work order: built here from the ledger, signed here, and handed out in pieces. The
//! CA signs no bytes that a caller sent.

use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256, digest};
use bytes::Bytes;
use closing::{Form, Manifest, Report, Survey, Unsigned};
use identity::IssuerName;
use issuance::CmsDraft;
use ledger::{Conflict, Entry, EntryNumber, WorkOrderFacts, WorkOrderId, WorkOrderState};
use signer::DocumentSigner;
use store::StoreError;
use tokio::sync::OwnedSemaphorePermit;

use super::{Authority, Caller, Refused};

/// The files of a closing report, as they are made.
pub struct ClosingDocuments {
    authority: Arc<Authority>,
    caller: Caller,
    order: WorkOrderFacts,
    signer: DocumentSigner,
    signed_at: SystemTime,
    issuer: Vec<u8>,
    stage: Stage,
    files: Vec<File>,
    /// One report is made at a time, and others wait: each keeps its order's units in memory.
    turn: Option<OwnedSemaphorePermit>,
}

/// A piece of the files.
#[derive(Debug, Clone)]
pub enum ClosingPiece {
    /// The next bytes of a file.
    Bytes {
        /// Of which.
        form: Form,
        /// At most [`PIECE_BYTES_MAX`].
        bytes: Bytes,
    },
    /// A file is complete.
    Complete {
        /// Which.
        form: Form,
        /// Its length, bytes.
        length: u64,
        /// Its SHA-256.
        digest: [u8; 32],
        /// Its detached signature: CMS SignedData, DER. Empty for the manifest, whose elements are signed.
        signature: Bytes,
    },
}

enum Stage {
    /// Before the first reading.
    Fresh,
    /// Reading for the first time.
    Counting { next: EntryNumber, survey: Box<Survey> },
    /// Reading for the second time.
    Writing { next: EntryNumber, report: Box<Report>, manifest: Manifest },
    /// All was written, and the files are completed one by one.
    Completing,
}

struct File {
    form: Form,
    unsent: Vec<u8>,
    length: u64,
    hash: Context,
}

impl Authority {
    /// The closing report of an order that is closed, by the ledger as it was then: the same bytes each time,
    /// but for the signatures.
    ///
    /// # Errors
    /// When there is no such order, it is not closed, or nothing signs documents.
    pub async fn closing_documents(
        self: &Arc<Self>,
        caller: &Caller,
        id: WorkOrderId,
    ) -> Result<ClosingDocuments, Refused> {
        self.clock_is_trusted()?;
        let order = self.store.work_order(id).await?.ok_or(Conflict::NoSuchWorkOrder(id))?;
        if order.state != WorkOrderState::Closed {
            return Err(Refused::OrderNotClosed(id));
        }
        let signer = self.document_signer().await?;
        Ok(ClosingDocuments {
            authority: Arc::clone(self),
            caller: caller.clone(),
            order,
            signer,
            signed_at: self.clock.now(),
            issuer: self.issuers.certificate(IssuerName::Factory).der().to_vec(),
            stage: Stage::Fresh,
            files: Form::ALL.map(File::new).into(),
            turn: None,
        })
    }
}

impl ClosingDocuments {
    /// The order, as it ended.
    pub fn order(&self) -> &WorkOrderFacts {
        &self.order
    }

    /// The certificate whose key signs, X.509 DER.
    pub fn signer(&self) -> &[u8] {
        self.signer.certificate().der()
    }

    /// When it signs, by the CA's clock: the signing time of every signature.
    pub fn signed_at(&self) -> SystemTime {
        self.signed_at
    }

    /// The next pieces; none: that was all. The first may wait for another report. The caller is checked
    /// again each time (R-CA-11).
    ///
    /// # Errors
    /// When the caller is no longer good, the ledger cannot be read, or the key does not sign. The files are
    /// incomplete then.
    pub async fn next(&mut self) -> Result<Vec<ClosingPiece>, Refused> {
        loop {
            self.authority.check_caller(&self.caller).await?;
            let mut pieces = Vec::new();
            self.step(&mut pieces).await?;
            if !pieces.is_empty() || (matches!(self.stage, Stage::Completing) && self.files.is_empty()) {
                return Ok(pieces);
            }
        }
    }

    async fn step(&mut self, pieces: &mut Vec<ClosingPiece>) -> Result<(), Refused> {
        // What fails leaves a stage behind that ends the stream.
        self.stage = match std::mem::replace(&mut self.stage, Stage::Completing) {
            Stage::Fresh => self.begin().await?,
            Stage::Counting { next, survey } => self.count(next, survey).await?,
            Stage::Writing { next, report, manifest } => self.write(next, report, manifest, pieces).await?,
            Stage::Completing => {
                if let Some(file) = self.files.pop() {
                    pieces.push(self.complete(file).await?);
                }
                Stage::Completing
            }
        };
        Ok(())
    }

    async fn begin(&mut self) -> Result<Stage, Refused> {
        let turn = Arc::clone(&self.authority.closing_turn).acquire_owned().await;
        self.turn = Some(turn.map_err(|_| Refused::internal("the turn of reports is closed"))?);
        let created = self.entries(self.order.created, 1).await?;
        let survey = created.first().and_then(|entry| Survey::begin(entry, &self.authority.organization));
        let survey = survey.ok_or(StoreError::Bug("a work order has another entry"))?;
        Ok(Stage::Counting { next: EntryNumber(self.order.created.0 + 1), survey: Box::new(survey) })
    }

    async fn count(&mut self, next: EntryNumber, mut survey: Box<Survey>) -> Result<Stage, Refused> {
        let entries = self.entries(next, COUNTED_ENTRIES).await?;
        entries.iter().for_each(|entry| survey.enter(entry));
        let next = EntryNumber(next.0 + entries.len() as u64);
        if next <= self.order.changed {
            return Ok(Stage::Counting { next, survey });
        }
        let report = Report::of(*survey, &self.issuer);
        let report = Box::new(report.ok_or(StoreError::Bug("a closed work order was not closed"))?);
        for file in &mut self.files {
            report.begin(file.form, &mut file.unsent);
        }
        let hash = digest(&SHA256, self.signer());
        let manifest = Manifest::new(self.signer.certificate(), hash.as_ref(), &self.issuer);
        Ok(Stage::Writing { next: self.order.created, report, manifest })
    }

    async fn write(
        &mut self,
        next: EntryNumber,
        mut report: Box<Report>,
        mut manifest: Manifest,
        pieces: &mut Vec<ClosingPiece>,
    ) -> Result<Stage, Refused> {
        let entries = self.entries(next, WRITTEN_ENTRIES).await?;
        let next = EntryNumber(next.0 + entries.len() as u64);
        for entry in &entries {
            let needed = match report.needs(entry) {
                Some(number) => self.entries(number, 1).await?.into_iter().next(),
                None => None,
            };
            for unsigned in self.write_entry(&mut report, &manifest, entry, needed.as_ref()) {
                self.write_signed(&mut manifest, &unsigned).await?;
            }
        }
        let done = next > self.order.changed;
        for file in &mut self.files {
            if done {
                report.end(file.form, &mut file.unsent);
            }
            file.send(done, pieces);
        }
        Ok(if done { Stage::Completing } else { Stage::Writing { next, report, manifest } })
    }

    /// Writes the units of an entry in every form; returns what is to be signed of them.
    fn write_entry(
        &mut self,
        report: &mut Report,
        manifest: &Manifest,
        entry: &Entry,
        needed: Option<&Entry>,
    ) -> Vec<Unsigned> {
        let mut unsigned = Vec::new();
        report.rows(entry, needed, |report, row| {
            for file in &mut self.files {
                report.row(file.form, row, &mut file.unsent);
            }
            unsigned.extend(manifest.unsigned(report.facts(), row));
        });
        unsigned
    }

    async fn write_signed(&mut self, manifest: &mut Manifest, unsigned: &Unsigned) -> Result<(), Refused> {
        let signature = self.signer.signer().sign(unsigned.to_be_signed()).await?;
        let file = self.files.iter_mut().find(|file| file.form == Form::Manifest);
        let written = file.and_then(|file| manifest.write(unsigned, &signature, &mut file.unsent));
        written.ok_or_else(|| Refused::internal("a signature that is no ECDSA signature"))
    }

    async fn complete(&self, file: File) -> Result<ClosingPiece, Refused> {
        let mut hash = [0; 32];
        hash.copy_from_slice(file.hash.finish().as_ref());
        let signature = match file.form {
            Form::Manifest => Bytes::new(),
            Form::Json | Form::Csv | Form::Page | Form::Registration => {
                let certificate = self.signer.certificate();
                let draft = CmsDraft::new(&hash, certificate, self.signed_at)?;
                let signature = self.signer.signer().sign(draft.to_be_signed()).await?;
                draft.seal(certificate, &signature)?.into()
            }
        };
        Ok(ClosingPiece::Complete { form: file.form, length: file.length, digest: hash, signature })
    }

    /// Entries from `first` on, not behind the one that closed the order: at least one.
    async fn entries(&self, first: EntryNumber, limit: u64) -> Result<Vec<Entry>, Refused> {
        let left = (self.order.changed.0 + 1).saturating_sub(first.0);
        let entries = self.authority.store.entries(first, limit.min(left)).await?;
        if entries.is_empty() {
            Err(StoreError::Bug("the ledger ends before its head").into())
        } else {
            Ok(entries)
        }
    }
}

impl File {
    fn new(form: Form) -> Self {
        Self { form, unsent: Vec::new(), length: 0, hash: Context::new(&SHA256) }
    }

    /// Sends what is there; unless `all`, only when it is worth a message.
    fn send(&mut self, all: bool, pieces: &mut Vec<ClosingPiece>) {
        if !all && self.unsent.len() < PIECE_BYTES_MAX / 2 {
            return;
        }
        let bytes = Bytes::from(std::mem::take(&mut self.unsent));
        self.hash.update(&bytes);
        self.length += bytes.len() as u64;
        for start in (0..bytes.len()).step_by(PIECE_BYTES_MAX) {
            let piece = bytes.slice(start..bytes.len().min(start + PIECE_BYTES_MAX));
            pieces.push(ClosingPiece::Bytes { form: self.form, bytes: piece });
        }
    }
}

/// What the wire allows a piece.
pub const PIECE_BYTES_MAX: usize = 64 * 1024;

/// Entries that are counted in one go.
const COUNTED_ENTRIES: u64 = 1_024;

/// Entries that are written in one go: their units take some milliseconds of one thread, most for signatures.
const WRITTEN_ENTRIES: u64 = 64;
