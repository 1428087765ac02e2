//! What a device is, for people and for scripts.

use std::time::SystemTime;

use identity::{Clock, DeviceId};

use crate::certificate::{Certificate, Kind};
use crate::state::{EnrolmentStep, FactoryStep, Place, StateError, View};

/// How a device stands.
#[derive(Debug, Clone)]
pub struct Status {
    /// Who it is, once it was told.
    pub device: Option<DeviceId>,
    /// How far it is.
    pub standing: Standing,
    /// Its birth certificate, once installed.
    pub birth: Option<Certificate>,
    /// Its operational certificate, once installed.
    pub operational: Option<Certificate>,
    /// Where it enrols.
    pub enrollment_url: Option<String>,
    /// The time that it goes by.
    pub now: SystemTime,
    /// Whether its clock is certainly wrong.
    pub clock_is_behind: bool,
}

impl Status {
    /// Reads it, and checks that all belongs together.
    ///
    /// # Errors
    /// When the state is missing or damaged.
    pub fn read(view: &View, clock: &dyn Clock) -> Result<Self, StateError> {
        let record = view.record();
        let floor = view.time_floor()?;
        let now = floor.now(clock);
        let read = |place, kind| match &record.device {
            None => Ok(None),
            Some(device) => {
                let credential = view.credential(place)?;
                let certificate = Certificate::from_der(&credential.certificate).ok();
                // One that has ended is not damaged; at its last second it was in order.
                let then = certificate.as_ref().map_or(now, |c| now.min(c.not_after));
                view.checked(place, device, kind, then)?;
                Ok(certificate)
            }
        };
        if record.factory == FactoryStep::KeyReady {
            view.key(Place::Birth)?;
        }
        let birth = match record.factory >= FactoryStep::Installed {
            true => read(Place::Birth, Kind::Birth)?,
            false => None,
        };
        let enrolment = record.enrolment.as_ref();
        let operational = match enrolment.filter(|enrolment| enrolment.step > EnrolmentStep::Begun) {
            Some(enrolment) => read(Place::Slot(enrolment.slot), Kind::Operational)?,
            None => None,
        };
        let current = view.current()?;
        if let Some(enrolment) = enrolment.filter(|e| e.step == EnrolmentStep::Confirmed)
            && current != Some(enrolment.slot)
        {
            return Err(view.wrong_current(enrolment.slot));
        }
        let ended = operational.as_ref().is_some_and(|certificate| certificate.has_ended(now));
        let standing = match (record.factory, enrolment.map(|enrolment| enrolment.step)) {
            (FactoryStep::Blank | FactoryStep::KeyReady, _) => Standing::InFactory,
            (_, Some(EnrolmentStep::Confirmed)) if ended => Standing::Ended,
            (_, Some(EnrolmentStep::Confirmed)) => Standing::Enrolled,
            (_, Some(_)) => Standing::Enrolling,
            (_, None) => Standing::Born,
        };
        Ok(Self {
            device: record.device.clone(),
            standing,
            birth,
            operational,
            enrollment_url: record.enrollment_url.clone(),
            now,
            clock_is_behind: floor.contradicts(clock),
        })
    }

    /// Whole days until the operational certificate ends; zero when it has ended.
    pub fn days_left(&self) -> Option<u64> {
        let left = self.operational.as_ref()?.not_after.duration_since(self.now);
        Some(left.unwrap_or_default().as_secs() / SECONDS_PER_DAY)
    }
}

/// How far a device is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has no birth certificate yet.
    InFactory,
    /// It has its birth certificate, and no operational one.
    Born,
    /// An enrolment was begun.
    Enrolling,
    /// Its operational certificate is in use.
    Enrolled,
    /// Its operational certificate has ended.
    Ended,
}

impl Standing {
    /// The word for scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InFactory => "in-factory",
            Self::Born => "born",
            Self::Enrolling => "enrolling",
            Self::Enrolled => "enrolled",
            Self::Ended => "ended",
        }
    }

    /// What to do next, for people.
    pub fn next_action(self) -> &'static str {
        match self {
            Self::InFactory => "finish it at a station: touchmark-agent factory",
            Self::Born => "enrol it: touchmark-agent enroll",
            Self::Enrolling => "let it finish: touchmark-agent enroll",
            Self::Enrolled => "none",
            Self::Ended => "enrol it again: touchmark-agent enroll",
        }
    }
}

const SECONDS_PER_DAY: u64 = 86_400;
