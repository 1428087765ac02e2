//! The checks for which the CA is called.

use std::time::{Duration, SystemTime};

use diagnostics::error_chain;
use identity::Clock;

use crate::ca_client::connection::Connection;
use crate::ca_client::{ClientIdentity, ObtainError, Server};
use crate::state::{CredentialLocation, View};
use crate::text::rfc3339;

use super::{CLOCK, Finding, in_use, of_state};

/// Whether the CA can be reached, takes the certificate in use, and agrees about the time.
pub(super) async fn examine(
    view: &View,
    server: Option<Server>,
    clock: &dyn Clock,
    now: SystemTime,
) -> Vec<Finding> {
    let server = match Server::or_of_factory(server, view) {
        Ok(server) => server,
        Err(error) => {
            return vec![Finding::bad(CA, error_chain(&error), "name it with --server, also to run")];
        }
    };
    match ask(view, &server, now).await {
        Ok((what, time)) => {
            let mut findings = vec![Finding::good(CA, format!("{server} takes the {what}"))];
            findings.extend(time.map(|time| compare(clock.now(), time)));
            findings
        }
        Err(error) => vec![found(&server, &error)],
    }
}

/// Calls with the certificate in use, else the birth certificate. Returns its kind, and the CA's time if
/// known.
async fn ask(
    view: &View,
    server: &Server,
    now: SystemTime,
) -> Result<(&'static str, Option<SystemTime>), ObtainError> {
    match in_use(view) {
        Some((slot, device)) => {
            let identity = ClientIdentity::read(view, CredentialLocation::Slot(slot), device.clone())?;
            let mut connection = Connection::open(server, &identity.credential, &identity.key, now).await?;
            let (_, server_time) = connection.renewal_info().await?;
            Ok(("LDevID", Some(server_time)))
        }
        None if view.record().certificate_deferred => {
            let identity = ClientIdentity::of_bare_key(view).await?;
            let mut connection = Connection::open(server, &identity.credential, &identity.key, now).await?;
            let server_time = connection.claim().await?.server_time;
            Ok(("key, and has the IDevID", Some(connection.server_time(server_time)?)))
        }
        None => {
            let identity = ClientIdentity::of_birth(view)?;
            let mut connection = Connection::open(server, &identity.credential, &identity.key, now).await?;
            connection.trust_bundle().await?;
            Ok(("IDevID", None))
        }
    }
}

fn compare(clock: SystemTime, ca: SystemTime) -> Finding {
    let apart = clock.duration_since(ca).unwrap_or_else(|behind| behind.duration());
    if apart <= APART_MAX {
        return Finding::good(CLOCK, "it agrees with the CA's");
    }
    let word = if clock > ca { "ahead of" } else { "behind" };
    let apart = humantime::format_duration(Duration::from_secs(apart.as_secs()));
    let says = format!("it is {apart} {word} the CA's, which shows {}", rfc3339(ca));
    Finding::note(CLOCK, says, "set it: relying parties and logs go by it, the unit itself goes by the CA's")
}

fn found(server: &Server, error: &ObtainError) -> Finding {
    let says = error_chain(error);
    match error {
        ObtainError::State(error) => of_state(CA, error),
        ObtainError::Unreachable { .. } => Finding::bad(
            CA,
            says,
            format!("check the network, the name and the firewall: it is {server} over TCP"),
        ),
        _ => Finding { advice: error.next_step().map(str::to_owned), ..Finding::bad(CA, says, "") },
    }
}

const CA: &str = "CA";

/// Clocks that are set over a network are within seconds of each other.
const APART_MAX: Duration = Duration::from_secs(300);
