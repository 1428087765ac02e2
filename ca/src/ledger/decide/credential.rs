//! Credentials of stations, operators, relying parties and services.

use identity::{KeyFingerprint, Principal, PrincipalName, RevocationReason, Role};

use super::{Outcome, Rules, Stop, record};
use crate::ledger::{Conflict, Decision, EntryNumber, Event, Holder, View};

impl<V: View> Rules<'_, V> {
    /// Whether the principal may have a credential for this key: the entry that gave it one before, or `None` if nothing is in the way.
    ///
    /// A principal may have several at a time (the next one is made before the last one expires), each with a key of its own.
    pub(super) fn may_have_credential(
        &self,
        role: Role,
        name: &PrincipalName,
        key: &KeyFingerprint,
    ) -> Outcome<Option<EntryNumber>, V::Fault> {
        let Some(first) = self.view.key(key).map_err(Stop::Fault)? else { return Ok(None) };
        if first.holder != Holder::Principal(Principal::named(role, name.clone())) {
            return Err(Conflict::KeyAlreadyUsed.into());
        }
        self.may_be_handed_out(&first)?;
        self.is_of_use(&first)?;
        Ok(Some(first.entry))
    }

    pub(super) fn revoke_principal(
        &self,
        role: Role,
        name: &PrincipalName,
        reason: RevocationReason,
    ) -> Outcome<Decision, V::Fault> {
        let Some(known) = self.view.principal(role, name).map_err(Stop::Fault)? else {
            return Err(Conflict::NoSuchPrincipal(Principal::named(role, name.clone())).into());
        };
        let revoked = self.unrevoked_of(&known.certificates)?;
        match known.revoked {
            Some(entry) if revoked.is_empty() => Ok(Decision::Replay(entry)),
            _ => Ok(record(Event::PrincipalRevoked { role, name: name.clone(), reason, revoked })),
        }
    }
}
