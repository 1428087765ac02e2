//! The signer of documents that others are handed.

use ledger::Holder;
use signer::DocumentSigner;

use super::{Authority, OpenAuthorityError};

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
}
