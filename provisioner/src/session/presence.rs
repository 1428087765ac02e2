//! Who is on a fixture, by the answer to a Hello without a serial number. Such a Hello changes nothing in a
//! unit.

use identity::DeviceId;

use super::{DeviceResponse, FaultCode};

/// What is on a fixture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presence {
    /// A unit with an identity: its own, or one that it was given before.
    Named(DeviceId),
    /// A unit without a serial number, or one that does not say it.
    Nameless,
    /// Something that sends bytes and gives no answer that can be read.
    Garbled { damaged: u32, noise_bytes: u64 },
}

impl Presence {
    /// What an answer says; `None` if it says nothing, because it is about a damaged frame.
    pub(crate) fn of(response: &DeviceResponse) -> Option<Self> {
        let device = match response {
            DeviceResponse::Hello(greeting) => greeting.device.clone(),
            DeviceResponse::Fault { code: FaultCode::DamagedFrame, .. } => return None,
            DeviceResponse::Fault { code: FaultCode::WrongDevice, message } => named_in(message),
            _ => None,
        };
        Some(device.map_or(Self::Nameless, Self::Named))
    }

    /// Whether it may be the unit that was there before.
    pub(crate) fn may_be(&self, before: &Self) -> bool {
        match (self, before) {
            (Self::Named(now), Self::Named(before)) => now == before,
            (Self::Named(_), _) | (_, Self::Named(_)) => false,
            (Self::Nameless | Self::Garbled { .. }, Self::Nameless | Self::Garbled { .. }) => true,
        }
    }
}

/// The name of a unit in the text of a `WRONG_DEVICE` fault: devices name themselves in the last word.
pub(super) fn named_in(message: &str) -> Option<DeviceId> {
    message.rsplit(' ').next().and_then(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{FactoryStep, Greeting};

    fn fault(code: FaultCode, message: &str) -> DeviceResponse {
        DeviceResponse::Fault { code, message: message.to_owned() }
    }

    #[test]
    fn every_answer_shows_that_a_unit_is_there_and_some_say_which() {
        let device: DeviceId = "cam-2/SN1".parse().unwrap();
        let greeting = Greeting {
            protocol_version: 1,
            device: Some(device.clone()),
            firmware: String::new(),
            key_types: Vec::new(),
            step: FactoryStep::Locked,
            certificate_deferred: false,
            takes_deferral: false,
        };
        let named = Some(Presence::Named(device));
        assert_eq!(Presence::of(&DeviceResponse::Hello(greeting)), named);
        assert_eq!(Presence::of(&fault(FaultCode::WrongDevice, "this unit is cam-2/SN1")), named);
        let blank = "this unit has no serial number, and the line gave it none";
        assert_eq!(Presence::of(&fault(FaultCode::WrongDevice, blank)), Some(Presence::Nameless));
        assert_eq!(Presence::of(&DeviceResponse::Locked), Some(Presence::Nameless));
        assert_eq!(Presence::of(&fault(FaultCode::DamagedFrame, "")), None);
    }

    #[test]
    fn a_unit_with_another_name_is_another_unit() {
        let named = |serial: &str| Presence::Named(format!("cam-2/{serial}").parse().unwrap());
        assert!(named("SN1").may_be(&named("SN1")) && !named("SN2").may_be(&named("SN1")));
        assert!(!named("SN1").may_be(&Presence::Nameless) && !Presence::Nameless.may_be(&named("SN1")));
        assert!(Presence::Garbled { damaged: 1, noise_bytes: 0 }.may_be(&Presence::Nameless));
    }
}
