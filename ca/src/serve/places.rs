//! Places for connections. Those with a certificate and those without do not take each other's, and one certificate takes only its share.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::shares::{Share, Shares};
use crate::config::Limits;
use crate::tls::PeerCertificate;

/// What there is.
pub(super) struct Places {
    known: Arc<Semaphore>,
    shares: Arc<Shares>,
    anonymous: VecDeque<Weak<Cut>>,
    anonymous_max: usize,
}

/// What a connection holds of it.
pub(super) enum Place {
    /// One of those that showed a certificate.
    Known {
        /// Given back when the connection ends.
        _permit: OwnedSemaphorePermit,
        /// Of its certificate.
        _share: Share,
    },
    /// One of those that did not: may be cut for a fresh one.
    Anonymous(Arc<Cut>),
}

impl Places {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            known: Arc::new(Semaphore::new(limits.connections_max)),
            shares: Shares::of(limits.connections_max),
            anonymous: VecDeque::new(),
            anonymous_max: limits.anonymous_connections_max,
        }
    }

    /// A place, and whether another connection was cut for it.
    pub(super) fn take(&mut self, peer: &PeerCertificate) -> Option<(Place, bool)> {
        if let Some(certificate) = peer.digest() {
            let share = self.shares.take(certificate)?;
            let permit = Arc::clone(&self.known).try_acquire_owned().ok()?;
            return Some((Place::Known { _permit: permit, _share: share }, false));
        }
        let mut cut_another = false;
        if self.anonymous.len() >= self.anonymous_max {
            self.anonymous.retain(|connection| connection.strong_count() > 0);
        }
        if self.anonymous.len() >= self.anonymous_max
            && let Some(oldest) = self.anonymous.pop_front().and_then(|oldest| oldest.upgrade())
        {
            oldest.now();
            cut_another = true;
        }
        let cut = Arc::new(Cut::default());
        self.anonymous.push_back(Arc::downgrade(&cut));
        Some((Place::Anonymous(cut), cut_another))
    }
}

impl Place {
    /// What ends the connection from outside, if anything does.
    pub(super) fn cut(&self) -> Option<&Arc<Cut>> {
        match self {
            Self::Known { .. } => None,
            Self::Anonymous(cut) => Some(cut),
        }
    }
}

/// Ends something from outside. One task waits for it.
#[derive(Default)]
pub(super) struct Cut {
    done: AtomicBool,
    waker: AtomicWaker,
}

impl Cut {
    /// Ends it.
    pub(super) fn now(&self) {
        self.done.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether it has ended; wakes the task when it does.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.waker.register(cx.waker());
        if self.done.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits until it has ended.
    pub(super) async fn ended(&self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}
