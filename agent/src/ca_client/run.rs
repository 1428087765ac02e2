//! The steps that an enrolment and a renewal share: obtain a certificate, prove it, switch to it, confirm it.

use std::sync::Arc;
use std::time::SystemTime;

use identity::{Clock, DeviceId, RequestId};
use tokio::task::spawn_blocking;
use tracing::info;

use crate::certificate::Kind;
use crate::key::{KeyError, certificate_request};
use crate::state::{CredentialLocation, Parent, Slot, State, View};

use super::answer::{self, Answer, TrustBundleId};
use super::connection::Connection;
use super::retry::Attempts;
use super::{ClientIdentity, ObtainError, Server};

/// One run of an enrolment or a renewal.
pub(crate) struct Run<'a> {
    pub(crate) server: Server,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) device: DeviceId,
    pub(crate) attempts: &'a Attempts,
}

/// The call that proves a new certificate before `current` leads to it.
#[derive(Clone, Copy)]
pub(crate) enum ProofCall {
    /// One that the CA authenticates, which it takes as the first use of the certificate.
    Authenticated,
    /// One that the ledger does not hear of, so that the certificate in use is not superseded yet.
    Unnoticed,
}

impl Run<'_> {
    /// Makes the key of `slot`, asks for its certificate in the name of `caller`, and checks the answer.
    pub(crate) async fn obtain(
        &self,
        state: &State,
        caller: &ClientIdentity,
        slot: Slot,
        request_id: RequestId,
        parent: Parent,
    ) -> Result<Answer, ObtainError> {
        let key = state.open_or_make_key(CredentialLocation::Slot(slot))?;
        let signing_key = Arc::clone(&key);
        // Hardware may take long to sign.
        let request = spawn_blocking(move || certificate_request(&*signing_key));
        let csr = request.await.unwrap_or(Err(KeyError::Refused)).map_err(ObtainError::Key)?;
        let trust = TrustBundleId::of(state.record());
        self.attempts
            .until_done(|| async {
                let mut connection = self.connect(caller, state.view()).await?;
                let response = connection.obtain(parent, request_id, &csr).await?;
                answer::check(response, &connection, &self.device, key.public_key(), trust, Kind::Operational)
            })
            .await
    }

    /// Proves the certificate in `slot` by a call, points `current` to it, and confirms it to the CA. Returns
    /// its serial number and the CA's time.
    pub(crate) async fn take_into_use(
        &self,
        state: &State,
        slot: Slot,
        proof: ProofCall,
    ) -> Result<(Vec<u8>, SystemTime), ObtainError> {
        let next = ClientIdentity::read(state.view(), CredentialLocation::Slot(slot), self.device.clone())?;
        let serial_number = next.credential.leaf.serial_number.clone();
        let prove = || async {
            let mut connection = self.connect(&next, state.view()).await?;
            // TLS 1.3 tells a client that it was refused only when it reads: an answer is the proof.
            match proof {
                ProofCall::Authenticated => connection.trust_bundle().await?,
                ProofCall::Unnoticed => connection.prove().await?,
            }
            Ok(connection)
        };
        let mut proven = Some(self.attempts.until_done(prove).await?);
        state.switch_to(slot)?;
        let confirm = || {
            let (proven, serial_number, next) = (proven.take(), serial_number.clone(), &next);
            async move {
                let mut connection = match proven {
                    Some(connection) => connection,
                    None => self.connect(next, state.view()).await?,
                };
                connection.confirm(serial_number).await
            }
        };
        let server_time = self.attempts.until_done(confirm).await?;
        info!(device.id = %self.device, serial = hex::encode(&serial_number), "took a new certificate into use");
        Ok((serial_number, server_time))
    }

    /// Connects at the time that the device goes by.
    pub(crate) async fn connect(
        &self,
        identity: &ClientIdentity,
        view: &View,
    ) -> Result<Connection, ObtainError> {
        let now = view.time_floor()?.now(&*self.clock);
        Connection::open(&self.server, &identity.credential, &identity.key, now).await
    }
}
