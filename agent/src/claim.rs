//! First boot of a unit whose birth certificate was deferred: it proves its key to the CA and gets the
//! certificate (ADR 0068).

use std::sync::Arc;

use identity::Clock;
use rand::rngs::StdRng;
use tracing::info;

use crate::ca_client::answer::{self, TrustBundleId};
use crate::ca_client::connection::Connection;
use crate::ca_client::retry::Attempts;
use crate::ca_client::{ClientIdentity, ObtainError, RetryPolicy, Server};
use crate::certificate::{Credential, Kind};
use crate::state::{CredentialLocation, State};

/// Gets the birth certificate that was deferred, and keeps it. Asks again while the CA does not have it.
/// After a power cut it is asked for again; when this returns `Ok`, it survives one.
pub(crate) async fn claim(
    state: &mut State,
    server: Option<Server>,
    clock: Arc<dyn Clock>,
    generator: StdRng,
    retry_policy: RetryPolicy,
) -> Result<(), ObtainError> {
    let identity = ClientIdentity::of_bare_key(state.view()).await?;
    let server = Server::or_of_factory(server, state.view())?;
    info!(device.id = %identity.device, %server, "asking for the birth certificate, which was deferred");
    let (attempts, trust) = (Attempts::new(generator, retry_policy), TrustBundleId::of(state.record()));
    let view = state.view();
    let asked = attempts.until_done(|| async {
        let now = view.time_floor()?.now(&*clock);
        let mut connection = Connection::open(&server, &identity.credential, &identity.key, now).await?;
        let response = connection.claim().await?;
        let key = identity.key.public_key();
        answer::check(response, &connection, &identity.device, key, trust, Kind::Birth)
    });
    let answer = attempts.in_time(asked).await?;
    // The factory's anchors stay, unless the CA has another root by now that the certificate needs.
    let by_own = Credential { anchors: identity.credential.anchors.clone(), ..answer.credential.clone() };
    let fits = by_own.check_chain_to_anchors_of(&identity.credential, answer.server_time).is_ok();
    let trust = match fits {
        true => state.write_chain(CredentialLocation::Birth, &by_own).map(|()| trust)?,
        false => {
            state.write_credential(CredentialLocation::Birth, &answer.credential).map(|()| answer.trust)?
        }
    };
    state.update(|record| {
        record.certificate_deferred = false;
        (record.trust_version, record.trust_digest) = (trust.version, trust.digest);
        record.set_server_time(answer.server_time);
    })?;
    info!(device.id = %identity.device, "has its birth certificate");
    Ok(())
}
