//! A signal that ends something from outside.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures::task::AtomicWaker;

/// Ends something from outside. One task waits for it.
#[derive(Default)]
pub(crate) struct Cut {
    done: AtomicBool,
    waker: AtomicWaker,
}

impl Cut {
    /// Ends it.
    pub(crate) fn now(&self) {
        self.done.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self) {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            if self.done.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
