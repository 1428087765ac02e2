//! Why a connection to a CA failed, for the person who must act.

use std::error::Error;
use std::fmt;
use std::io;

use diagnostics::causes;
use rustls::CertificateError;

/// Why a connection failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Diagnosis {
    /// The server does not speak TLS.
    NotTls,
    /// The server's certificate has expired by this machine's clock.
    Expired,
    /// The server's certificate is not yet valid by this machine's clock.
    NotBegun,
    /// The server is not of the CA that the credential trusts.
    Stranger,
    /// The connection was refused: no program listens there.
    Refused,
    /// Another cause, in the system's words.
    Other(String),
}

/// Finds the nearest cause that says who must act; otherwise the deepest.
pub fn diagnose(error: &(dyn Error + 'static)) -> Diagnosis {
    causes(error).find_map(of_cause).unwrap_or_else(|| {
        Diagnosis::Other(causes(error).last().map_or_else(String::new, ToString::to_string))
    })
}

fn of_cause(error: &(dyn Error + 'static)) -> Option<Diagnosis> {
    match error.downcast_ref::<io::Error>() {
        Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => Some(Diagnosis::Refused),
        _ => error.downcast_ref().and_then(of_tls),
    }
}

fn of_tls(error: &rustls::Error) -> Option<Diagnosis> {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        UnknownIssuer,
    };
    match error {
        // Plain HTTP is not a TLS record.
        rustls::Error::InvalidMessage(_) => Some(Diagnosis::NotTls),
        rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }) => Some(Diagnosis::Expired),
        rustls::Error::InvalidCertificate(NotValidYet | NotValidYetContext { .. }) => {
            Some(Diagnosis::NotBegun)
        }
        rustls::Error::InvalidCertificate(UnknownIssuer | CertificateError::BadSignature) => {
            Some(Diagnosis::Stranger)
        }
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            Some(Diagnosis::Other(error.to_string()))
        }
        _ => None,
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotTls => "this port does not speak TLS: it is not the CA's gRPC port",
            Self::Expired => "the server's certificate has ended, as this machine's clock says",
            Self::NotBegun => "the server's certificate has not begun, as this machine's clock says",
            Self::Stranger => "the server is not of the CA that this credential trusts",
            Self::Refused => "nobody listens there (connection refused)",
            Self::Other(text) => text,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_does_not_speak_tls_is_told_from_a_stranger_and_from_nobody() {
        let not_tls = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert_eq!(diagnose(&io::Error::new(io::ErrorKind::InvalidData, not_tls)), Diagnosis::NotTls);
        let stranger = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert_eq!(diagnose(&io::Error::other(stranger)), Diagnosis::Stranger);
        assert_eq!(diagnose(&io::Error::from(io::ErrorKind::ConnectionRefused)), Diagnosis::Refused);
        assert_eq!(diagnose(&io::Error::other("the cable")), Diagnosis::Other("the cable".to_owned()));
    }
}
