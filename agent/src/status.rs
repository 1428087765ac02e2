//! The status of a device, for people and for scripts.

use std::time::SystemTime;

use identity::{Clock, DeviceId};

use crate::certificate::{Certificate, Kind};
use crate::renewal::renewal_time;
use crate::state::{
    CredentialLocation, EnrolmentStep, FactoryStep, Parent, RenewalInfo, RenewalStep, StateError, View,
};

/// The status of a device.
#[derive(Debug, Clone)]
pub struct Status {
    /// The device's identity, once the factory assigned one.
    pub device: Option<DeviceId>,
    /// How far the device is.
    pub standing: Standing,
    /// Its birth certificate, once installed.
    pub birth: Option<Certificate>,
    /// Its operational certificate, once installed.
    pub operational: Option<Certificate>,
    /// The parent and the last step of a renewal under way.
    pub renewal: Option<(Parent, RenewalStep)>,
    /// When its operational certificate is to be renewed, by the last answer of the CA.
    pub renewal_at: Option<SystemTime>,
    /// The CA's last answer about renewing that certificate.
    pub renewal_info: Option<RenewalInfo>,
    /// Whether applications have not been notified of their certificate.
    pub notification_pending: bool,
    /// The URL of the CA, as the factory said.
    pub enrollment_url: Option<String>,
    /// The time that it goes by.
    pub now: SystemTime,
    /// Whether its clock is behind the time floor.
    pub clock_is_behind: bool,
}

impl Status {
    /// Reads it from a state directory, and checks keys and certificates.
    pub fn read(view: &View, clock: &dyn Clock) -> Result<Self, StateError> {
        let record = view.record();
        let floor = view.time_floor()?;
        let now = floor.now(clock);
        let read = |location, kind| match &record.device {
            None => Ok(None),
            Some(device) => {
                // A certificate that has ended is not damaged: it is checked at its last second.
                let (credential, _) = view.checked(location, device, kind, |it| now.min(it.not_after))?;
                Ok(Some(credential.leaf))
            }
        };
        if record.factory == FactoryStep::KeyReady {
            view.key(CredentialLocation::Birth)?;
        }
        if record.certificate_deferred {
            view.key(CredentialLocation::Birth)?;
            view.anchors(CredentialLocation::Birth)?;
        }
        let birth = match record.is_born() {
            true => read(CredentialLocation::Birth, Kind::Birth)?,
            false => None,
        };
        let enrolment = record.enrolment.as_ref();
        let operational = match enrolment.filter(|enrolment| enrolment.step > EnrolmentStep::Begun) {
            Some(enrolment) => read(CredentialLocation::Slot(enrolment.slot), Kind::Operational)?,
            None => None,
        };
        if let Some(enrolment) = record.in_use() {
            view.check_current(enrolment.slot)?;
        }
        let ended = operational.as_ref().is_some_and(|certificate| certificate.has_ended(now));
        let standing = match (record.factory, enrolment.map(|enrolment| enrolment.step)) {
            (FactoryStep::Blank | FactoryStep::KeyReady, _) => Standing::InFactory,
            _ if record.certificate_deferred => Standing::Deferred,
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
            renewal_info: renewal_info_in_force(view)?.cloned(),
            notification_pending: record.notification_pending,
            enrollment_url: record.enrollment_url.clone(),
            now,
            clock_is_behind: floor.contradicts(clock),
        })
    }

    /// The next step, for people.
    pub fn next_action(&self) -> &'static str {
        match self.standing {
            Standing::InFactory => "finish it at a station: touchmark-agent factory",
            Standing::Deferred => {
                "let it get its birth certificate from the CA, and enrol: touchmark-agent enroll"
            }
            Standing::Born => "enrol it: touchmark-agent enroll",
            Standing::Enrolling => "let it finish: touchmark-agent enroll",
            Standing::Enrolled if self.renewal.is_some() => "let it finish: touchmark-agent renew, or run",
            Standing::Enrolled => "none, as long as touchmark-agent run runs",
            Standing::Ended => "renew it: touchmark-agent renew",
        }
    }

    /// Whole days until the operational certificate ends; zero when it has ended.
    pub fn days_left(&self) -> Option<u64> {
        let left = self.operational.as_ref()?.not_after.duration_since(self.now);
        Some(left.unwrap_or_default().as_secs() / SECONDS_PER_DAY)
    }
}

/// The operational certificate in use, if there is one.
pub fn certificate_in_use(view: &View) -> Result<Option<Certificate>, StateError> {
    view.record().in_use().map(|enrolment| view.certificate(enrolment.slot.into())).transpose()
}

/// The CA's last answer about the certificate in use.
pub fn renewal_info_in_force(view: &View) -> Result<Option<&RenewalInfo>, StateError> {
    let Some(certificate) = certificate_in_use(view)? else { return Ok(None) };
    Ok(view
        .record()
        .renewal_info
        .as_ref()
        .filter(|renewal_info| renewal_info.serial_number == certificate.serial_number))
}

/// When the certificate in use is to be renewed, by the last answer of the CA.
pub fn planned_renewal(view: &View) -> Result<Option<SystemTime>, StateError> {
    let (Some(certificate), Some(device)) = (certificate_in_use(view)?, &view.record().device) else {
        return Ok(None);
    };
    let window = renewal_info_in_force(view)?.and_then(|renewal_info| renewal_info.window);
    Ok(Some(renewal_time(device, &certificate, window)))
}

/// How far a device is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has no birth certificate yet.
    InFactory,
    /// It left the bench, or will, without its birth certificate, which is deferred.
    Deferred,
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
    /// The name for scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InFactory => "in-factory",
            Self::Deferred => "certificate-deferred",
            Self::Born => "born",
            Self::Enrolling => "enrolling",
            Self::Enrolled => "enrolled",
            Self::Ended => "ended",
        }
    }
}

const SECONDS_PER_DAY: u64 = 86_400;
