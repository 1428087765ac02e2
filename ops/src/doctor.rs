//! `touchmark doctor`: what is wrong with this credential, the way to the CA, the clocks, or what the CA publishes.

mod checkup;
mod condition;
mod http;

use std::time::{Duration, SystemTime};

use cli::count;
use client::{CERTIFICATE_FILE, Connector};
use identity::{Clock, SystemClock};
use proto::v1 as wire;
use proto::v1::revocation_service_client::RevocationServiceClient;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tonic::transport::Channel;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::certificate::Places;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::revocations;
use crate::table::always;
use crate::timestamp;
use checkup::Checkup;

/// Looks at everything that can be looked at from here.
///
/// # Errors
/// When something is not good, after all of it was printed.
pub(crate) async fn run(connection: &Connection, output: &mut Output) -> Result<(), Failure> {
    let now = SystemClock.now();
    let mut checkup = Checkup::default();
    let der = credential(connection, now, &mut checkup);
    if let Some(mut client) = reach(connection, &mut checkup).await {
        let served = match &der {
            Some(der) => accepted(der, &mut client, &mut checkup).await,
            None => None,
        };
        // Who may ask the CA itself is told by it; the HTTP library under it keeps a date that it once wrote until that is over.
        let condition = condition::of(connection, &mut checkup).await;
        let doubted = condition.as_ref().is_some_and(|condition| !condition.clock_doubt.is_empty());
        match doubted {
            // The time that it goes by is counted on from the last one that was trusted: it says nothing of its clock.
            true => checkup.warn("clock", "not compared with the CA's, which is in doubt", ""),
            false => clock(now, condition.as_ref().and_then(condition::time).or(served), &mut checkup),
        }
        if let Some(condition) = &condition {
            condition::report(condition, now, &mut checkup);
        }
        for issuer in ISSUERS {
            list(issuer, now, &mut client, &mut checkup).await;
        }
    }
    if let Some(der) = &der {
        public(&Places::of(der), &mut checkup).await;
    }
    let columns = [always("CHECK"), always("HEALTH"), always("FINDING")];
    let cells = |finding: &checkup::Finding| {
        vec![finding.what.clone(), finding.health.word().to_owned(), finding.finding.clone()]
    };
    output.rows(&checkup.findings, &columns, cells, false)?;
    if !output.is_json() {
        checkup.next_steps().iter().for_each(|next| output.note(&format!("next:  {next}")));
    }
    match checkup.bad_count() {
        0 => Ok(()),
        bad => Err(Failure::not_good(format!("{} failed", count(bad, "check")))),
    }
}

/// Whether the credential directory can be used, and for how long; its certificate.
fn credential(connection: &Connection, now: SystemTime, checkup: &mut Checkup) -> Option<Vec<u8>> {
    const WHAT: &str = "credential";
    let usable = connection.directory().and_then(|directory| {
        let server = connection.uri()?;
        Connector::new(directory, &server).map_err(crate::connection::unusable)?;
        let path = directory.join(CERTIFICATE_FILE);
        let bytes = std::fs::read(&path).map_err(|source| Failure::file(&path, source))?;
        CertificateDer::from_pem_slice(&bytes)
            .map(|der| der.to_vec())
            .map_err(|_| Failure::local(format!("{}: not PEM", path.display())))
    });
    let der = match usable {
        Ok(der) => der,
        Err(failure) => {
            checkup.failure(WHAT, &failure);
            return None;
        }
    };
    let Ok((_, certificate)) = X509Certificate::from_der(&der) else {
        checkup.bad(WHAT, "cert.pem is not a certificate", "make another with `touchmark principal issue`");
        return None;
    };
    let end = certificate.validity().not_after.timestamp();
    let end = prost_types::Timestamp { seconds: end, nanos: 0 };
    let days = timestamp::system(Some(&end)).map_or(0, |end| timestamp::days_between(now, end));
    let left = timestamp::system(Some(&end)).map(|end| timestamp::days_left(now, end)).unwrap_or_default();
    let said = format!("{}, until {} ({left})", certificate.subject(), timestamp::for_people(Some(&end)));
    match timestamp::system(Some(&end)) {
        Some(end) if end <= now => checkup.bad(WHAT, said, RENEW_CREDENTIAL),
        _ if days < DAYS_LEFT_MIN => checkup.warn(WHAT, said, RENEW_CREDENTIAL),
        _ => checkup.good(WHAT, said),
    }
    Some(der)
}

/// Whether there is a server, and whether it is the one that this credential trusts.
async fn reach(connection: &Connection, checkup: &mut Checkup) -> Option<RevocationServiceClient<Channel>> {
    match revocations::client(connection).await {
        Ok(client) => {
            checkup.good("server", format!("{}, TLS 1.3", connection.server().unwrap_or_default()));
            Some(client)
        }
        Err(failure) => {
            checkup.failure("server", &failure);
            None
        }
    }
}

/// Whether the CA takes this credential; what time the answer says that it is.
async fn accepted(
    der: &[u8],
    client: &mut RevocationServiceClient<Channel>,
    checkup: &mut Checkup,
) -> Option<SystemTime> {
    let serial = X509Certificate::from_der(der).map(|(_, certificate)| certificate.raw_serial().to_vec());
    let answer = match revocations::state_of(&serial.unwrap_or_default(), client).await {
        Ok(answer) => answer,
        Err(status) => {
            checkup.failure("access", &Failure::from(status));
            return None;
        }
    };
    let served = answer.metadata().get("date").and_then(|date| date.to_str().ok());
    let served = served.and_then(|date| httpdate::parse_http_date(date).ok());
    match answer.into_inner().states.first().map(wire::CertificateState::state) {
        Some(wire::RevocationState::Good) => checkup.good("access", "the CA takes this credential"),
        Some(state) => checkup.bad(
            "access",
            format!("the CA says that this credential is {}", revocations::in_words(state)),
            RENEW_CREDENTIAL,
        ),
        None => checkup.bad("access", "the CA gave no answer", "use the programs of one version"),
    }
    served
}

/// How the CA's clock compares with ours.
fn clock(now: SystemTime, served: Option<SystemTime>, checkup: &mut Checkup) {
    let Some(served) = served else {
        return checkup.warn("clock", "the CA did not say what time it is", "");
    };
    // The CA says whole seconds.
    let skew = now.duration_since(served).unwrap_or_else(|behind| behind.duration());
    let apart = humantime::format_duration(Duration::from_secs(skew.as_secs()));
    let said = format!("{apart} apart from the CA's");
    if skew > SKEW_MAX {
        checkup.bad("clock", said, "set the clock of this machine or of the CA, for example with NTP");
    } else if skew > SKEW_USUAL {
        checkup.warn("clock", said, "set the clocks with NTP");
    } else {
        checkup.good("clock", said);
    }
}

/// Whether an issuer's list is fresh.
async fn list(
    issuer: &str,
    now: SystemTime,
    client: &mut RevocationServiceClient<Channel>,
    checkup: &mut Checkup,
) {
    let what = format!("CRL of {issuer}");
    let request = wire::GetCrlRequest { issuer: issuer.to_owned(), shard: None };
    let first = match client.get_crl(request).await {
        Ok(stream) => stream.into_inner().message().await,
        Err(status) => Err(status),
    };
    let first = match first {
        Ok(Some(first)) => first,
        Ok(None) => return checkup.bad(&what, "none", "read the CA's log"),
        Err(status) => return checkup.failure(&what, &Failure::from(status)),
    };
    let (made, end) = (first.this_update, first.next_update);
    let said = format!(
        "number 0x{}, {} bytes, until {}",
        hex::encode(&first.number).trim_start_matches('0'),
        first.length,
        timestamp::for_people(end.as_ref())
    );
    let next = if issuer == ROOT {
        "renew it on the machine that has the root's key: touchmark-ca root-crl --config F"
    } else {
        "the CA publishes the next CRL before this one expires: read its log"
    };
    let (Some(made), Some(end)) = (timestamp::system(made.as_ref()), timestamp::system(end.as_ref())) else {
        return checkup.bad(&what, "without an end (R-CRL-01)", "use the programs of one version");
    };
    let life = end.duration_since(made).unwrap_or_default();
    if made.duration_since(now).is_ok_and(|ahead| ahead > SKEW_MAX) {
        let said = format!("{said}: it begins only at {}", timestamp::for_people(first.this_update.as_ref()));
        return checkup.bad(&what, said, FROM_THE_FUTURE);
    }
    match end.duration_since(now) {
        Err(_) => checkup.bad(&what, format!("{said}: it has expired"), next),
        Ok(left) if left < life / FRESH_PART => checkup.warn(&what, said, next),
        Ok(_) => checkup.good(&what, said),
    }
}

/// Whether those who rely on certificates can fetch what these say.
async fn public(places: &Places, checkup: &mut Checkup) {
    if places.revocation_list.is_empty() {
        let said = "certificates do not say where their CRL is";
        return checkup.warn(
            "public CRL",
            said,
            "set `public-url` in ca.toml: certificates from then on say it",
        );
    }
    for (what, urls) in [("public CRL", &places.revocation_list), ("issuer's certificate", &places.issuer)] {
        for url in urls {
            match http::length_of(url).await {
                Ok(length) => checkup.good(what, format!("{url}: {length} bytes")),
                Err(why) => checkup.bad(
                    what,
                    format!("{url}: {why}"),
                    "relying parties fetch this: check `public-url` and `http-listen` in ca.toml, and what is between",
                ),
            }
        }
    }
}

/// The issuers that publish a list.
const ISSUERS: [&str; 4] = ["factory", "operational", "infrastructure", ROOT];

const ROOT: &str = "root";

/// With fewer days left it is time to act: somebody may be on holiday.
const DAYS_LEFT_MIN: i64 = 30;

const RENEW_CREDENTIAL: &str =
    "an operator makes another with `touchmark principal issue`; the last one with `touchmark-ca credential`";

const FROM_THE_FUTURE: &str = "set the clock of this machine or of the CA; a CA whose clock is right again replaces such a list at once (docs/operations/wrong-clock.md)";

/// A second for the whole seconds of the answer, one for the way.
const SKEW_USUAL: Duration = Duration::from_secs(5);

/// Certificates and lists begin to be misjudged.
const SKEW_MAX: Duration = Duration::from_secs(60);

/// A list must have a successor when a quarter of its life is left (R-CRL-03).
const FRESH_PART: u32 = 4;
