//! Who asked for births: a few stations, each kept once.

use identity::{Principal, PrincipalName};
use ledger_log::format::Caller;

/// Callers by place.
#[derive(Debug, Clone, Default)]
pub(super) struct Callers(Vec<Option<Principal>>);

/// What an index keeps of a birth.
pub(super) struct Birth<'a> {
    pub(super) serial_number: identity::SerialNumber,
    pub(super) work_order: ledger::WorkOrderId,
    pub(super) caller: Caller<'a>,
    pub(super) at_ms: u64,
}

impl Callers {
    /// The place of a caller, from now on if it had none.
    pub(super) fn place(&mut self, caller: Caller<'_>) -> u32 {
        let known = self.0.iter().rposition(|known| Caller::from(known.as_ref()) == caller);
        let place = known.unwrap_or_else(|| {
            self.0.push(principal(caller));
            self.0.len() - 1
        });
        place as u32
    }

    pub(super) fn at(&self, place: u32) -> Option<Principal> {
        self.0.get(place as usize).cloned().flatten()
    }

    /// As a checkpoint keeps them.
    pub(super) fn to_text(&self) -> Vec<String> {
        self.0.iter().map(|caller| caller.as_ref().map(ToString::to_string).unwrap_or_default()).collect()
    }

    /// Reads what [`Self::to_text`] gave.
    pub(super) fn of(text: &[String]) -> Option<Self> {
        let caller = |text: &String| match text.as_str() {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        };
        text.iter().map(caller).collect::<Option<_>>().map(Self)
    }
}

fn principal(caller: Caller<'_>) -> Option<Principal> {
    match caller {
        Caller::Nobody => None,
        Caller::Named(role, name) => Some(Principal::named(role, name.parse::<PrincipalName>().ok()?)),
        Caller::Device(device) => {
            let (product, serial) = (device.product.parse().ok()?, device.serial.parse().ok()?);
            Some(Principal::Device(identity::DeviceId { product, serial }))
        }
    }
}
