//! An installation is built under a temporary name beside its target, and renamed when it is complete.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use issuance::Certificate;
use signer::{Passphrase, certificate_file, document_certificate_file, write_private};

use super::certificates::{Certificates, MadeCredential};
use super::{InitError, Plan, operator_dir, texts};
use crate::open::make_ledger_key;

/// A directory that is being built; removed when dropped before its release.
pub(super) struct Building {
    dir: PathBuf,
    released: bool,
}

impl Building {
    /// Creates one beside `target`, which must not exist or be empty.
    pub(super) fn beside(target: &Path) -> Result<Self, InitError> {
        match fs::read_dir(target).map(|mut entries| entries.next().is_none()) {
            Ok(true) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => return Err(InitError::Exists { path: target.to_owned() }),
        }
        let parent = files::parent(target);
        fs::create_dir_all(parent).map_err(failed("make", parent))?;
        let name = format!("{}{}", building_prefix(target), std::process::id());
        let dir = parent.join(name);
        make_dir(&dir)?;
        Ok(Self { dir, released: false })
    }

    /// Writes all files but the store, and syncs them.
    pub(super) fn write(
        &self,
        plan: &Plan,
        passphrase: &Passphrase,
        made: &Certificates,
    ) -> Result<(), InitError> {
        let issuers = self.dir.join("issuers");
        make_dir(&issuers)?;
        for issuer in made.issuers() {
            write(
                &issuers.join(certificate_file(issuer.name)),
                &texts::certificate_pem(&issuer.certificate),
            )?;
            issuer.key.save(&issuers, issuer.name, passphrase)?;
        }
        let documents = texts::certificate_pem(&made.documents.certificate);
        write(&issuers.join(document_certificate_file()), &documents)?;
        made.documents.key.save_for_documents(&issuers, passphrase)?;
        make_ledger_key(&issuers, passphrase)?;
        sync_dir(&issuers)?;
        if plan.passphrase_file.is_none() {
            passphrase.save(&self.dir.join("passphrase"))?;
        }
        let root = &made.root.certificate;
        let chain = &made.infrastructure.certificate;
        write_credential(&self.dir.join("server"), &made.server, chain, root, None)?;
        make_dir(&self.dir.join("operators"))?;
        let client = texts::client_toml(plan.listen);
        write_credential(&operator_dir(&self.dir), &made.operator, chain, root, Some(&client))?;
        sync_dir(&self.dir.join("operators"))?;
        write(&self.dir.join(texts::BLOCKED_KEYS), texts::blocked_keys())?;
        write(&self.dir.join("ca.toml"), &texts::ca_toml(plan))
    }

    pub(super) fn store_dir(&self) -> Result<PathBuf, InitError> {
        let dir = self.dir.join("store");
        make_dir(&dir)?;
        Ok(dir)
    }

    pub(super) fn epoch_file(&self) -> PathBuf {
        self.dir.join("crl-epoch")
    }

    pub(super) fn issuers_dir(&self) -> PathBuf {
        self.dir.join("issuers")
    }

    /// Renames it to `target`, durably.
    pub(super) fn release(mut self, target: &Path) -> Result<(), InitError> {
        sync_dir(&self.dir.join("store"))?;
        sync_dir(&self.dir)?;
        // An empty directory is replaced; anything else that appeared meanwhile makes the system refuse.
        fs::rename(&self.dir, target).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::AlreadyExists => InitError::Exists { path: target.to_owned() },
            _ => failed("make", target)(error),
        })?;
        self.released = true;
        sync_dir(files::parent(target))
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if !self.released {
            fs::remove_dir_all(&self.dir).ok();
        }
    }
}

/// The directories that killed runs of `init` for this target left beside it: unused keys, to be removed by
/// hand.
pub fn abandoned(target: &Path) -> Vec<PathBuf> {
    let prefix = building_prefix(target);
    let entries = fs::read_dir(files::parent(target)).into_iter().flatten().flatten();
    let left = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    left.map(|entry| entry.path()).collect()
}

fn building_prefix(target: &Path) -> String {
    format!(".{}.init-", target.file_name().unwrap_or_default().to_string_lossy())
}

pub(super) fn write_credential(
    dir: &Path,
    made: &MadeCredential,
    chain: &Certificate,
    root: &Certificate,
    client: Option<&str>,
) -> Result<(), InitError> {
    CredentialDir::begin(dir, made, chain, root, client)?.finish(&made.certificate)
}

/// Without its certificate, but with space for it: little can fail after it is recorded. Removed on drop.
pub(super) struct CredentialDir {
    dir: PathBuf,
    finished: bool,
}

impl CredentialDir {
    pub(super) fn begin(
        dir: &Path,
        made: &MadeCredential,
        chain: &Certificate,
        root: &Certificate,
        client: Option<&str>,
    ) -> Result<Self, InitError> {
        make_dir(dir)?;
        let begun = Self { dir: dir.to_owned(), finished: false };
        let room = " ".repeat(texts::certificate_pem(&made.certificate).len());
        write(&begun.unfinished(), &room)?;
        write(&dir.join("chain.pem"), &texts::certificate_pem(chain))?;
        write(&dir.join("trust.pem"), &texts::certificate_pem(root))?;
        write_private(&dir.join("key.pem"), made.key_pem.as_bytes())?;
        if let Some(client) = client {
            write(&dir.join("touchmark.toml"), client)?;
        }
        sync_dir(dir)?;
        Ok(begun)
    }

    /// Writes the certificate, which is on record now.
    pub(super) fn finish(mut self, certificate: &Certificate) -> Result<(), InitError> {
        let (unfinished, path) = (self.unfinished(), self.dir.join("cert.pem"));
        let fill = || {
            let file = OpenOptions::new().write(true).open(&unfinished)?;
            file.write_all_at(texts::certificate_pem(certificate).as_bytes(), 0)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        };
        fill().map_err(failed("write", &path))?;
        sync_dir(&self.dir)?;
        self.finished = true;
        Ok(())
    }

    fn unfinished(&self) -> PathBuf {
        self.dir.join("cert.pem.unfinished")
    }
}

impl Drop for CredentialDir {
    fn drop(&mut self) {
        if !self.finished {
            fs::remove_dir_all(&self.dir).ok();
        }
    }
}

fn make_dir(path: &Path) -> Result<(), InitError> {
    fs::DirBuilder::new().mode(0o700).create(path).map_err(failed("make", path))
}

fn write(path: &Path, text: &str) -> Result<(), InitError> {
    files::create(path, 0o644, text.as_bytes()).map_err(failed("write", path))
}

fn sync_dir(path: &Path) -> Result<(), InitError> {
    files::sync_directory(path).map_err(failed("sync", path))
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> InitError {
    let path = path.to_owned();
    move |source| InitError::Io { what, path, source }
}
