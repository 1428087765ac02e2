//! Response bodies: bytes in memory, or a CRL in pieces.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use publication::Crl;

#[derive(Debug)]
pub(crate) enum PublicBody {
    Bytes(Bytes),
    Crl {
        /// Does not change while it is sent, also when a newer one is published.
        crl: Arc<Crl>,
        /// Offset of the next byte.
        at: u64,
        /// Offset behind the last byte.
        end: u64,
    },
}

impl PublicBody {
    pub(super) fn crl(crl: Arc<Crl>) -> Self {
        let end = crl.length();
        Self::Crl { crl, at: 0, end }
    }

    /// The bytes from `first` to before `end`; only a CRL is sent in ranges.
    pub(super) fn range(self, first: u64, end: u64) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(bytes),
            Self::Crl { crl, .. } => Self::Crl { crl, at: first, end },
        }
    }

    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Crl { at, end, .. } => end - at,
        }
    }
}

impl From<Bytes> for PublicBody {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl Body for PublicBody {
    type Data = Bytes;
    type Error = io::Error;

    // Blocking: the file was just written and is in the page cache, 64 KiB of it are copied in microseconds.
    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.length() == 0 {
            return Poll::Ready(None);
        }
        match &mut *self {
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Crl { crl, at, end } => {
                let limit = usize::try_from(*end - *at).unwrap_or(usize::MAX).min(PIECE_BYTES);
                let piece = crl.read(*at, limit);
                if let Ok(piece) = &piece {
                    *at += piece.len() as u64;
                }
                Poll::Ready(Some(piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}

/// The largest piece of a CRL that is read and sent at a time: what each reader costs in memory.
const PIECE_BYTES: usize = 64 * 1024;
