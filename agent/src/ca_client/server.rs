//! The address of the CA.

use std::fmt;
use std::str::FromStr;

use dial::ServerAddressError;
use http::Uri;
use rustls::pki_types::ServerName;

use crate::state::View;

use super::ObtainError;

/// The address of a CA: `https://HOST:PORT`, or `HOST:PORT`.
#[derive(Debug, Clone)]
pub struct Server {
    pub(super) uri: Uri,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) name: ServerName<'static>,
}

impl Server {
    /// The named one, or else the one that the factory named.
    pub(crate) fn or_of_factory(named: Option<Self>, view: &View) -> Result<Self, ObtainError> {
        match named {
            Some(server) => Ok(server),
            None => Ok(view.record().enrollment_url.as_deref().ok_or(ObtainError::NoServer)?.parse()?),
        }
    }
}

impl FromStr for Server {
    type Err = ServerAddressError;

    fn from_str(text: &str) -> Result<Self, ServerAddressError> {
        let uri = dial::server(text)?;
        let (host, port) = dial::host_and_port(&uri);
        let name = ServerName::try_from(host.clone())
            .map_err(|_| ServerAddressError { address: host.clone(), why: String::new() })?;
        Ok(Self { uri, host, port, name })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.uri)
    }
}
