//! Credentials of stations, operators, relying parties and services.

use std::collections::HashSet;

use identity::{KeyFingerprint, Principal, PrincipalName, RevocationReason, Role, SerialNumber};

use super::{Outcome, Rules, record};
use crate::{Conflict, Decision, EntryNumber, Event, Holder, RevokedCertificate, View};

impl<V: View> Rules<'_, V> {
    /// Whether the principal may have a credential for this key: the entry that gave it one before, or `None`
    /// if nothing is in the way.
    ///
    /// A principal may have several at a time (the next one is made before the last one expires), each with a
    /// key of its own.
    pub(super) fn may_have_credential(
        &self,
        role: Role,
        name: &PrincipalName,
        key: &KeyFingerprint,
    ) -> Outcome<Option<EntryNumber>, V> {
        let Some(first) = self.view.key(key)? else { return Ok(None) };
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
        last_operator: bool,
    ) -> Outcome<Decision, V> {
        let Some(known) = self.view.principal(role, name)? else {
            return Err(Conflict::NoSuchPrincipal(Principal::named(role, name.clone())).into());
        };
        let revoked = self.unrevoked_of(&known.certificates)?;
        match known.revoked {
            Some(entry) if revoked.is_empty() => Ok(Decision::Replay(entry)),
            _ => {
                if role == Role::Operator && !last_operator {
                    self.leaves_an_operator(&revoked)?;
                }
                Ok(record(Event::PrincipalRevoked { role, name: name.clone(), reason, revoked }))
            }
        }
    }

    /// Refuses a revocation after which no operator has a credential that is good, if one has now.
    pub(super) fn leaves_an_operator(&self, revoked: &[RevokedCertificate]) -> Outcome<(), V> {
        let revoked: HashSet<_> = revoked.iter().map(|one| one.serial_number).collect();
        let mut loses_one = false;
        for name in self.view.principals_of(Role::Operator)? {
            let known = self.view.principal(Role::Operator, &name)?;
            for serial_number in known.map(|known| known.certificates).unwrap_or_default() {
                if !self.is_good(serial_number)? {
                    continue;
                }
                if !revoked.contains(&serial_number) {
                    return Ok(());
                }
                loses_one = true;
            }
        }
        if loses_one { Err(Conflict::LastOperator.into()) } else { Ok(()) }
    }

    /// Whether a certificate is neither revoked, nor on hold, nor past its end.
    fn is_good(&self, serial_number: SerialNumber) -> Outcome<bool, V> {
        let facts = self.view.certificate(&serial_number)?;
        Ok(facts.is_some_and(|facts| facts.status.is_good() && facts.not_after > self.now))
    }
}
