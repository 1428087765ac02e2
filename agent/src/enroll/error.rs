//! Why a device has not got its certificate, and who must act.

use std::io;
use std::time::Duration;

use tonic::Code;

use crate::certificate::Unfit;
use crate::key::KeyError;
use crate::state::StateError;

/// Why a device has not got its certificate. What was done before is kept, and is not done again.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// The state directory is at fault.
    #[error(transparent)]
    State(#[from] StateError),
    /// The key does not sign.
    #[error("the key of the new certificate cannot be used")]
    Key(#[source] KeyError),
    /// The factory has not finished.
    #[error("this unit has no birth certificate")]
    NotBorn,
    /// Nobody said where the CA is.
    #[error("the factory named no CA to enrol at")]
    NoServer,
    /// Not an address.
    #[error(
        "{address:?} is not the address of a CA{why}; it is written https://HOST:PORT or HOST:PORT, for example https://ca.example.com:8443"
    )]
    ServerAddress {
        /// What was given.
        address: String,
        /// What is wrong with its host, in brackets; empty: it is no such URL at all.
        why: String,
    },
    /// Nobody answers there.
    #[error("the CA at {server} cannot be reached")]
    Unreachable {
        /// The address.
        server: String,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody answers, and it is not the CA, or time stands between us.
    #[error("the server at {server} is not the CA that this unit trusts{}", clock_hint(source, now))]
    ServerCertificate {
        /// The address.
        server: String,
        /// What is wrong.
        source: rustls::Error,
        /// What we took for the time.
        now: String,
    },
    /// The server does not take our certificate in the handshake.
    #[error("the CA does not take this unit's certificate (TLS alert {alert})")]
    NotAccepted {
        /// What it said.
        alert: String,
    },
    /// The CA refuses.
    #[error("the CA refuses: {message} ({reason})")]
    Refused {
        /// gRPC's.
        code: Code,
        /// The stable reason, or gRPC's code when there is none.
        reason: String,
        /// For people.
        message: String,
        /// When the CA asks to be asked again.
        retry_after: Option<Duration>,
    },
    /// The certificate that came is not for us.
    #[error("the CA's answer does not fit this unit, and was not kept")]
    Answer(#[from] Unfit),
    /// The answer is not whole, or contradicts itself.
    #[error("the CA's answer is not complete, and was not kept: {what}")]
    AnswerMalformed {
        /// What is wrong.
        what: &'static str,
    },
    /// The certificate that was asked for ended or was revoked before it was in use: the unit was off for too long, or was withdrawn.
    #[error(
        "the operational certificate that the CA has for this unit ended or was revoked before it was in use"
    )]
    Stale,
    /// The certificate that was asked for has waited so long that it is of no use: the one in use outlasts it.
    #[error(
        "the next certificate, which was issued some time ago, ends at {ends}, before the one in use, which ends at {in_use}"
    )]
    Overtaken {
        /// When it ends.
        ends: String,
        /// When the one in use ends.
        in_use: String,
    },
    /// It took too long.
    #[error("not done within {}{}", humantime::format_duration(*deadline), last_hint(last))]
    NotInTime {
        /// How long was allowed.
        deadline: Duration,
        /// What stood in the way last.
        last: Option<Box<Self>>,
    },
}

impl EnrollError {
    /// What it means for a device that goes on for years.
    pub fn bearing(&self) -> Bearing {
        match self {
            Self::State(error) if error.is_damage() => Bearing::Stop,
            Self::State(
                StateError::Missing { .. } | StateError::Foreign { .. } | StateError::NotADirectory { .. },
            ) => Bearing::Stop,
            Self::NotBorn | Self::NoServer | Self::ServerAddress { .. } => Bearing::Stop,
            Self::Refused { reason, .. } if WITHHELD.contains(&reason.as_str()) => Bearing::Withheld,
            Self::Refused { reason, .. } if OUT.contains(&reason.as_str()) => Bearing::Stop,
            Self::NotAccepted { .. } => Bearing::Withheld,
            _ => Bearing::Passes,
        }
    }

    /// What a person does next; `None` when the message says it all.
    pub fn next_step(&self) -> Option<&'static str> {
        match self {
            Self::State(error) => error.next_step(),
            Self::NotBorn => Some("finish it in the factory first: touchmark-agent factory"),
            Self::NoServer => Some("name the CA: --server https://HOST:PORT"),
            Self::Unreachable { .. } => {
                Some("check the network and the address of the CA, then run it again; it goes on from here")
            }
            Self::ServerCertificate { .. } => {
                Some("check --server and this unit's clock; `touchmark-agent doctor` looks at both")
            }
            Self::NotAccepted { .. } => Some(RETURN),
            Self::Refused { reason, .. } => Some(advice(reason)),
            Self::Answer(_) | Self::AnswerMalformed { .. } => Some("report it to the CA's operator"),
            Self::NotInTime { .. } => Some("run it again, it goes on from here"),
            Self::Key(_) => Some("`touchmark-agent doctor` says what is wrong with the key"),
            Self::Overtaken { .. } => Some("run it again: the unit asks for another"),
            Self::Stale => Some("run it again: the unit enrols anew with its birth certificate"),
            Self::ServerAddress { .. } => None,
        }
    }

    /// Whether the CA keeps the unit out until its operator decides otherwise: on hold, or its lineage forked.
    pub fn is_withheld(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if ON_HOLD.contains(&reason.as_str()))
    }

    /// Whether the CA does not take the certificate that made the call, so that another one must ask.
    pub(crate) fn is_of_the_caller(&self) -> bool {
        match self {
            Self::NotAccepted { .. } => true,
            Self::Refused { reason, .. } => matches!(
                reason.as_str(),
                "CLIENT_CERTIFICATE_REVOKED" | "CLIENT_CERTIFICATE_EXPIRED" | "CLIENT_CERTIFICATE_UNKNOWN"
            ),
            _ => false,
        }
    }

    /// Whether the CA says that the certificate that made the call has ended.
    pub(crate) fn is_of_an_ended_caller(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason == "CLIENT_CERTIFICATE_EXPIRED")
    }

    /// Whether it may pass without anybody doing anything.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { code, retry_after, .. } => {
                retry_after.is_some()
                    || matches!(
                        code,
                        Code::Unavailable
                            | Code::Unknown
                            | Code::DeadlineExceeded
                            | Code::Aborted
                            | Code::Cancelled
                    )
            }
            _ => false,
        }
    }

    /// Whether the certificate that was asked for has ended, was revoked or is outlasted before it was in use: the same question gets the
    /// same certificate for ever, so another question must be asked (R-LIFE-05).
    pub(crate) fn asks_for_another(&self) -> bool {
        match self {
            Self::Stale | Self::Overtaken { .. } => true,
            Self::Refused { reason, .. } => reason == "CERTIFICATE_REVOKED",
            _ => false,
        }
    }

    /// What it means when the operational certificate made the call.
    pub(crate) fn of_operational(self) -> Self {
        match self {
            Self::NotAccepted { .. } => Self::Stale,
            Self::Refused { reason, .. }
                if matches!(reason.as_str(), "CLIENT_CERTIFICATE_REVOKED" | "CLIENT_CERTIFICATE_EXPIRED") =>
            {
                Self::Stale
            }
            other => other,
        }
    }

    /// How long the CA asks to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the CA refuses for good: a person must act.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::NotAccepted { .. }) && !self.may_pass()
    }

    /// A copy for the last word of [`EnrollError::NotInTime`].
    pub(crate) fn brief(&self) -> Self {
        match self {
            Self::Refused { code, reason, message, retry_after } => Self::Refused {
                code: *code,
                reason: reason.clone(),
                message: message.clone(),
                retry_after: *retry_after,
            },
            Self::Unreachable { server, source } => Self::Unreachable {
                server: server.clone(),
                source: io::Error::new(source.kind(), source.to_string()),
            },
            _ => Self::AnswerMalformed { what: "see the log" },
        }
    }
}

/// What a failure means for a device that goes on for years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearing {
    /// Try again: with pauses that grow to an hour (R-LIFE-03).
    Passes,
    /// The CA's operator decides: ask now and then whether that has happened.
    Withheld,
    /// Nothing that this program does will help: the unit was withdrawn for good, or its state is at fault.
    Stop,
}

/// Reasons of the CA that its operator takes back.
const ON_HOLD: &[&str] = &["DEVICE_HELD", "CERTIFICATE_HELD", "CLIENT_CERTIFICATE_HELD", "LINEAGE_FORKED"];

/// Those, and the ones that an operator mends in other ways: a certificate to be revoked first, a CA that was restored.
const WITHHELD: &[&str] = &[
    "DEVICE_HELD",
    "CERTIFICATE_HELD",
    "CLIENT_CERTIFICATE_HELD",
    "LINEAGE_FORKED",
    "ALREADY_ENROLLED",
    "TOO_MANY_UNCONFIRMED",
    "CLIENT_CERTIFICATE_UNKNOWN",
    "CLIENT_CERTIFICATE_EXPIRED",
    "DEVICE_NOT_FOUND",
];

/// Reasons of the CA that are for ever.
const OUT: &[&str] = &["CLIENT_CERTIFICATE_REVOKED", "DEVICE_REVOKED", "DEVICE_RETIRED", "DEVICE_SCRAPPED"];

fn advice(reason: &str) -> &'static str {
    match reason {
        "DEVICE_HELD" | "CERTIFICATE_HELD" | "CLIENT_CERTIFICATE_HELD" => {
            "the CA's operator put it on hold and can release it: touchmark device release"
        }
        "LINEAGE_FORKED" => {
            "another unit with the same certificate has renewed before: one of the two is a copy, or this state was restored from an old backup; the CA's operator decides: touchmark device forks"
        }
        "CERTIFICATE_REVOKED"
        | "CLIENT_CERTIFICATE_REVOKED"
        | "CLIENT_CERTIFICATE_UNKNOWN"
        | "CLIENT_CERTIFICATE_EXPIRED"
        | "DEVICE_NOT_FOUND"
        | "DEVICE_REVOKED"
        | "DEVICE_RETIRED"
        | "DEVICE_SCRAPPED" => RETURN,
        "ALREADY_ENROLLED" => {
            "it has enrolled before with another key: if its state was lost, the CA's operator must revoke that certificate first; if this is a copy of another unit's state, return the unit"
        }
        "CLOCK_IN_DOUBT" => {
            "the CA's clock is wrong, and the unit goes on by itself when it is right again; the CA's operator sees it in touchmark doctor"
        }
        "KEY_ALREADY_USED" | "REQUEST_ID_REUSED" => {
            "this state directory is a copy of another's, or was restored from an old backup; return the unit"
        }
        _ => "ask the CA's operator",
    }
}

/// A wrong clock looks like a wrong certificate.
fn clock_hint(error: &rustls::Error, now: &str) -> String {
    use rustls::CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    match error {
        rustls::Error::InvalidCertificate(
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. },
        ) => format!(
            ", or the clock is wrong: this unit takes it to be {now}; if that is right, the CA's server needs a new certificate"
        ),
        _ => String::new(),
    }
}

fn last_hint(last: &Option<Box<EnrollError>>) -> String {
    last.as_ref()
        .map(|last| format!(" (last: {})", crate::enroll::retry::chain(last.as_ref())))
        .unwrap_or_default()
}

const RETURN: &str = "return the unit to its maker, it can do nothing about it itself";
