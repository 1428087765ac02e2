//! `touchmark principal issue`: makes a key, requests a certificate for it, and writes the credential
//! directory.
//!
//! The request (request id and certificate request) is on disk before it is sent. If the answer was lost, the
//! same command sends the same request and gets the same certificate.

use std::fs;
use std::path::{Path, PathBuf};

use client::{CERTIFICATE_FILE, CHAIN_FILE, TRUST_FILE};
use identity::Role;
use serde::Serialize;

use super::pending_request::{PENDING_FILE, Prepared, prepare};
use crate::arguments::IssueArguments;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::files;

/// A complete credential directory.
#[derive(Debug, Serialize)]
pub(crate) struct Issued {
    principal: String,
    serial_number: String,
    directory: PathBuf,
    #[serde(skip)]
    next: String,
}

impl Issued {
    pub(crate) fn to_text(&self) -> String {
        format!(
            "{} has certificate {}\nin {}{}",
            self.principal,
            self.serial_number,
            self.directory.display(),
            self.next
        )
    }
}

pub(crate) async fn issue(arguments: &IssueArguments, connection: &Connection) -> Result<Issued, Failure> {
    check_hosts(arguments)?;
    let server = connection.server()?;
    let Prepared { pending, created } = prepare(arguments)?;
    let mut client = connection.principals().await?;
    let answer = match client.issue(pending.to_wire()?).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            let failure = Failure::from(status);
            // The CA refused, so nothing was issued, and the next run may ask for something else.
            if failure.0.status == cli::Status::Failed && failure.0.reason.is_some() {
                created.remove();
            }
            return Err(failure);
        }
    };
    let certificate =
        answer.certificate.ok_or_else(|| Failure::local("the CA answered without a certificate"))?;
    let directory = &arguments.out;
    write_settings(arguments.role, directory, &server)?;
    let anchors = answer.trust_bundle.unwrap_or_default().anchors;
    let trust = files::pem(anchors.iter().map(AsRef::as_ref));
    let chain = files::pem(answer.chain.iter().map(AsRef::as_ref));
    files::write(&directory.join(TRUST_FILE), trust.as_bytes(), false)?;
    files::write(&directory.join(CHAIN_FILE), chain.as_bytes(), false)?;
    // The certificate is written last: a directory that has one is complete.
    let leaf = files::pem([certificate.certificate.as_ref()]);
    files::write(&directory.join(CERTIFICATE_FILE), leaf.as_bytes(), false)?;
    let open = directory.join(PENDING_FILE);
    fs::remove_file(&open).map_err(|source| Failure::file(&open, source))?;
    Ok(Issued {
        principal: format!("{}:{}", arguments.role, arguments.name),
        serial_number: hex::encode(&certificate.serial_number),
        directory: directory.clone(),
        next: next(arguments.role, directory),
    })
}

/// Only the certificate of a service has names.
fn check_hosts(arguments: &IssueArguments) -> Result<(), Failure> {
    match (arguments.role, arguments.hosts.len()) {
        (Role::Service, 0) => {
            Err(Failure::usage("a service has at least one name").next("say it: --host NAME_OR_IP"))
        }
        (Role::Service, hosts) if hosts > HOSTS_MAX => {
            Err(Failure::usage(format!("a service has at most {HOSTS_MAX} names, not {hosts}")))
        }
        (Role::Service, _) | (_, 0) => Ok(()),
        (role, _) => {
            Err(Failure::usage(format!("--host is for a service, not for a credential of the role {role}")))
        }
    }
}

/// Writes the settings of the program that uses the credential.
fn write_settings(role: Role, directory: &Path, server: &str) -> Result<(), Failure> {
    let server = toml::Value::String(server.to_owned());
    let Some(name) = role.settings_file() else { return Ok(()) };
    let credentials = if role == Role::Station { "credentials = \".\"\n" } else { "" };
    let text = format!("server = {server}\n{credentials}");
    files::write(&directory.join(name), text.as_bytes(), false)
}

fn next(role: Role, directory: &Path) -> String {
    let directory = directory.display();
    match role {
        Role::Station => {
            format!(
                "; move it to the station, then:\n  touchmark-station provision --config {directory}/station.toml …"
            )
        }
        Role::Operator => format!("; to use it:\n  touchmark --credentials {directory} work-order list"),
        _ => String::new(),
    }
}

/// `CREDENTIAL_NAMES_MAX` of the CA.
const HOSTS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::super::pending_request::tests::arguments;
    use super::*;

    #[test]
    fn a_service_has_one_to_sixteen_names_and_nobody_else_has_any() {
        let directory = tempfile::tempdir().unwrap();
        let with = |role, hosts: usize| {
            let hosts = vec!["ca.example.com".to_owned(); hosts];
            check_hosts(&IssueArguments { role, hosts, ..arguments(directory.path()) }).is_ok()
        };
        assert!(with(Role::Service, 1) && with(Role::Service, 16) && with(Role::Station, 0));
        assert!(!with(Role::Service, 0) && !with(Role::Service, 17) && !with(Role::Station, 1));
    }
}
