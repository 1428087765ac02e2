//! Bodies of streaming calls: a request ends at the stop, a response with a status when its call is ended.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use http::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use super::call_log::Call;
use crate::grpc::rejection;

/// What a client streams, until it ends or the server stops. Messages that came before are answered.
pub(super) struct RequestBody {
    body: Body,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl RequestBody {
    pub(super) fn new(body: Body, stop: CancellationToken) -> Self {
        Self { body, stop: Box::pin(stop.cancelled_owned()) }
    }
}

impl HttpBody for RequestBody {
    type Data = <Body as HttpBody>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => self.stop.poll_unpin(cx).map(|()| None),
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The response; the call ends with it.
pub(super) struct ResponseBody {
    pub(super) body: Body,
    pub(super) call: Call,
    /// Whether the server ended it with a status of its own.
    pub(super) ended: bool,
}

impl HttpBody for ResponseBody {
    type Data = <Body as HttpBody>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_pending()
            && let Some(end) = self.call.end.as_mut()
            && let Poll::Ready(refused) = end.poll_unpin(cx)
        {
            self.call.end = None;
            self.ended = true;
            let mut trailers = HeaderMap::new();
            rejection(refused).add_header(&mut trailers)?;
            self.call.observe(&trailers);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(trailers) = frame.trailers_ref()
        {
            self.call.observe(trailers);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
