//! `touchmark revocations …`: status checks, and the feed of revocations.

mod crl;
mod crl_directory;
mod cursor;
mod event;
mod watch;

use cli::count;
use identity::SerialNumber;
use proto::v1 as wire;
use proto::v1::revocation_service_client::RevocationServiceClient;
use serde::Serialize;
use tonic::transport::Channel;

use crate::Context;
use crate::arguments::RevocationsCommand;
use crate::failure::Failure;
use crate::table::{Column, always, short, spare};
use crate::timestamp;
use crate::view::{nonempty, or_dash, revocation_word};

pub(crate) async fn run(command: RevocationsCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        RevocationsCommand::Check { serials, wide } => check(&serials, wide, context).await,
        RevocationsCommand::Watch(arguments) => watch::watch(arguments, context).await,
    }
}

pub(crate) async fn state_of(
    serial: &[u8],
    client: &mut RevocationServiceClient<Channel>,
) -> Result<tonic::Response<wire::CheckStatusResponse>, tonic::Status> {
    client.check_status(wire::CheckStatusRequest { serial_numbers: vec![serial.to_vec().into()] }).await
}

async fn check(serials: &[SerialNumber], wide: bool, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut client = context.connection.revocations().await?;
    let mut bad = 0;
    for some in serials.chunks(SERIALS_MAX) {
        let serial_numbers = some.iter().map(|serial| serial.as_bytes().to_vec().into()).collect();
        let states =
            client.check_status(wire::CheckStatusRequest { serial_numbers }).await?.into_inner().states;
        let states: Vec<StateView> = states.into_iter().map(StateView::from).collect();
        bad += states.iter().filter(|state| state.state != "good").count() as u64;
        context.output.rows(&states, COLUMNS, wide)?;
    }
    context.output.say_if_cut();
    match bad {
        0 => Ok(()),
        bad => Err(Failure::not_good(format!("{} not good", count(bad, "certificate")))
            .next("`touchmark certificate show SERIAL` says who, why and when")),
    }
}

const COLUMNS: &[Column<StateView>] = &[
    short("CERTIFICATE", |state| state.serial_number.clone()),
    always("STATE", |state| state.state.clone()),
    always("SINCE", |state| or_dash(&state.revoked_at)),
    spare(1, always("REASON", |state| or_dash(&state.reason))),
    spare(2, always("ISSUER", |state| or_dash(&state.issuer))),
];

#[derive(Debug, Serialize)]
struct StateView {
    serial_number: String,
    state: String,
    revoked_at: Option<String>,
    reason: Option<String>,
    invalid_since: Option<String>,
    issuer: Option<String>,
}

impl From<wire::CertificateState> for StateView {
    fn from(state: wire::CertificateState) -> Self {
        Self {
            state: revocation_word(state.state()),
            serial_number: hex::encode(&state.serial_number),
            revoked_at: timestamp::text(state.revoked_at.as_ref()),
            reason: nonempty(state.reason),
            invalid_since: timestamp::text(state.invalidity_date.as_ref()),
            issuer: nonempty(state.issuer),
        }
    }
}

const SERIALS_MAX: usize = 1_000;
