//! Fetches CRLs from the CA.

use std::time::{Duration, SystemTime};

use proto::v1 as wire;
use proto::v1::revocation_service_client::RevocationServiceClient;
use tonic::transport::Channel;

use crate::failure::Failure;
use crate::timestamp;

/// What is kept of a CRL that was written to a file.
#[derive(Debug)]
pub(super) struct WrittenCrl {
    pub(super) number: Vec<u8>,
    pub(super) this_update: Option<SystemTime>,
    pub(super) next_update: Option<SystemTime>,
}

pub(super) struct FetchedCrl {
    pub(super) der: Vec<u8>,
    pub(super) written: WrittenCrl,
}

impl FetchedCrl {
    /// Whether this CRL was made after an event. A CRL that is clearly newer was, even if it does not list
    /// the certificate, which may have expired since (RFC 5280, section 3.3).
    pub(super) fn shows(&self, event: &wire::RevocationEvent) -> bool {
        let younger = match (self.written.this_update, timestamp::system(event.at.as_ref())) {
            (Some(made), Some(at)) => made.duration_since(at).is_ok_and(|lead| lead > PUBLISHED_SURELY),
            _ => false,
        };
        let listed = has_serial(&self.der, &event.serial_number);
        younger || listed == (event.state() != wire::RevocationState::Good)
    }
}

/// Whether a CRL lists a serial number: 16 bytes that begin with a zero bit, the same in its INTEGER.
fn has_serial(der: &[u8], serial: &[u8]) -> bool {
    let Ok(length) = u8::try_from(serial.len()) else { return false };
    let wanted = [&[DER_INTEGER, length], serial].concat();
    memchr::memmem::find(der, &wanted).is_some()
}

pub(super) async fn fetch(
    issuer: &str,
    client: &mut RevocationServiceClient<Channel>,
) -> Result<FetchedCrl, Failure> {
    let request = wire::GetCrlRequest { issuer: issuer.to_owned(), shard: None };
    let mut stream = client.get_crl(request).await?.into_inner();
    let mut fetched = None;
    while let Some(piece) = stream.message().await? {
        let list = fetched.get_or_insert_with(|| FetchedCrl {
            der: Vec::with_capacity(usize::try_from(piece.length).unwrap_or(0).min(LIST_BYTES_MAX)),
            written: WrittenCrl {
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

const DER_INTEGER: u8 = 0x02;

/// Five million entries. A broker that loads so many runs out of memory before.
const LIST_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A CRL that is so much newer than an event was made after it.
const PUBLISHED_SURELY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    fn fetched(der: &[u8], this_update: i64) -> FetchedCrl {
        let at = |seconds| timestamp::system(Some(&Timestamp { seconds, nanos: 0 }));
        let written = WrittenCrl {
            number: vec![1],
            this_update: at(this_update),
            next_update: at(this_update + 86_400),
        };
        FetchedCrl { der: der.to_vec(), written }
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
    fn a_crl_shows_a_revocation_when_it_names_it_and_a_release_when_it_does_not() {
        let names = [&[0x30, 0x12, 0x02, 0x10], &[0x4a; 16][..]].concat();
        let revoked = event(wire::RevocationState::Revoked, 1_000);
        let released = event(wire::RevocationState::Good, 1_000);
        assert!(fetched(&names, 1_000).shows(&revoked));
        assert!(!fetched(&names, 1_000).shows(&released));
        assert!(!fetched(b"no such entry", 1_000).shows(&revoked));
        assert!(fetched(b"no such entry", 1_000).shows(&released));
    }

    #[test]
    fn a_crl_that_is_a_minute_younger_need_not_name_what_has_expired() {
        assert!(fetched(b"", 1_061).shows(&event(wire::RevocationState::Revoked, 1_000)));
        assert!(!fetched(b"", 1_060).shows(&event(wire::RevocationState::Revoked, 1_000)));
    }
}
