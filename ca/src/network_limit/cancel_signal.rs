//! A one-shot cancellation for one waiting task, without the lock of a `CancellationToken`.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures::task::AtomicWaker;

/// Set once. Only one task may wait for it.
#[derive(Default)]
pub(crate) struct CancelSignal {
    set: AtomicBool,
    waker: AtomicWaker,
}

impl CancelSignal {
    /// Wakes the task that waits in [`Self::cancelled`].
    pub(crate) fn cancel(&self) {
        self.set.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Returns once [`Self::cancel`] was called, also if that was before.
    pub(crate) async fn cancelled(&self) {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            if self.set.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
