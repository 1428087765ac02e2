//! The signer of documents that others are handed.

use ledger::{CertificateStatus, Holder};
use signer::DocumentSigner;

use super::{Authority, OpenAuthorityError, Refused};

impl Authority {
    /// Signs documents with this signer, whose certificate must be on record.
    ///
    /// # Errors
    /// When it is not on record, or the ledger cannot be read.
    pub async fn signing_documents(self, signer: DocumentSigner) -> Result<Self, OpenAuthorityError> {
        let certificate = signer.certificate();
        let record = self.store.certificate(&certificate.serial_number()).await?;
        let same = record.is_some_and(|record| {
            record.holder() == Some(Holder::DocumentSigner) && record.certificate().der == certificate.der()
        });
        if !same {
            return Err(OpenAuthorityError::OtherDocumentSigner);
        }
        Ok(Self { documents: Some(signer), ..self })
    }

    /// The signer of documents, if it may sign now: it is there, valid and not revoked.
    pub(super) async fn document_signer(&self) -> Result<DocumentSigner, Refused> {
        let signer = self.documents.clone().ok_or(Refused::NoDocumentSigner)?;
        let certificate = signer.certificate();
        let status = self.store.certificate_status(&certificate.serial_number()).await?;
        let is_good = status.is_some_and(CertificateStatus::is_good);
        match is_good && certificate.validity().contains(self.clock.now()) {
            true => Ok(signer),
            false => Err(Refused::NoDocumentSigner),
        }
    }
}
