//! How others verify a closing report, with openssl alone. The commands name the signer that is expected and
//! the time of the signature; `-purpose any` would accept every device's certificate.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// One command for each file with a detached signature. `root` is the root's certificate, PEM.
pub(super) fn commands(files: &[&str], signed_at: SystemTime, root: &Path) -> Vec<String> {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let root = root.display().to_string();
    let root = shlex::try_quote(&root).map_or_else(|_| "root.pem".to_owned(), std::borrow::Cow::into_owned);
    let at = signed_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let signed = files.iter().filter(|file| **file != MANIFEST_FILE);
    signed
        .map(|file| {
            format!(
                "openssl cms -verify -binary -inform DER -in {file}.p7s -content {file} -out /dev/null \
                 -CAfile {root} -certfile signer.pem -nointern -purpose smimesign -attime {at}"
            )
        })
        .collect()
}

/// For whoever gets the report.
pub(super) fn text(files: &[&str], signed_at: SystemTime, signer_sha256: &str) -> String {
    let commands = commands(files, signed_at, Path::new("root.pem")).join("\n");
    format!(
        "How to verify this report\n\n\
         1. Get the root's certificate of the maker on another way than this report, as root.pem.\n\
         2. Ask the maker for the SHA-256 of its signer's certificate and compare:\n\n\
         openssl x509 -in signer.pem -noout -subject -fingerprint -sha256\n\n\
         It was {signer_sha256} when the report was made.\n\n\
         3. Verify each file; every command must say \"CMS Verification successful\":\n\n\
         {commands}\n\n\
         {MANIFEST_FILE} is an array of JWS (RFC 7515, ES256 only): the key that verifies each is that of signer.pem, and \
         \"x5t#S256\" in its protected header is the SHA-256 of that certificate. Compare \"uniqueId\" of the header, which is \
         not signed, with that of the payload.\n"
    )
}

pub(super) const MANIFEST_FILE: &str = "manifest.jws.json";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_command_names_the_signer_the_purpose_and_the_time() {
        let at = UNIX_EPOCH + Duration::from_secs(1_795_852_800);
        let commands = commands(&["units.csv", MANIFEST_FILE], at, Path::new("/nowhere/my root.pem"));
        assert_eq!(
            commands,
            ["openssl cms -verify -binary -inform DER -in units.csv.p7s -content units.csv -out /dev/null \
              -CAfile '/nowhere/my root.pem' -certfile signer.pem -nointern -purpose smimesign -attime 1795852800"]
        );
        let text = text(&["units.csv", MANIFEST_FILE], at, "ab12");
        assert!(
            text.contains("ab12") && text.contains("-purpose smimesign") && !text.contains("any "),
            "{text}"
        );
    }
}
