//! A request body that fails once the client's certificate is revoked, so that a half-sent request is refused
//! at once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::Status;

use super::super::peer::Peer;
use crate::grpc::{CallRejected, rejection};

/// The body of one request.
pub(super) struct RevocableBody {
    body: Incoming,
    peer: Arc<Peer>,
    /// Made at the first wait: most requests arrive complete.
    revoked: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl RevocableBody {
    pub(super) fn new(body: Incoming, peer: Arc<Peer>) -> Self {
        Self { body, peer, revoked: None }
    }
}

impl HttpBody for RevocableBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| Status::from_error(error.into()))));
        }
        let this = &mut *self;
        let signal = || Box::pin(this.peer.revoked.token().cancelled_owned());
        match this.revoked.get_or_insert_with(signal).poll_unpin(cx) {
            Poll::Ready(()) => {
                let refused = CallRejected::Caller(this.peer.revoked.why());
                Poll::Ready(Some(Err(rejection(refused))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
