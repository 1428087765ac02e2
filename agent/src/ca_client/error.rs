//! Why a device did not obtain its certificate, and who must act.

use std::io;
use std::time::Duration;

use dial::ServerAddressError;
use tonic::Code;

use crate::certificate::CertificateError;
use crate::key::KeyError;
use crate::state::StateError;

use super::refusal::{RETURN, Refusal};

/// Why a device did not obtain its certificate. Steps that were done are kept and are not repeated.
#[derive(Debug, thiserror::Error)]
pub enum ObtainError {
    /// The state directory is at fault.
    #[error(transparent)]
    State(#[from] StateError),
    /// The key does not sign.
    #[error("the key of the new certificate cannot be used")]
    Key(#[source] KeyError),
    /// There is no birth certificate: the factory has not finished.
    #[error("this unit has no birth certificate")]
    NotBorn,
    /// Neither the factory nor the command line named a CA.
    #[error("the factory named no CA to enrol at")]
    NoServer,
    /// A text is no address of a CA.
    #[error(transparent)]
    ServerAddress(#[from] ServerAddressError),
    /// No connection to the server.
    #[error("the CA at {0} cannot be reached")]
    Unreachable(String, #[source] io::Error),
    /// The server's certificate is not trusted: it is not the CA's, or a clock is wrong.
    /// It was verified at a time in RFC 3339.
    #[error("the server at {} is not the CA that this unit trusts{}", .0, clock_hint(.1, .2))]
    ServerCertificate(String, #[source] rustls::Error, String),
    /// The server refused the device's certificate in the handshake, by the TLS alert of this name.
    #[error("the CA does not take this unit's certificate (TLS alert {0})")]
    NotAccepted(String),
    /// The CA answered with an error.
    #[error("the CA refuses: {message} ({reason})")]
    Refused {
        /// The gRPC status code.
        code: Code,
        /// What the reason means for a device.
        refusal: Refusal,
        /// The name of the reason, or of the status code when there is none.
        reason: String,
        /// The CA's text for people.
        message: String,
        /// The pause that the CA asks for.
        retry_after: Option<Duration>,
    },
    /// The certificate in the answer is not one for this device.
    #[error("the CA's answer does not fit this unit, and was not kept")]
    Answer(#[from] CertificateError),
    /// The answer is incomplete, or contradicts itself.
    #[error("the CA's answer is not complete, and was not kept: {0}")]
    AnswerMalformed(&'static str),
    /// The certificate that was asked for ended or was revoked before it was in use.
    #[error(
        "the operational certificate that the CA has for this unit ended or was revoked before it was in use"
    )]
    Stale,
    /// The certificate that was asked for was issued so long ago that the one in use outlasts it.
    #[error(
        "the next certificate, which was issued some time ago, ends at {ends}, before the one in use, which ends at {in_use}"
    )]
    Overtaken {
        /// When it ends, RFC 3339.
        ends: String,
        /// When the one in use ends, RFC 3339.
        in_use: String,
    },
    /// The run took longer than it was allowed. The text is the last error before: ` (last: …)`, or empty;
    /// with what the CA refused then, if it did.
    #[error("not done within {}{}", humantime::format_duration(*.0), .1)]
    NotInTime(Duration, String, Option<Refusal>),
}

impl ObtainError {
    /// How a program that runs for years goes on after it.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::State(error) if error.is_damage() => Disposition::Stop,
            Self::State(
                StateError::Missing { .. } | StateError::Foreign { .. } | StateError::NotADirectory { .. },
            ) => Disposition::Stop,
            Self::NotBorn | Self::NoServer | Self::ServerAddress { .. } => Disposition::Stop,
            Self::Refused { refusal, .. } => refusal.disposition(),
            Self::NotAccepted { .. } => Disposition::AwaitOperator,
            _ => Disposition::Retry,
        }
    }

    /// What a person does next; `None`: the message says it.
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
            Self::Refused { refusal, .. } => Some(refusal.next_step()),
            Self::Answer(_) | Self::AnswerMalformed { .. } => Some("report it to the CA's operator"),
            Self::NotInTime(_, _, Some(refusal @ Refusal::NotYetIssued)) => Some(refusal.next_step()),
            Self::NotInTime { .. } => Some("run it again, it goes on from here"),
            Self::Key(_) => Some("`touchmark-agent doctor` says what is wrong with the key"),
            Self::Overtaken { .. } => Some("run it again: the unit asks for another"),
            Self::Stale => Some("run it again: the unit enrols anew with its birth certificate"),
            Self::ServerAddress { .. } => None,
        }
    }

    /// Whether the CA's operator can end the refusal: the device is on hold, or its lineage forked.
    pub fn is_on_hold(&self) -> bool {
        matches!(self, Self::Refused { refusal: Refusal::Held | Refusal::Forked, .. })
    }

    /// Whether the CA refuses the certificate that made the call, so that another one must ask.
    pub(crate) fn is_of_the_caller(&self) -> bool {
        match self {
            Self::NotAccepted { .. } => true,
            Self::Refused { refusal, .. } => {
                matches!(refusal, Refusal::CallerRevoked | Refusal::CallerExpired | Refusal::CallerUnknown)
            }
            _ => false,
        }
    }

    /// Whether the CA says that the certificate that made the call has ended.
    pub(crate) fn is_of_an_ended_caller(&self) -> bool {
        matches!(self, Self::Refused { refusal: Refusal::CallerExpired, .. })
    }

    /// Whether trying again may help, without anybody doing anything.
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

    /// Whether the certificate that was asked for ended, was revoked or is outlasted before it was in use:
    /// the same request id gets the same certificate for ever, so another one must be used (R-LIFE-05).
    pub(crate) fn asks_for_another(&self) -> bool {
        match self {
            Self::Stale | Self::Overtaken { .. } => true,
            Self::Refused { refusal, .. } => *refusal == Refusal::AnswerRevoked,
            _ => false,
        }
    }

    /// The same error when the new operational certificate made the call.
    pub(crate) fn of_operational(self) -> Self {
        match self {
            Self::NotAccepted { .. }
            | Self::Refused { refusal: Refusal::CallerRevoked | Refusal::CallerExpired, .. } => Self::Stale,
            other => other,
        }
    }

    /// The pause that the CA asks for.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the CA refuses, and trying again does not help.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::NotAccepted { .. }) && !self.may_pass()
    }
}

/// How a program that runs for years goes on after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Try again, with pauses that grow to an hour (R-LIFE-03).
    Retry,
    /// The CA's operator must act: ask again every hour or so.
    AwaitOperator,
    /// End: the unit was revoked or retired for ever, or its state is damaged.
    Stop,
}

/// A hint that the clock may be wrong, where the certificate's validity is refused.
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
