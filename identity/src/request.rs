//! Request ids, which make requests idempotent.

/// 16 bytes that a caller chooses for one request. A repeated request with the same caller and id gets the
/// same answer; other content under the same id is refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId([u8; 16]);

octets!(RequestId, 16);

impl From<[u8; 16]> for RequestId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<&[u8]> for RequestId {
    type Error = RequestIdError;

    fn try_from(bytes: &[u8]) -> Result<Self, RequestIdError> {
        bytes.try_into().map(Self).map_err(|_| RequestIdError { bytes: bytes.len() })
    }
}

/// The bytes are not a [`RequestId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a request id has 16 bytes, not {bytes}")]
pub struct RequestIdError {
    /// The number of bytes given.
    pub bytes: usize,
}
