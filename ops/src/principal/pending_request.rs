//! A credential request that lies on disk until it is answered, so that an interrupted run can be repeated.

use std::fs;
use std::path::{Path, PathBuf};

use client::KEY_FILE;
use identity::Role;
use proto::v1 as wire;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::role_to_wire;
use crate::arguments::IssueArguments;
use crate::failure::Failure;
use crate::{files, request_id};

pub(super) struct Prepared {
    pub(super) pending: PendingRequest,
    pub(super) created: CreatedFiles,
}

/// Files that this run created; none if an earlier run, which may have been answered, left the request.
#[derive(Debug, Default)]
pub(super) struct CreatedFiles {
    files: Vec<PathBuf>,
    directory: Option<PathBuf>,
}

impl CreatedFiles {
    /// Removes them, so that the same directory can be used again.
    pub(super) fn remove(&self) {
        for file in &self.files {
            fs::remove_file(file).ok();
        }
        if let Some(directory) = &self.directory {
            fs::remove_dir(directory).ok();
        }
    }
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct PendingRequest {
    role: String,
    name: String,
    lifetime_days: u32,
    hosts: Vec<String>,
    request_id: String,
    csr: String,
}

impl PendingRequest {
    pub(super) fn to_wire(&self) -> Result<wire::IssuePrincipalRequest, Failure> {
        let damaged =
            || Failure::local(format!("{PENDING_FILE} is damaged")).next("use another --out directory");
        let role: Role = self.role.parse().map_err(|_| damaged())?;
        Ok(wire::IssuePrincipalRequest {
            request_id: hex::decode(&self.request_id).map_err(|_| damaged())?.into(),
            role: role_to_wire(role).into(),
            name: self.name.clone(),
            csr: hex::decode(&self.csr).map_err(|_| damaged())?.into(),
            lifetime_days: self.lifetime_days,
            names: self.hosts.clone(),
        })
    }

    fn matches(&self, arguments: &IssueArguments) -> bool {
        self.role == arguments.role.to_string()
            && self.name == arguments.name.as_str()
            && self.lifetime_days == arguments.lifetime_days.unwrap_or(0)
            && self.hosts == arguments.hosts
    }
}

/// The unanswered request in the directory, or a new one.
pub(super) fn prepare(arguments: &IssueArguments) -> Result<Prepared, Failure> {
    let directory = &arguments.out;
    let path = directory.join(PENDING_FILE);
    if path.exists() {
        let text = fs::read_to_string(&path).map_err(|source| Failure::file(&path, source))?;
        let pending: PendingRequest = toml::from_str(&text).map_err(|error| {
            Failure::local(format!("{}: {}", path.display(), error.message()))
                .next("use another --out directory")
        })?;
        if !pending.matches(arguments) {
            return Err(Failure::usage(format!(
                "{} was left by an interrupted run of this command for {} {}",
                directory.display(),
                pending.role,
                pending.name
            ))
            .next("repeat that command exactly, or use another --out directory"));
        }
        return Ok(Prepared { pending, created: CreatedFiles::default() });
    }
    files::check_empty(directory, "use another --out directory")?;
    let csr = arguments.csr.as_deref().map(read_request).transpose()?;
    let mut created = CreatedFiles { files: vec![path.clone()], directory: None };
    if !directory.exists() {
        created.directory = Some(directory.clone());
    }
    if csr.is_none() {
        created.files.push(directory.join(KEY_FILE));
    }
    match begin(arguments, csr, &path) {
        Ok(pending) => Ok(Prepared { pending, created }),
        Err(failure) => {
            created.remove();
            Err(failure)
        }
    }
}

/// Makes the key, unless there is a certificate request, and writes the request to disk.
fn begin(arguments: &IssueArguments, csr: Option<Vec<u8>>, path: &Path) -> Result<PendingRequest, Failure> {
    files::make_directory(&arguments.out)?;
    let csr = match csr {
        Some(csr) => csr,
        None => make_key(&arguments.out)?,
    };
    let pending = PendingRequest {
        role: arguments.role.to_string(),
        name: arguments.name.to_string(),
        lifetime_days: arguments.lifetime_days.unwrap_or(0),
        hosts: arguments.hosts.clone(),
        request_id: hex::encode(request_id()),
        csr: hex::encode(csr),
    };
    let text = toml::to_string(&pending).map_err(|error| Failure::local(error.to_string()))?;
    files::write(path, text.as_bytes(), false)?;
    Ok(pending)
}

/// Makes a P-256 key, writes it to the directory, and returns its certificate request.
fn make_key(directory: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: rcgen::Error| Failure::local(format!("cannot make a key: {error}"));
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let mut parameters = CertificateParams::default();
    // The profile sets the name: the CA uses only the key of the request.
    parameters.distinguished_name = DistinguishedName::new();
    let csr = parameters.serialize_request(&key).map_err(failed)?.der().to_vec();
    let pem = Zeroizing::new(key.serialize_pem());
    files::write(&directory.join(KEY_FILE), pem.as_bytes(), true)?;
    Ok(csr)
}

/// Reads a certificate request, PEM or DER. The CA checks it.
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

/// Lies in the directory from before the request is sent until its answer is written.
pub(super) const PENDING_FILE: &str = "request.toml";

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    pub(in crate::principal) fn arguments(out: &Path) -> IssueArguments {
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
    fn a_request_that_was_not_answered_is_sent_again_unchanged() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("line-3");
        let first = prepare(&arguments(&out)).unwrap().pending;
        let again = prepare(&arguments(&out)).unwrap();
        assert_eq!(first, again.pending);
        // The first run may have been answered, so its files stay.
        again.created.remove();
        assert!(out.join(PENDING_FILE).exists() && out.join(KEY_FILE).exists());
        assert_eq!(first.to_wire().unwrap().request_id.len(), 16);
    }

    #[test]
    fn another_request_in_the_same_directory_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("line-3");
        prepare(&arguments(&out)).unwrap();
        let other = IssueArguments { name: "line-4".parse().unwrap(), ..arguments(&out) };
        assert_eq!(prepare(&other).map(drop).unwrap_err().0.status, cli::Status::Usage);
    }

    #[test]
    fn a_request_that_was_refused_leaves_nothing_and_can_be_corrected() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("line-3");
        let refused = prepare(&arguments(&out)).unwrap();
        refused.created.remove();
        assert!(!out.exists());
        let other = IssueArguments { lifetime_days: Some(30), ..arguments(&out) };
        assert_eq!(prepare(&other).unwrap().pending.lifetime_days, 30);
    }

    #[test]
    fn a_directory_with_anything_in_it_is_not_touched() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("cert.pem"), "mine").unwrap();
        assert!(
            prepare(&arguments(directory.path())).map(drop).unwrap_err().to_string().contains("not empty")
        );
        assert_eq!(fs::read_to_string(directory.path().join("cert.pem")).unwrap(), "mine");
        assert!(!directory.path().join(KEY_FILE).exists());
    }

    #[test]
    fn the_key_is_for_its_owner_only_and_the_request_proves_it() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("line-3");
        let Prepared { pending, .. } = prepare(&arguments(&out)).unwrap();
        let mode = fs::metadata(out.join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        identity::Csr::from_der(&pending.to_wire().unwrap().csr).unwrap();
    }
}
