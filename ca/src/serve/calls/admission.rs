//! Places for calls.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use authority::CallerRefused;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::super::holders::{Holders, Share};
use super::super::visitor::{Visitor, Who};
use super::methods::Method;
use crate::grpc::DoorRefused;

/// What there is.
pub(super) struct Admission {
    holders: Arc<Holders>,
    /// Of visitors without a certificate, who may ask for health only.
    strangers: OldestFirst,
    /// Of visitors whose certificate is refused, who are told why.
    refused: OldestFirst,
}

/// What a call holds of it.
pub(super) enum CallPlace {
    /// Of a principal.
    Known { _share: Share },
    /// May be cut for a fresh one.
    Crowd(Arc<CancellationToken>),
}

/// Calls in flight: when there are as many as there may be, the oldest is cut for the next.
#[derive(Default)]
struct OldestFirst(Mutex<VecDeque<Weak<CancellationToken>>>);

impl Admission {
    pub(super) fn new(holders: Arc<Holders>) -> Self {
        Self { holders, strangers: OldestFirst::default(), refused: OldestFirst::default() }
    }

    /// A place for one call of the visitor.
    pub(super) fn admit(&self, method: &Method, visitor: Option<&Visitor>) -> Result<CallPlace, DoorRefused> {
        match visitor.map(|visitor| &visitor.who) {
            Some(Who::Known { holder, .. }) => {
                let share = self.holders.take_call(holder).ok_or(DoorRefused::Overloaded)?;
                Ok(CallPlace::Known { _share: share })
            }
            Some(Who::Refused) => Ok(CallPlace::Crowd(self.refused.enter())),
            Some(Who::Nobody) | None if method.open => Ok(CallPlace::Crowd(self.strangers.enter())),
            Some(Who::Nobody) | None => Err(DoorRefused::Caller(CallerRefused::Anonymous)),
        }
    }
}

impl CallPlace {
    /// Cancelled when the call has to make room.
    pub(super) fn cut(&self) -> Option<CancellationToken> {
        match self {
            Self::Known { .. } => None,
            Self::Crowd(cut) => Some(cut.as_ref().clone()),
        }
    }
}

impl OldestFirst {
    /// An honest question for health, or a refusal, takes milliseconds; who watches health from outside can watch again.
    fn enter(&self) -> Arc<CancellationToken> {
        let mut calls = self.0.lock();
        if calls.len() >= CROWD_CALLS_MAX {
            calls.retain(|call| call.strong_count() > 0);
        }
        if calls.len() >= CROWD_CALLS_MAX
            && let Some(oldest) = calls.pop_front().and_then(|oldest| oldest.upgrade())
        {
            oldest.cancel();
        }
        let cut = Arc::new(CancellationToken::new());
        calls.push_back(Arc::downgrade(&cut));
        cut
    }
}

/// Calls in flight of those without a certificate, and of those whose certificate is refused.
const CROWD_CALLS_MAX: usize = 64;
