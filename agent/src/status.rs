//! What a device is, for people and for scripts.

use std::time::SystemTime;

use identity::{Clock, DeviceId};

use crate::certificate::{Certificate, Kind};
use crate::renewal::renewal_time;
use crate::state::{Advice, EnrolmentStep, FactoryStep, Parent, Place, RenewalStep, StateError, View};

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
    /// How far the renewal is that is under way.
    pub renewal: Option<(Parent, RenewalStep)>,
    /// When its operational certificate is to be renewed, as far as is known here.
    pub renewal_at: Option<SystemTime>,
    /// What the CA last said about that certificate.
    pub advice: Option<Advice>,
    /// Whether applications have not been told of their certificate.
    pub untold: bool,
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
        if let Some(enrolment) = enrolment.filter(|e| e.step == EnrolmentStep::Confirmed) {
            view.check_current(enrolment.slot)?;
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
            renewal: record.renewal.as_ref().map(|renewal| (renewal.parent, renewal.step)),
            renewal_at: planned_renewal(view)?,
            advice: advice_in_force(view)?.cloned(),
            untold: record.untold,
            enrollment_url: record.enrollment_url.clone(),
            now,
            clock_is_behind: floor.contradicts(clock),
        })
    }

    /// What to do next, for people.
    pub fn next_action(&self) -> &'static str {
        match self.standing {
            Standing::Enrolled if self.renewal.is_some() => "let it finish: touchmark-agent renew, or run",
            standing => standing.next_action(),
        }
    }

    /// Whole days until the operational certificate ends; zero when it has ended.
    pub fn days_left(&self) -> Option<u64> {
        let left = self.operational.as_ref()?.not_after.duration_since(self.now);
        Some(left.unwrap_or_default().as_secs() / SECONDS_PER_DAY)
    }
}

/// What the certificate in use says; `None` when none is.
///
/// # Errors
/// When it is damaged.
pub fn certificate_in_use(view: &View) -> Result<Option<Certificate>, StateError> {
    let confirmed = view.record().enrolment.as_ref().filter(|it| it.step == EnrolmentStep::Confirmed);
    confirmed.map(|enrolment| view.certificate(Place::Slot(enrolment.slot))).transpose()
}

/// What the CA last said about the certificate in use.
///
/// # Errors
/// When that is damaged.
pub fn advice_in_force(view: &View) -> Result<Option<&Advice>, StateError> {
    let Some(certificate) = certificate_in_use(view)? else { return Ok(None) };
    Ok(view.record().advice.as_ref().filter(|advice| advice.serial_number == certificate.serial_number))
}

/// When the certificate in use is to be renewed, by what is known here.
///
/// # Errors
/// When it is damaged.
pub fn planned_renewal(view: &View) -> Result<Option<SystemTime>, StateError> {
    let (Some(certificate), Some(device)) = (certificate_in_use(view)?, &view.record().device) else {
        return Ok(None);
    };
    let window = advice_in_force(view)?.and_then(|advice| advice.window);
    Ok(Some(renewal_time(device, &certificate, window)))
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

    fn next_action(self) -> &'static str {
        match self {
            Self::InFactory => "finish it at a station: touchmark-agent factory",
            Self::Born => "enrol it: touchmark-agent enroll",
            Self::Enrolling => "let it finish: touchmark-agent enroll",
            Self::Enrolled => "none, as long as touchmark-agent run runs",
            Self::Ended => "renew it: touchmark-agent renew",
        }
    }
}

const SECONDS_PER_DAY: u64 = 86_400;
