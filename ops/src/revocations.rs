//! `touchmark revocations …`: what was withdrawn, asked for or followed.

mod cursor;
mod event;
mod hook;
mod lists;
mod watch;

use cli::count;
use identity::SerialNumber;
use proto::v1 as wire;
use proto::v1::revocation_service_client::RevocationServiceClient;
use serde::Serialize;
use tonic::transport::Channel;

use crate::arguments::RevocationsCommand;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::{always, short};
use crate::timestamp;

/// Does what the command says.
///
/// # Errors
/// As the CA answers; and when a certificate that was asked about is not good.
pub(crate) async fn run(
    command: RevocationsCommand,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        RevocationsCommand::Check { serials, wide } => check(&serials, wide, connection, output).await,
        RevocationsCommand::Watch(arguments) => watch::watch(arguments, connection, output).await,
    }
}

/// Opens the service that knows what was withdrawn.
pub(crate) async fn client(connection: &Connection) -> Result<RevocationServiceClient<Channel>, Failure> {
    Ok(RevocationServiceClient::new(connection.open().await?))
}

/// The state of one certificate.
pub(crate) async fn state_of(
    serial: &[u8],
    client: &mut RevocationServiceClient<Channel>,
) -> Result<tonic::Response<wire::CheckStatusResponse>, tonic::Status> {
    client.check_status(wire::CheckStatusRequest { serial_numbers: vec![serial.to_vec().into()] }).await
}

async fn check(
    serials: &[SerialNumber],
    wide: bool,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut client = client(connection).await?;
    let mut bad = 0;
    for some in serials.chunks(SERIALS_MAX) {
        let serial_numbers = some.iter().map(|serial| serial.as_bytes().to_vec().into()).collect();
        let states =
            client.check_status(wire::CheckStatusRequest { serial_numbers }).await?.into_inner().states;
        let states: Vec<StateView> = states.into_iter().map(StateView::from).collect();
        bad += states.iter().filter(|state| state.state != "good").count() as u64;
        output.rows(
            &states,
            &[
                short("CERTIFICATE"),
                always("STATE"),
                always("SINCE"),
                always("REASON").spare(1),
                always("ISSUER").spare(2),
            ],
            |state: &StateView| {
                let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
                vec![
                    state.serial_number.clone(),
                    state.state.to_owned(),
                    or_none(&state.revoked_at),
                    or_none(&state.reason),
                    or_none(&state.issuer),
                ]
            },
            wide,
        )?;
    }
    output.say_if_cut();
    match bad {
        0 => Ok(()),
        bad => Err(Failure::not_good(format!("{} not good", count(bad, "certificate")))
            .next("`touchmark certificate show SERIAL` says who, why and when")),
    }
}

/// A state as it is printed.
#[derive(Debug, Serialize)]
struct StateView {
    serial_number: String,
    state: &'static str,
    revoked_at: Option<String>,
    reason: Option<String>,
    invalid_since: Option<String>,
    issuer: Option<String>,
}

impl From<wire::CertificateState> for StateView {
    fn from(state: wire::CertificateState) -> Self {
        let nonempty = |text: String| (!text.is_empty()).then_some(text);
        Self {
            state: in_words(state.state()),
            serial_number: hex::encode(&state.serial_number),
            revoked_at: timestamp::text(state.revoked_at.as_ref()),
            reason: nonempty(state.reason),
            invalid_since: timestamp::text(state.invalidity_date.as_ref()),
            issuer: nonempty(state.issuer),
        }
    }
}

/// One word for a state.
pub(crate) fn in_words(state: wire::RevocationState) -> &'static str {
    match state {
        wire::RevocationState::Good => "good",
        wire::RevocationState::Revoked => "revoked",
        wire::RevocationState::Held => "held",
        wire::RevocationState::Unknown | wire::RevocationState::Unspecified => "unknown",
    }
}

/// What the wire allows one question.
const SERIALS_MAX: usize = 1_000;
