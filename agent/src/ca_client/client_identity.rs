//! What a device authenticates with.

use std::sync::Arc;

use identity::DeviceId;

use crate::certificate::Credential;
use crate::key::DeviceKey;
use crate::state::{CredentialLocation, View};

use super::ObtainError;

/// A credential and its key, to call the CA with.
pub(crate) struct ClientIdentity {
    pub(crate) device: DeviceId,
    pub(crate) credential: Credential,
    pub(crate) key: Arc<dyn DeviceKey>,
}

impl ClientIdentity {
    /// The birth certificate.
    pub(crate) fn of_birth(view: &View) -> Result<Self, ObtainError> {
        let record = view.record();
        let (Some(device), true) = (&record.device, record.is_born()) else {
            return Err(ObtainError::NotBorn);
        };
        Self::read(view, CredentialLocation::Birth, device.clone())
    }

    /// The credential at a location, checked against its key and `device`.
    pub(crate) fn read(
        view: &View,
        location: CredentialLocation,
        device: DeviceId,
    ) -> Result<Self, ObtainError> {
        let (credential, key) = view.own(location, &device)?;
        Ok(Self { device, credential, key })
    }
}
