//! Traces of random generators on disk.

use bytes::Bytes;
use identity::{GeneratorTraces, KEY_END_BYTES, KeyEnds};

use super::{octets, proto};

impl proto::Certificate {
    /// `None`: a field has another length.
    pub(super) fn traces(&self) -> Option<GeneratorTraces> {
        let nonce = match &*self.nonce {
            [] => None,
            hash => Some(hash.try_into().ok()?),
        };
        let key_ends = match &*self.key_ends {
            [] => None,
            both if both.len() == 2 * KEY_END_BYTES => {
                Some(KeyEnds { start: *both.first_chunk()?, end: *both.last_chunk()? })
            }
            _ => return None,
        };
        Some(GeneratorTraces { nonce, key_ends })
    }
}

pub(super) fn nonce(traces: &GeneratorTraces) -> Bytes {
    traces.nonce.map(|nonce| octets(&nonce)).unwrap_or_default()
}

pub(super) fn key_ends(traces: &GeneratorTraces) -> Bytes {
    traces.key_ends.map(|ends| octets(&[ends.start, ends.end].concat())).unwrap_or_default()
}
