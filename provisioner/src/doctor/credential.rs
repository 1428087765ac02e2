//! When the station's credential ends.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cli::Finding;
use client::CERTIFICATE_FILE;
use humantime::format_rfc3339_seconds;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::CREDENTIAL;

/// The configuration was read, so the files are there and fit each other.
pub(super) fn examine(directory: &Path, now: SystemTime) -> Finding {
    let path = directory.join(CERTIFICATE_FILE);
    let Ok(der) = CertificateDer::from_pem_file(&path) else {
        return Finding::bad(CREDENTIAL, format!("{} is not PEM", path.display()), ANOTHER);
    };
    let Ok((_, certificate)) = X509Certificate::from_der(&der) else {
        return Finding::bad(CREDENTIAL, format!("{} is not a certificate", path.display()), ANOTHER);
    };
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or_default();
    // A date behind the year 9999 cannot be written.
    let end = UNIX_EPOCH + Duration::from_secs(seconds.min(YEAR_9999));
    judge(&certificate.subject().to_string(), end, now)
}

fn judge(name: &str, end: SystemTime, now: SystemTime) -> Finding {
    let until = format_rfc3339_seconds(end);
    match end.duration_since(now) {
        Err(_) => Finding::bad(CREDENTIAL, format!("{name}: it ended at {until}"), ANOTHER),
        Ok(left) => {
            let days = left.as_secs() / DAY_S;
            let says = format!("{name}, until {until} ({days} days)");
            if left < SOON {
                Finding::note(CREDENTIAL, says, ANOTHER)
            } else {
                Finding::good(CREDENTIAL, says)
            }
        }
    }
}

const ANOTHER: &str = "an operator makes another: touchmark principal issue station";

const DAY_S: u64 = 86_400;

/// Enough time to act, with holidays; as `touchmark doctor` has it.
const SOON: Duration = Duration::from_secs(30 * DAY_S);

const YEAR_9999: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use cli::Verdict;

    use super::*;

    #[test]
    fn an_end_that_is_near_is_told_before_it_comes() {
        let end = UNIX_EPOCH + Duration::from_secs(1_000 * DAY_S);
        for (days_before, verdict) in [(31, Verdict::Good), (29, Verdict::Note), (0, Verdict::Note)] {
            let now = end - Duration::from_secs(days_before * DAY_S);
            assert_eq!(judge("CN=line-1", end, now).verdict, verdict, "{days_before}");
        }
        let ended = judge("CN=line-1", end, end + Duration::from_secs(1));
        assert_eq!((ended.verdict, ended.says.contains("it ended at")), (Verdict::Bad, true));
    }
}
