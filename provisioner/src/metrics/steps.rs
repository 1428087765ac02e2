//! How long the steps of a unit take.

use tokio::time::Instant;

use super::{ByStep, StepLabels};
use crate::session::DeviceRequest;

/// Measures the steps of one session. A step that is sent again goes on.
pub(crate) struct StepClock {
    seconds: ByStep,
    current: Option<(&'static str, Instant)>,
}

impl StepClock {
    pub(super) fn new(seconds: ByStep) -> Self {
        Self { seconds, current: None }
    }

    /// A request is sent to the device.
    pub(crate) fn sends(&mut self, request: &DeviceRequest) {
        self.begins(match request {
            DeviceRequest::Hello { .. } => "hello",
            DeviceRequest::GenerateKey => "generate_key",
            DeviceRequest::Install { .. } => "install",
            DeviceRequest::ReadBack { .. } => "read_back",
            DeviceRequest::Lock => "lock",
        });
    }

    /// This step begins, which ends the one before.
    pub(crate) fn begins(&mut self, step: &'static str) {
        if self.current.is_none_or(|(current, _)| current != step) {
            self.ends();
            self.current = Some((step, Instant::now()));
        }
    }

    /// The last step was done. A step that was not done is not counted.
    pub(crate) fn ends(&mut self) {
        if let Some((step, begun)) = self.current.take() {
            self.seconds.get_or_create(&StepLabels { step }).observe(begun.elapsed().as_secs_f64());
        }
    }
}

/// The steps that are not requests to the device.
pub(crate) const ISSUE: &str = "issue";
pub(crate) const CONFIRM: &str = "confirm";
