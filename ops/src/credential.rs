//! A credential directory: `cert.pem`, `chain.pem`, `trust.pem` and `key.pem`, as every program of Touchmark reads it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use crate::failure::Failure;

/// The holder's certificate, PEM.
pub(crate) const CERTIFICATE_FILE: &str = "cert.pem";
/// Intermediate certificates, the holder's issuer first, without the root, PEM.
pub(crate) const CHAIN_FILE: &str = "chain.pem";
/// Root certificates, PEM.
pub(crate) const TRUST_FILE: &str = "trust.pem";
/// The private key, PKCS#8 PEM, mode 0600.
pub(crate) const KEY_FILE: &str = "key.pem";

/// Reads a file that only its owner may read.
///
/// # Errors
/// When it cannot be read, others can read it, or it is longer than any key.
pub(crate) fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let file = File::open(path).map_err(|source| Failure::file(path, source))?;
    let mode = file.metadata().map_err(|source| Failure::file(path, source))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Failure::local(format!(
            "{}: others than its owner can read this key (mode {:04o})",
            path.display(),
            mode & 0o7777
        ))
        .next(format!("if nobody did, `chmod 600 {}`; otherwise make another credential", path.display())));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(PRIVATE_BYTES_MAX));
    file.take(PRIVATE_BYTES_MAX as u64)
        .read_to_end(&mut bytes)
        .map_err(|source| Failure::file(path, source))?;
    Ok(bytes)
}

/// Makes a directory that only its owner can enter, with its parents; one that exists stays as it is.
pub(crate) fn make_directory(path: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| Failure::file(path, source))
}

/// Writes a file durably: all of it or nothing. With mode 0600 if it is private, otherwise 0644. Replaces what is there.
pub(crate) fn write(path: &Path, contents: &[u8], private: bool) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.new"));
    let directory =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let outcome = (|| {
        let mode = if private { 0o600 } else { 0o644 };
        if temporary.exists() {
            fs::remove_file(&temporary)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(directory)?.sync_all()
    })();
    outcome.map_err(|source| Failure::file(path, source))
}

/// Certificates as PEM, one after another.
pub(crate) fn pem<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> String {
    certificates
        .into_iter()
        .map(|der| {
            pem::encode_config(
                &pem::Pem::new("CERTIFICATE", der),
                pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
            )
        })
        .collect()
}

/// No key that we make or accept is longer: RSA-4096 as PEM has 3.2 kB.
const PRIVATE_BYTES_MAX: usize = 16 * 1024;
