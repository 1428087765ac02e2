//! Bodies: what is in memory at once, a list in pieces.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use publication::Crl;

/// A body of known length.
#[derive(Debug)]
pub(crate) enum PublicBody {
    /// Bytes; empty when they were sent.
    Whole(Bytes),
    /// A part of a list.
    Crl {
        /// Stays what it was when the answer began, also when a newer one is published meanwhile.
        list: Arc<Crl>,
        /// What comes next.
        at: u64,
        /// Where it ends.
        end: u64,
    },
}

impl PublicBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }

    /// How many bytes are left.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Crl { at, end, .. } => end - at,
        }
    }
}

impl From<Bytes> for PublicBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl Body for PublicBody {
    type Data = Bytes;
    type Error = io::Error;

    // A piece is read where it is sent: the file was just written and is in memory, 64 KiB of it are copied in microseconds.
    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.length() == 0 {
            return Poll::Ready(None);
        }
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Crl { list, at, end } => {
                let limit = usize::try_from(*end - *at).unwrap_or(usize::MAX).min(PIECE_BYTES);
                let piece = list.read(*at, limit);
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

/// What is sent of a list at a time, and what each of its readers costs in memory.
const PIECE_BYTES: usize = 64 * 1024;
