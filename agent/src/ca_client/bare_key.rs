//! What a device authenticates with before it has its birth certificate: the key alone.

use std::sync::Arc;

use identity::DeviceId;
use tokio::task::spawn_blocking;

use crate::certificate::{Certificate, Credential};
use crate::key::{KeyError, bare_key_certificate};
use crate::state::{CredentialLocation, View};

use super::{ClientIdentity, ObtainError};

impl ClientIdentity {
    /// The key of a unit whose birth certificate is deferred, with the anchors that the factory installed.
    pub(crate) async fn of_bare_key(view: &View) -> Result<Self, ObtainError> {
        let record = view.record();
        let device: &DeviceId = match &record.device {
            Some(device) if record.certificate_deferred => device,
            _ => return Err(ObtainError::NotBorn),
        };
        let (key, anchors) = (view.key(CredentialLocation::Birth)?, view.anchors(CredentialLocation::Birth)?);
        let signing_key = Arc::clone(&key);
        // Hardware may take long to sign.
        let shown = spawn_blocking(move || bare_key_certificate(&*signing_key));
        let shown = shown.await.unwrap_or(Err(KeyError::Refused)).map_err(ObtainError::Key)?;
        let credential = Credential { leaf: Certificate::from_der(shown)?, chain: Vec::new(), anchors };
        Ok(Self { device: device.clone(), credential, key })
    }
}
