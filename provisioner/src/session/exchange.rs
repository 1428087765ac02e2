//! The request that waits for its answer: it is sent again after a timeout, and sooner after a damaged frame.

use super::{Command, DeviceRequest, Limits};

/// The exchange with the device. Each request has a number, and its answer has the same.
#[derive(Debug)]
pub(super) struct Exchange {
    limits: Limits,
    number: u32,
    request: Option<DeviceRequest>,
    sends_left: u32,
    pub(super) resent: u32,
    /// Damaged frames since the request was sent first.
    pub(super) damaged: u32,
    // Whether a damaged frame has shortened the timer since the request was sent.
    timer_shortened: bool,
}

impl Exchange {
    /// The first request gets the number `first`.
    pub(super) fn new(limits: Limits, first: u32) -> Self {
        let number = first.wrapping_sub(1);
        Self { limits, number, request: None, sends_left: 0, resent: 0, damaged: 0, timer_shortened: false }
    }

    pub(super) fn is_open(&self) -> bool {
        self.request.is_some()
    }

    pub(super) fn expects(&self, number: u32) -> bool {
        self.is_open() && number == self.number
    }

    pub(super) fn close(&mut self) {
        self.request = None;
    }

    pub(super) fn begin(&mut self, request: DeviceRequest) -> Vec<Command> {
        // "Never zero": factory_link.proto.
        self.number = self.number.checked_add(1).unwrap_or(1).max(1);
        self.request = Some(request);
        self.sends_left = self.limits.sends_max.max(1);
        self.damaged = 0;
        self.send()
    }

    /// `None` when the request was sent as often as is allowed.
    pub(super) fn send_again(&mut self) -> Option<Vec<Command>> {
        if self.sends_left == 0 {
            return None;
        }
        self.resent = self.resent.saturating_add(1);
        Some(self.send())
    }

    /// Shortens the timer after a damaged frame. Noise comes in bursts, and each burst costs one attempt.
    pub(super) fn damaged(&mut self) -> Vec<Command> {
        if !self.is_open() || self.timer_shortened {
            return Vec::new();
        }
        self.damaged = self.damaged.saturating_add(1);
        self.timer_shortened = true;
        vec![Command::ArmTimer(self.limits.answer_timeout.min(self.limits.damage_pause))]
    }

    fn send(&mut self) -> Vec<Command> {
        self.sends_left = self.sends_left.saturating_sub(1);
        self.timer_shortened = false;
        let Some(request) = self.request.clone() else { return Vec::new() };
        vec![Command::Send { exchange: self.number, request }, Command::ArmTimer(self.limits.answer_timeout)]
    }
}
