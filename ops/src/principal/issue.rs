//! `touchmark principal issue`: a key made here, a certificate for it, and the directory that holds both.
//!
//! The question (request id and certificate request) is on disk before it is asked. Whoever lost the answer asks again with the
//! same command and gets the same certificate.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use client::{CERTIFICATE_FILE, CHAIN_FILE, KEY_FILE, TRUST_FILE};
use identity::{PrincipalName, Role};
use proto::v1 as wire;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::files;
use crate::{principal, work_order};

/// What a credential is for and where it goes.
#[derive(Debug, Args)]
pub struct IssueArguments {
    /// station, operator, relying-party or service
    pub role: Role,
    /// Its name: 1 to 48 lower-case letters, digits, - and .; for example line-3
    pub name: PrincipalName,
    /// A new or empty directory, or one left by an interrupted run of this command
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// A certificate request (PKCS#10, PEM or DER) for a key that was made elsewhere; no key is written then
    #[arg(long, value_name = "FILE")]
    pub csr: Option<PathBuf>,
    /// Days of life [default: as the profile says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub lifetime_days: Option<u32>,
    /// For a service: a DNS name or address; repeat for more, at most 16
    #[arg(long = "host", value_name = "NAME_OR_IP", value_parser = host)]
    pub hosts: Vec<String>,
}

/// A name or address that a certificate can have.
fn host(text: &str) -> Result<String, identity::HostError> {
    text.parse::<identity::Host>().map(|host| host.to_string())
}

/// A credential directory that is complete.
#[derive(Debug, Serialize)]
pub(crate) struct Issued {
    principal: String,
    serial_number: String,
    directory: PathBuf,
    #[serde(skip)]
    next: String,
}

impl Issued {
    /// For people: what was made and what to do with it.
    pub(crate) fn in_words(&self) -> String {
        format!(
            "{} has certificate {}\nin {}{}",
            self.principal,
            self.serial_number,
            self.directory.display(),
            self.next
        )
    }
}

/// Asks for a credential and writes its directory.
///
/// # Errors
/// When the directory holds something else, a file cannot be written, or the CA refuses.
pub(crate) async fn issue(arguments: &IssueArguments, connection: &Connection) -> Result<Issued, Failure> {
    check_hosts(arguments)?;
    let server = connection.server()?;
    let Asked { question, trace } = question(arguments)?;
    let mut client = principal::client(connection).await?;
    let answer = match client.issue(question.request()?).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            let failure = Failure::from(status);
            // The CA looked at the question and said no: nothing was issued, and the next one may be another.
            if failure.status() == cli::Status::Failed && failure.reason().is_some() {
                trace.remove();
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
    // The certificate comes last: a directory that has one is complete.
    let leaf = files::pem([certificate.certificate.as_ref()]);
    files::write(&directory.join(CERTIFICATE_FILE), leaf.as_bytes(), false)?;
    let open = directory.join(QUESTION_FILE);
    fs::remove_file(&open).map_err(|source| Failure::file(&open, source))?;
    Ok(Issued {
        principal: format!("{}:{}", arguments.role, arguments.name),
        serial_number: hex::encode(&certificate.serial_number),
        directory: directory.clone(),
        next: next(arguments.role, directory),
    })
}

/// A server has names; nobody else has.
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

/// A question, and what this run left on disk for it.
struct Asked {
    question: Question,
    trace: Trace,
}

/// What this run made. Nothing, when the question was left by an earlier run: that one may have been answered.
#[derive(Debug, Default)]
struct Trace {
    files: Vec<PathBuf>,
    directory: Option<PathBuf>,
}

impl Trace {
    /// Removes it, so that the same directory can be named again.
    fn remove(&self) {
        for file in &self.files {
            fs::remove_file(file).ok();
        }
        if let Some(directory) = &self.directory {
            fs::remove_dir(directory).ok();
        }
    }
}

/// The question as it lies on disk until it is answered.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Question {
    role: String,
    name: String,
    lifetime_days: u32,
    hosts: Vec<String>,
    request_id: String,
    csr: String,
}

impl Question {
    fn request(&self) -> Result<wire::IssuePrincipalRequest, Failure> {
        let damaged =
            |_| Failure::local(format!("{QUESTION_FILE} is damaged")).next("use another --out directory");
        let role: Role =
            self.role.parse().map_err(|_| Failure::local(format!("{QUESTION_FILE} is damaged")))?;
        Ok(wire::IssuePrincipalRequest {
            request_id: hex::decode(&self.request_id).map_err(damaged)?.into(),
            role: principal::on_the_wire(role).into(),
            name: self.name.clone(),
            csr: hex::decode(&self.csr).map_err(damaged)?.into(),
            lifetime_days: self.lifetime_days,
            names: self.hosts.clone(),
        })
    }

    fn asks_the_same_as(&self, arguments: &IssueArguments) -> bool {
        self.role == arguments.role.to_string()
            && self.name == arguments.name.as_str()
            && self.lifetime_days == arguments.lifetime_days.unwrap_or(0)
            && self.hosts == arguments.hosts
    }
}

/// The question that lies unanswered in the directory, or a fresh one.
fn question(arguments: &IssueArguments) -> Result<Asked, Failure> {
    let directory = &arguments.out;
    let path = directory.join(QUESTION_FILE);
    if path.exists() {
        let text = fs::read_to_string(&path).map_err(|source| Failure::file(&path, source))?;
        let question: Question = toml::from_str(&text).map_err(|error| {
            Failure::local(format!("{}: {}", path.display(), error.message()))
                .next("use another --out directory")
        })?;
        if !question.asks_the_same_as(arguments) {
            return Err(Failure::usage(format!(
                "{} was left by an interrupted run of this command for {} {}",
                directory.display(),
                question.role,
                question.name
            ))
            .next("repeat that command exactly, or use another --out directory"));
        }
        return Ok(Asked { question, trace: Trace::default() });
    }
    if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::usage(format!("{} is not empty; nothing is overwritten", directory.display()))
            .next("use another --out directory"));
    }
    let csr = arguments.csr.as_deref().map(read_request).transpose()?;
    let mut trace = Trace { files: vec![path.clone()], directory: None };
    if !directory.exists() {
        trace.directory = Some(directory.clone());
    }
    if csr.is_none() {
        trace.files.push(directory.join(KEY_FILE));
    }
    match begin(arguments, csr, &path) {
        Ok(question) => Ok(Asked { question, trace }),
        Err(failure) => {
            trace.remove();
            Err(failure)
        }
    }
}

/// Makes the key, unless there is a certificate request, and puts the question on disk.
fn begin(arguments: &IssueArguments, csr: Option<Vec<u8>>, path: &Path) -> Result<Question, Failure> {
    files::make_directory(&arguments.out)?;
    let csr = match csr {
        Some(csr) => csr,
        None => make_key(&arguments.out)?,
    };
    let question = Question {
        role: arguments.role.to_string(),
        name: arguments.name.to_string(),
        lifetime_days: arguments.lifetime_days.unwrap_or(0),
        hosts: arguments.hosts.clone(),
        request_id: hex::encode(work_order::request_id()),
        csr: hex::encode(csr),
    };
    let text = toml::to_string(&question).map_err(|error| Failure::local(error.to_string()))?;
    files::write(path, text.as_bytes(), false)?;
    Ok(question)
}

/// Makes a P-256 key, keeps it in the directory, and returns the certificate request for it.
fn make_key(directory: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: rcgen::Error| Failure::local(format!("cannot make a key: {error}"));
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let mut parameters = CertificateParams::default();
    // The name is the profile's to give: the CA takes only the key from the request.
    parameters.distinguished_name = DistinguishedName::new();
    let csr = parameters.serialize_request(&key).map_err(failed)?.der().to_vec();
    let pem = Zeroizing::new(key.serialize_pem());
    files::write(&directory.join(KEY_FILE), pem.as_bytes(), true)?;
    Ok(csr)
}

/// Reads a certificate request, PEM or DER. The CA judges it.
fn read_request(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = fs::read(path).map_err(|source| Failure::file(path, source))?;
    if !bytes.starts_with(b"-----BEGIN") {
        return Ok(bytes);
    }
    match pem::parse(&bytes) {
        Ok(pem) if pem.tag() == "CERTIFICATE REQUEST" => Ok(pem.into_contents()),
        Ok(pem) => {
            Err(Failure::usage(format!("{}: a {} is not a certificate request", path.display(), pem.tag())))
        }
        Err(_) => Err(Failure::usage(format!("{}: not PEM", path.display()))),
    }
}

/// What the program that uses the credential reads: station.toml for a station, touchmark.toml for everybody else.
fn write_settings(role: Role, directory: &Path, server: &str) -> Result<(), Failure> {
    let server = toml::Value::String(server.to_owned());
    let (name, text) = match role {
        Role::Station => ("station.toml", format!("server = {server}\ncredentials = \".\"\n")),
        Role::Operator | Role::RelyingParty => ("touchmark.toml", format!("server = {server}\n")),
        Role::Service => return Ok(()),
    };
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
        Role::RelyingParty | Role::Service => String::new(),
    }
}

/// What the CA gives a server (`CREDENTIAL_NAMES_MAX` there).
const HOSTS_MAX: usize = 16;

/// Lies in the directory from before the question is asked until its answer is kept.
const QUESTION_FILE: &str = "request.toml";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn arguments(out: &Path) -> IssueArguments {
        IssueArguments {
            role: Role::Station,
            name: "line-3".parse().unwrap(),
            out: out.to_path_buf(),
            csr: None,
            lifetime_days: None,
            hosts: Vec::new(),
        }
    }

    #[test]
    fn a_question_that_was_not_answered_is_asked_again_word_for_word() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("line-3");
        let first = question(&arguments(&out)).unwrap().question;
        let again = question(&arguments(&out)).unwrap();
        assert_eq!(first, again.question);
        // It may have been answered: what an earlier run left is not removed.
        again.trace.remove();
        assert!(out.join(QUESTION_FILE).exists() && out.join(KEY_FILE).exists());
        assert_eq!(first.request().unwrap().request_id.len(), 16);
    }

    #[test]
    fn another_question_in_the_same_directory_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("line-3");
        question(&arguments(&out)).unwrap();
        let other = IssueArguments { name: "line-4".parse().unwrap(), ..arguments(&out) };
        assert_eq!(question(&other).map(drop).unwrap_err().status(), cli::Status::Usage);
    }

    #[test]
    fn a_question_that_was_refused_leaves_nothing_and_can_be_corrected() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("line-3");
        let refused = question(&arguments(&out)).unwrap();
        refused.trace.remove();
        assert!(!out.exists());
        let other = IssueArguments { lifetime_days: Some(30), ..arguments(&out) };
        assert_eq!(question(&other).unwrap().question.lifetime_days, 30);
    }

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

    #[test]
    fn a_directory_with_anything_in_it_is_not_touched() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("cert.pem"), "mine").unwrap();
        assert!(
            question(&arguments(directory.path())).map(drop).unwrap_err().to_string().contains("not empty")
        );
        assert_eq!(fs::read_to_string(directory.path().join("cert.pem")).unwrap(), "mine");
        assert!(!directory.path().join(KEY_FILE).exists());
    }

    #[test]
    fn the_key_is_for_its_owner_only_and_the_request_proves_it() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("line-3");
        let Asked { question, .. } = question(&arguments(&out)).unwrap();
        let mode = fs::metadata(out.join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        identity::Csr::from_der(&question.request().unwrap().csr).unwrap();
    }
}
