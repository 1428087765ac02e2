//! The digest of a request: the same request id with another digest is refused (ADR 0010).

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{Context, SHA256};

/// Builds the digest of a request: SHA-256 over the name of the call, then each field with its length before
/// it.
///
/// A request for a certificate is digested by the fingerprint of its key, not by the bytes of its CSR: ECDSA
/// signatures are random, and a device that makes its CSR again for the same key makes the same request (ADR
/// 0010).
pub(super) struct RequestDigest(Context);

impl RequestDigest {
    /// Begins with the name of the call, which has a version: other fields, another name.
    pub(super) fn of(call: &'static str) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(b"touchmark content v1\0");
        Self(context).text(call)
    }

    pub(super) fn text(self, field: &str) -> Self {
        self.bytes(field.as_bytes())
    }

    pub(super) fn bytes(mut self, field: &[u8]) -> Self {
        self.0.update(&(field.len() as u64).to_be_bytes());
        self.0.update(field);
        self
    }

    pub(super) fn number(self, field: u64) -> Self {
        self.bytes(&field.to_be_bytes())
    }

    /// A time, or that there is none.
    pub(super) fn time(self, field: Option<SystemTime>) -> Self {
        let since_epoch = field.map(|time| time.duration_since(UNIX_EPOCH).unwrap_or_default());
        match since_epoch {
            Some(time) => self.text("at").number(time.as_secs()).number(time.subsec_nanos().into()),
            None => self.text("never"),
        }
    }

    pub(super) fn finish(self) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.0.finish().as_ref());
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_between_two_fields_is_part_of_the_digest() {
        let one = RequestDigest::of("q").text("ab").text("c").finish();
        let other = RequestDigest::of("q").text("a").text("bc").finish();
        assert_ne!(one, other);
    }

    #[test]
    fn another_call_with_the_same_fields_has_another_digest() {
        assert_ne!(
            RequestDigest::of("birth").text("a").finish(),
            RequestDigest::of("scrap").text("a").finish()
        );
    }

    #[test]
    fn an_empty_field_is_not_a_missing_one() {
        assert_ne!(RequestDigest::of("q").text("").finish(), RequestDigest::of("q").finish());
    }
}
