//! A request body that fails once the certificate is revoked: a half-sent request is refused at once.

use std::error::Error;
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

/// A request that begins after the signal is not failed by it: the ledger may have a release since.
pub(super) struct RevocableBody<B = Incoming> {
    body: B,
    /// `None`: the signal was set before the request began.
    peer: Option<Arc<Peer>>,
    /// Made at the first wait: most requests arrive complete.
    revoked: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl<B> RevocableBody<B> {
    pub(super) fn new(body: B, peer: &Arc<Peer>) -> Self {
        let peer = (!peer.revoked.is_set()).then(|| Arc::clone(peer));
        Self { body, peer, revoked: None }
    }
}

impl<B> HttpBody for RevocableBody<B>
where
    B: HttpBody<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
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
        let Some(peer) = &this.peer else { return Poll::Pending };
        let signal = || Box::pin(peer.revoked.token().cancelled_owned());
        match this.revoked.get_or_insert_with(signal).poll_unpin(cx) {
            Poll::Ready(()) => {
                let refused = CallRejected::Caller(peer.revoked.why());
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

#[cfg(test)]
mod tests {
    use authority::CallerRefused;
    use futures::{future, stream};
    use http_body_util::{BodyExt, StreamBody};

    use super::*;
    use crate::network_limit::Network;
    use crate::serve::peer::Identity;

    #[tokio::test]
    async fn the_signal_fails_requests_that_began_before_it_and_no_others() {
        let network = Network::of("192.0.2.1".parse().unwrap());
        let peer = Arc::new(Peer::new(None, Identity::Anonymous, network));
        let unfinished = || StreamBody::new(stream::pending::<Result<Frame<Bytes>, Status>>());
        let mut before = RevocableBody::new(unfinished(), &peer);
        peer.revoked.set(CallerRefused::Held);
        let failed = before.frame().await.unwrap().unwrap_err();
        assert_eq!(failed.code(), tonic::Code::Unauthenticated);

        let mut after = RevocableBody::new(unfinished(), &peer);
        let mut frame = after.frame();
        assert!(future::poll_fn(|cx| Poll::Ready(frame.poll_unpin(cx).is_pending())).await);
    }
}
