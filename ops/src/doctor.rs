//! `touchmark doctor` checks the credential, the connection to the CA, the clocks, and what the CA publishes.

mod checks;
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

use crate::Context;
use crate::certificate::RevocationUrls;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::revocations;
use crate::table::{Column, always};
use crate::timestamp;
use crate::view::revocation_word;
use checks::Checks;

/// Runs all checks. An error if one failed, after all findings were printed.
pub(crate) async fn run(context: &mut Context<'_>) -> Result<(), Failure> {
    let now = SystemClock.now();
    let mut checks = Checks::default();
    let der = credential(&context.connection, now, &mut checks);
    if let Some(mut client) = reach(&context.connection, &mut checks).await {
        let served = match &der {
            Some(der) => accepted(der, &mut client, &mut checks).await,
            None => None,
        };
        // The `date` header is only a substitute for operators' RPC: the HTTP library caches it.
        let condition = condition::of(&context.connection, &mut checks).await;
        let doubted = condition.as_ref().is_some_and(|condition| !condition.clock_doubt.is_empty());
        match doubted {
            // Then the CA counts on from the last trusted time, which says nothing about its clock.
            true => checks.warn("clock", "not compared with the CA's, which is in doubt", ""),
            false => clock(now, condition.as_ref().and_then(condition::time).or(served), &mut checks),
        }
        if let Some(condition) = &condition {
            condition::report(condition, now, &mut checks);
        }
        for issuer in ISSUERS {
            crl(issuer, now, &mut client, &mut checks).await;
        }
    }
    if let Some(der) = &der {
        public(&RevocationUrls::of(der), &mut checks).await;
    }
    context.output.rows(&checks.findings, COLUMNS, false)?;
    if !context.output.is_json() {
        checks.next_steps().iter().for_each(|next| context.output.note(&format!("next:  {next}")));
    }
    match checks.bad_count() {
        0 => Ok(()),
        bad => Err(Failure::not_good(format!("{} failed", count(bad, "check")))),
    }
}

const COLUMNS: &[Column<checks::Finding>] = &[
    always("CHECK", |finding| finding.what.clone()),
    always("HEALTH", |finding| finding.health.word().to_owned()),
    always("FINDING", |finding| finding.finding.clone()),
];

/// Checks the credential directory and the end of its certificate. Returns the certificate.
fn credential(connection: &Connection, now: SystemTime, checks: &mut Checks) -> Option<Vec<u8>> {
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
            checks.failure(WHAT, &failure);
            return None;
        }
    };
    let Ok((_, certificate)) = X509Certificate::from_der(&der) else {
        checks.bad(WHAT, "cert.pem is not a certificate", "make another with `touchmark principal issue`");
        return None;
    };
    let until = prost_types::Timestamp { seconds: certificate.validity().not_after.timestamp(), nanos: 0 };
    let end = timestamp::system(Some(&until)).unwrap_or(now);
    let (until, left) = (timestamp::for_people(Some(&until)), timestamp::days_left(now, end));
    let said = format!("{}, until {until} ({left})", certificate.subject());
    if end <= now {
        checks.bad(WHAT, said, RENEW_CREDENTIAL);
    } else if timestamp::days_between(now, end) < DAYS_LEFT_MIN {
        checks.warn(WHAT, said, RENEW_CREDENTIAL);
    } else {
        checks.good(WHAT, said);
    }
    Some(der)
}

/// Connects to the CA, and checks that the credential trusts it.
async fn reach(connection: &Connection, checks: &mut Checks) -> Option<RevocationServiceClient<Channel>> {
    match connection.revocations().await {
        Ok(client) => {
            checks.good("server", format!("{}, TLS 1.3", connection.server().unwrap_or_default()));
            Some(client)
        }
        Err(failure) => {
            checks.failure("server", &failure);
            None
        }
    }
}

/// Checks that the CA accepts this credential. Returns the time of its answer.
async fn accepted(
    der: &[u8],
    client: &mut RevocationServiceClient<Channel>,
    checks: &mut Checks,
) -> Option<SystemTime> {
    let serial = X509Certificate::from_der(der).map(|(_, certificate)| certificate.raw_serial().to_vec());
    let answer = match revocations::state_of(&serial.unwrap_or_default(), client).await {
        Ok(answer) => answer,
        Err(status) => {
            checks.failure("access", &Failure::from(status));
            return None;
        }
    };
    let served = answer.metadata().get("date").and_then(|date| date.to_str().ok());
    let served = served.and_then(|date| httpdate::parse_http_date(date).ok());
    match answer.into_inner().states.first().map(wire::CertificateState::state) {
        Some(wire::RevocationState::Good) => checks.good("access", "the CA takes this credential"),
        Some(state) => checks.bad(
            "access",
            format!("the CA says that this credential is {}", revocation_word(state)),
            RENEW_CREDENTIAL,
        ),
        None => checks.bad("access", "the CA gave no answer", "use the programs of one version"),
    }
    served
}

fn clock(now: SystemTime, served: Option<SystemTime>, checks: &mut Checks) {
    let Some(served) = served else {
        return checks.warn("clock", "the CA did not say what time it is", "");
    };
    // The CA's time has whole seconds.
    let skew = now.duration_since(served).unwrap_or_else(|behind| behind.duration());
    let apart = humantime::format_duration(Duration::from_secs(skew.as_secs()));
    let said = format!("{apart} apart from the CA's");
    if skew > SKEW_MAX {
        checks.bad("clock", said, "set the clock of this machine or of the CA, for example with NTP");
    } else if skew > SKEW_USUAL {
        checks.warn("clock", said, "set the clocks with NTP");
    } else {
        checks.good("clock", said);
    }
}

async fn crl(
    issuer: &str,
    now: SystemTime,
    client: &mut RevocationServiceClient<Channel>,
    checks: &mut Checks,
) {
    let what = format!("CRL of {issuer}");
    let request = wire::GetCrlRequest { issuer: issuer.to_owned(), shard: None };
    let first = match client.get_crl(request).await {
        Ok(stream) => stream.into_inner().message().await,
        Err(status) => Err(status),
    };
    let first = match first {
        Ok(Some(first)) => first,
        Ok(None) => return checks.bad(&what, "none", "read the CA's log"),
        Err(status) => return checks.failure(&what, &Failure::from(status)),
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
        return checks.bad(&what, "without an end (R-CRL-01)", "use the programs of one version");
    };
    let life = end.duration_since(made).unwrap_or_default();
    if made.duration_since(now).is_ok_and(|ahead| ahead > SKEW_MAX) {
        let said = format!("{said}: it begins only at {}", timestamp::for_people(first.this_update.as_ref()));
        return checks.bad(&what, said, FROM_THE_FUTURE);
    }
    match end.duration_since(now) {
        Err(_) => checks.bad(&what, format!("{said}: it has expired"), next),
        Ok(left) if left < life / FRESH_PART => checks.warn(&what, said, next),
        Ok(_) => checks.good(&what, said),
    }
}

async fn public(urls: &RevocationUrls, checks: &mut Checks) {
    if urls.revocation_list.is_empty() {
        let said = "certificates do not say where their CRL is";
        return checks.warn(
            "public CRL",
            said,
            "set `public-url` in ca.toml: certificates from then on say it",
        );
    }
    for (what, urls) in [("public CRL", &urls.revocation_list), ("issuer's certificate", &urls.issuer)] {
        for url in urls {
            match http::length_of(url).await {
                Ok(length) => checks.good(what, format!("{url}: {length} bytes")),
                Err(why) => checks.bad(
                    what,
                    format!("{url}: {why}"),
                    "relying parties fetch this: check `public-url` and `http-listen` in ca.toml, and what is between",
                ),
            }
        }
    }
}

const ISSUERS: [&str; 4] = ["factory", "operational", "infrastructure", ROOT];
const ROOT: &str = "root";

/// Enough time to act, with holidays.
const DAYS_LEFT_MIN: i64 = 30;

const RENEW_CREDENTIAL: &str =
    "an operator makes another with `touchmark principal issue`; the last one with `touchmark-ca credential`";

const FROM_THE_FUTURE: &str = "set the clock of this machine or of the CA; a CA whose clock is right again replaces such a list at once (docs/operations/wrong-clock.md)";

/// One second for the rounding of the answer, the rest for the round trip.
const SKEW_USUAL: Duration = Duration::from_secs(5);

/// From here on certificates and CRLs are misjudged.
const SKEW_MAX: Duration = Duration::from_secs(60);

/// A CRL is replaced before a quarter of its life is left (R-CRL-03).
const FRESH_PART: u32 = 4;
