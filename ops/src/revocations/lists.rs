//! Revocation lists as files that OpenSSL reads (mosquitto `crlfile`, nginx `ssl_crl`): one for each issuer, and one with all.
//!
//! Such readers want a list of every issuer in a chain, the root's too, and refuse everybody when one of them has ended. So lists
//! are fetched again long before their end, also when nothing was revoked.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proto::v1 as wire;
use proto::v1::revocation_service_client::RevocationServiceClient;
use tonic::transport::Channel;

use crate::failure::Failure;
use crate::files;
use crate::timestamp;

/// A directory with revocation lists.
#[derive(Debug)]
pub(super) struct Lists {
    directory: PathBuf,
    /// Of each issuer, what its file holds.
    written: BTreeMap<String, Option<Written>>,
}

#[derive(Debug)]
struct Written {
    number: Vec<u8>,
    this_update: Option<SystemTime>,
    next_update: Option<SystemTime>,
}

/// A list as it was fetched.
struct Fetched {
    der: Vec<u8>,
    written: Written,
}

impl Lists {
    /// Makes the directory if it is not there. The root's list is always among them.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub(super) fn new(directory: PathBuf, issuers: &[String]) -> Result<Self, Failure> {
        fs::create_dir_all(&directory).map_err(|source| Failure::file(&directory, source))?;
        let chosen: Vec<&str> = match issuers {
            [] => ISSUERS.to_vec(),
            some => some.iter().map(String::as_str).collect(),
        };
        let all = chosen.into_iter().chain([ROOT]);
        Ok(Self { directory, written: all.map(|issuer| (issuer.to_owned(), None)).collect() })
    }

    /// The issuers whose lists are kept.
    pub(super) fn issuers(&self) -> impl Iterator<Item = &String> {
        self.written.keys()
    }

    /// Whether this issuer's list is kept.
    pub(super) fn has(&self, issuer: &str) -> bool {
        self.written.contains_key(issuer)
    }

    /// Fetches an issuer's list until it shows this event, and writes it if it is another than the one that is there. Whether
    /// it was; `None` when the list does not show the event yet.
    ///
    /// # Errors
    /// As the CA answers, and when a file cannot be written.
    pub(super) async fn refresh(
        &mut self,
        issuer: &str,
        event: Option<&wire::RevocationEvent>,
        client: &mut RevocationServiceClient<Channel>,
    ) -> Result<Option<bool>, Failure> {
        let mut pause = PUBLISHED_FIRST_LOOK;
        let fetched = loop {
            let fetched = fetch(issuer, client).await?;
            if event.is_none_or(|event| fetched.shows(event)) {
                break fetched;
            }
            if pause > PUBLISHED_LAST_LOOK {
                return Ok(None);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        };
        let there = self.written.get(issuer).and_then(Option::as_ref);
        if there.is_some_and(|there| there.number == fetched.written.number) {
            return Ok(Some(false));
        }
        let text = pem::encode_config(
            &pem::Pem::new("X509 CRL", fetched.der),
            pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
        );
        files::write(&self.file(issuer), text.as_bytes(), false)?;
        self.written.insert(issuer.to_owned(), Some(fetched.written));
        Ok(Some(true))
    }

    /// Writes the file with all lists, from the files of each.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub(super) fn bundle(&self) -> Result<(), Failure> {
        let path = self.directory.join(BUNDLE_FILE);
        let copy = |file: &mut BufWriter<fs::File>| -> io::Result<()> {
            for issuer in self.written.keys() {
                io::copy(&mut fs::File::open(self.file(issuer))?, file)?;
            }
            file.flush()
        };
        files::write_with(&path, false, copy)
    }

    /// When the lists must be looked at again, from `now` on: a quarter of what is left of the one that ends first, at most
    /// [`LOOK_EVERY`].
    pub(super) fn look_again_in(&self, now: SystemTime) -> Duration {
        let left = |written: &Written| {
            written.next_update.and_then(|end| end.duration_since(now).ok()).unwrap_or_default() / 4
        };
        let soonest = self.written.values().flatten().map(left).min().unwrap_or(LOOK_EVERY);
        soonest.clamp(LOOK_AT_MOST_EVERY, LOOK_EVERY)
    }

    /// The lists that have ended at `now`, by issuer.
    pub(super) fn ended(&self, now: SystemTime) -> Vec<&str> {
        let ended = |written: &Written| written.next_update.is_some_and(|end| end <= now);
        self.written
            .iter()
            .filter(|(_, written)| written.as_ref().is_some_and(ended))
            .map(|(issuer, _)| issuer.as_str())
            .collect()
    }

    fn file(&self, issuer: &str) -> PathBuf {
        self.directory.join(format!("{issuer}.crl.pem"))
    }

    /// The file with all lists.
    pub(super) fn bundle_file(&self) -> PathBuf {
        self.directory.join(BUNDLE_FILE)
    }

    /// Where they are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Fetched {
    /// Whether this list was made with knowledge of an event. A list that is clearly younger than the event was, even when it
    /// does not name the certificate: it may have expired since (RFC 5280, section 3.3).
    fn shows(&self, event: &wire::RevocationEvent) -> bool {
        let younger = match (self.written.this_update, timestamp::system(event.at.as_ref())) {
            (Some(made), Some(at)) => made.duration_since(at).is_ok_and(|lead| lead > PUBLISHED_SURELY),
            _ => false,
        };
        let listed = lists(&self.der, &event.serial_number);
        younger || listed == (event.state() != wire::RevocationState::Good)
    }
}

/// Whether a serial number is among the entries of a list: as an INTEGER, which 16 bytes that begin with a zero bit are as they are.
fn lists(der: &[u8], serial: &[u8]) -> bool {
    let Ok(length) = u8::try_from(serial.len()) else { return false };
    let wanted = [&[DER_INTEGER, length], serial].concat();
    memchr::memmem::find(der, &wanted).is_some()
}

async fn fetch(issuer: &str, client: &mut RevocationServiceClient<Channel>) -> Result<Fetched, Failure> {
    let request = wire::GetCrlRequest { issuer: issuer.to_owned(), shard: None };
    let mut stream = client.get_crl(request).await?.into_inner();
    let mut fetched = None;
    while let Some(piece) = stream.message().await? {
        let list = fetched.get_or_insert_with(|| Fetched {
            der: Vec::with_capacity(usize::try_from(piece.length).unwrap_or(0).min(LIST_BYTES_MAX)),
            written: Written {
                number: piece.number.to_vec(),
                this_update: timestamp::system(piece.this_update.as_ref()),
                next_update: timestamp::system(piece.next_update.as_ref()),
            },
        });
        if list.der.len() + piece.chunk.len() > LIST_BYTES_MAX {
            return Err(Failure::local(format!("the CRL of {issuer} is longer than this program takes")));
        }
        list.der.extend_from_slice(&piece.chunk);
    }
    fetched.ok_or_else(|| Failure::unreachable(format!("the CA sent no CRL of {issuer}")))
}

/// The issuers of those whom a broker may meet.
const ISSUERS: [&str; 3] = ["factory", "operational", "infrastructure"];

/// Who issued the issuers.
const ROOT: &str = "root";

/// All lists, one after another.
const BUNDLE_FILE: &str = "crls.pem";

/// Tag of an ASN.1 INTEGER.
const DER_INTEGER: u8 = 0x02;

/// Five million entries; what a broker loads into memory is long before that a question of its memory.
const LIST_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Lists are checked this often for a successor, without any event.
const LOOK_EVERY: Duration = Duration::from_secs(15 * 60);

/// And never more often, however soon one ends.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_secs(10);

/// Publication follows a revocation within a second; the first look may be too early.
const PUBLISHED_FIRST_LOOK: Duration = Duration::from_millis(50);

/// With doubled pauses, looks for some six seconds; then the rest of the feed goes on first.
const PUBLISHED_LAST_LOOK: Duration = Duration::from_secs(3);

/// A list that was made so long after an event knows of it.
const PUBLISHED_SURELY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    fn fetched(der: &[u8], this_update: i64) -> Fetched {
        let at = |seconds| timestamp::system(Some(&Timestamp { seconds, nanos: 0 }));
        let written =
            Written { number: vec![1], this_update: at(this_update), next_update: at(this_update + 86_400) };
        Fetched { der: der.to_vec(), written }
    }

    fn event(state: wire::RevocationState, at: i64) -> wire::RevocationEvent {
        wire::RevocationEvent {
            serial_number: vec![0x4a; 16].into(),
            state: state.into(),
            at: Some(Timestamp { seconds: at, nanos: 0 }),
            ..wire::RevocationEvent::default()
        }
    }

    #[test]
    fn a_list_shows_a_revocation_when_it_names_it_and_a_release_when_it_does_not() {
        let names = [&[0x30, 0x12, 0x02, 0x10], &[0x4a; 16][..]].concat();
        let revoked = event(wire::RevocationState::Revoked, 1_000);
        let released = event(wire::RevocationState::Good, 1_000);
        assert!(fetched(&names, 1_000).shows(&revoked));
        assert!(!fetched(&names, 1_000).shows(&released));
        assert!(!fetched(b"no such entry", 1_000).shows(&revoked));
        assert!(fetched(b"no such entry", 1_000).shows(&released));
    }

    #[test]
    fn a_list_that_is_a_minute_younger_need_not_name_what_has_expired() {
        assert!(fetched(b"", 1_061).shows(&event(wire::RevocationState::Revoked, 1_000)));
        assert!(!fetched(b"", 1_060).shows(&event(wire::RevocationState::Revoked, 1_000)));
    }

    #[test]
    fn lists_are_looked_at_again_well_before_their_end() {
        let directory = tempfile::tempdir().unwrap();
        let mut lists = Lists::new(directory.path().to_path_buf(), &["operational".to_owned()]).unwrap();
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(lists.look_again_in(now), LOOK_EVERY);
        let ends = |seconds| {
            Some(Written {
                number: vec![1],
                this_update: None,
                next_update: Some(now + Duration::from_secs(seconds)),
            })
        };
        lists.written.insert("root".to_owned(), ends(86_400));
        lists.written.insert("operational".to_owned(), ends(400));
        assert_eq!(lists.look_again_in(now), Duration::from_secs(100));
        assert_eq!(lists.look_again_in(now + Duration::from_secs(500)), LOOK_AT_MOST_EVERY);
        assert_eq!(lists.ended(now + Duration::from_secs(500)), ["operational"]);
    }
}
