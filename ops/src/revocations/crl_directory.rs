//! CRLs as files that OpenSSL reads (mosquitto `crlfile`, nginx `ssl_crl`): one for each issuer, and one with
//! all.
//!
//! Such readers need a CRL of every issuer in a chain, also of the root, and refuse everybody when one of
//! them has expired. So CRLs are fetched again long before they expire, even if nothing was revoked.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use proto::v1 as wire;
use proto::v1::revocation_service_client::RevocationServiceClient;
use tonic::transport::Channel;

use super::crl::{WrittenCrl, fetch};
use crate::failure::Failure;
use crate::files;

#[derive(Debug)]
pub(super) struct CrlDirectory {
    pub(super) directory: PathBuf,
    /// The content of each issuer's file.
    pub(super) written: BTreeMap<String, Option<WrittenCrl>>,
}

impl CrlDirectory {
    /// Creates the directory if it is missing. The root's CRL is always among them.
    pub(super) fn new(directory: PathBuf, issuers: &[String]) -> Result<Self, Failure> {
        fs::create_dir_all(&directory).map_err(|source| Failure::file(&directory, source))?;
        let chosen: Vec<&str> = match issuers {
            [] => ISSUERS.to_vec(),
            some => some.iter().map(String::as_str).collect(),
        };
        let all = chosen.into_iter().chain([ROOT]);
        Ok(Self { directory, written: all.map(|issuer| (issuer.to_owned(), None)).collect() })
    }

    /// Fetches a CRL until it shows this event, and writes it if it changed. Returns whether it changed;
    /// `None` if it does not show the event yet.
    pub(super) async fn refresh(
        &mut self,
        issuer: &str,
        event: Option<&wire::RevocationEvent>,
        client: &mut RevocationServiceClient<Channel>,
    ) -> Result<Option<bool>, Failure> {
        let mut pause = FETCH_PAUSE_FIRST;
        let fetched = loop {
            let fetched = fetch(issuer, client).await?;
            if event.is_none_or(|event| fetched.shows(event)) {
                break fetched;
            }
            if pause > FETCH_PAUSE_MAX {
                return Ok(None);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        };
        let there = self.written.get(issuer).and_then(Option::as_ref);
        if there.is_some_and(|there| there.number == fetched.written.number) {
            return Ok(Some(false));
        }
        let text = files::pem_of("X509 CRL", fetched.der);
        files::write(&self.file(issuer), text.as_bytes(), false)?;
        self.written.insert(issuer.to_owned(), Some(fetched.written));
        Ok(Some(true))
    }

    /// Writes the file with all CRLs, from the files of each.
    pub(super) fn write_bundle(&self) -> Result<(), Failure> {
        let copy = |file: &mut BufWriter<fs::File>| -> io::Result<()> {
            for issuer in self.written.keys() {
                io::copy(&mut fs::File::open(self.file(issuer))?, file)?;
            }
            file.flush()
        };
        files::write_with(&self.bundle_file(), false, copy)
    }

    /// After a quarter of the remaining life of the CRL that expires first, at most after [`CHECK_EVERY`].
    pub(super) fn next_check_in(&self, now: SystemTime) -> Duration {
        let left = |written: &WrittenCrl| {
            written.next_update.and_then(|end| end.duration_since(now).ok()).unwrap_or_default() / 4
        };
        let soonest = self.written.values().flatten().map(left).min().unwrap_or(CHECK_EVERY);
        soonest.clamp(CHECK_PAUSE_MIN, CHECK_EVERY)
    }

    pub(super) fn expired(&self, now: SystemTime) -> Vec<&str> {
        let expired = |written: &WrittenCrl| written.next_update.is_some_and(|end| end <= now);
        self.written
            .iter()
            .filter(|(_, written)| written.as_ref().is_some_and(expired))
            .map(|(issuer, _)| issuer.as_str())
            .collect()
    }

    fn file(&self, issuer: &str) -> PathBuf {
        self.directory.join(format!("{issuer}.crl.pem"))
    }

    pub(super) fn bundle_file(&self) -> PathBuf {
        self.directory.join(BUNDLE_FILE)
    }
}

/// The issuers of certificates that a broker may meet.
const ISSUERS: [&str; 3] = ["factory", "operational", "infrastructure"];

const ROOT: &str = "root";

const BUNDLE_FILE: &str = "crls.pem";

const CHECK_EVERY: Duration = Duration::from_secs(15 * 60);
const CHECK_PAUSE_MIN: Duration = Duration::from_secs(10);

/// Publication follows a revocation within a second, so that the first fetch may be too early.
const FETCH_PAUSE_FIRST: Duration = Duration::from_millis(50);

/// With doubled pauses about six seconds in all; then the feed goes on first.
const FETCH_PAUSE_MAX: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crls_are_checked_again_well_before_their_end() {
        let directory = tempfile::tempdir().unwrap();
        let mut crls =
            CrlDirectory::new(directory.path().to_path_buf(), &["operational".to_owned()]).unwrap();
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(crls.next_check_in(now), CHECK_EVERY);
        let ends = |seconds| {
            Some(WrittenCrl {
                number: vec![1],
                this_update: None,
                next_update: Some(now + Duration::from_secs(seconds)),
            })
        };
        crls.written.insert("root".to_owned(), ends(86_400));
        crls.written.insert("operational".to_owned(), ends(400));
        assert_eq!(crls.next_check_in(now), Duration::from_secs(100));
        assert_eq!(crls.next_check_in(now + Duration::from_secs(500)), CHECK_PAUSE_MIN);
        assert_eq!(crls.expired(now + Duration::from_secs(500)), ["operational"]);
    }
}
