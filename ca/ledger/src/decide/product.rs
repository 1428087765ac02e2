//! New keys of units, the random generators that made them, and products that are paused because one is
//! broken (R-KEY-14, ADR 0073).

use identity::{DeviceId, GeneratorTraces, KeyFingerprint, Product};

use super::{Outcome, Rules, Stop, record};
use crate::{
    AlarmPair, CertificateFacts, Clash, Conflict, Decision, EntryNumber, Event, PauseFacts, Trace, View,
};

impl<V: View> Rules<'_, V> {
    /// Whether a unit may have a birth certificate for a new key. `allowed`: what its order says.
    ///
    /// The key is looked at first, so that a copied one is on record whatever the order says; but only a unit
    /// that its order allows pauses the product: a station cannot stop what it may not make.
    pub(super) fn may_be_new(
        &self,
        device: &DeviceId,
        key: &KeyFingerprint,
        traces: &GeneratorTraces,
        allowed: Outcome<(), V>,
    ) -> Outcome<Option<EntryNumber>, V> {
        let refused = match allowed {
            Ok(()) => None,
            Err(Stop::Conflict(conflict)) => Some(conflict),
            Err(stop) => return Err(stop),
        };
        if let Some(first) = self.view.key(key)? {
            return Err(self.key_of_another(device, &first, refused.is_none())?);
        }
        if let Some(conflict) = refused {
            return Err(conflict.into());
        }
        for trace in Trace::of(&device.product, traces) {
            if let Some(first) = self.view.trace(&trace)? {
                return Err(self.broken_generator(device, &first, trace.clash())?);
            }
        }
        self.product_goes_on(&device.product)?;
        Ok(None)
    }

    /// No station makes units of a product that is paused.
    pub(super) fn product_goes_on(&self, product: &Product) -> Outcome<(), V> {
        match self.pause_of(product)? {
            None => Ok(()),
            Some(pause) => {
                Err(Conflict::ProductPaused { product: product.clone(), pause: pause.entry }.into())
            }
        }
    }

    pub(super) fn pause_of(&self, product: &Product) -> Outcome<Option<PauseFacts>, V> {
        Ok(self.view.product(product)?.and_then(|known| known.paused()))
    }

    pub(super) fn pause_product(&self, product: &Product) -> Outcome<Decision, V> {
        let known = self.view.product(product)?;
        let known = known.ok_or_else(|| Conflict::NoSuchProduct(product.clone()))?;
        match known.paused() {
            Some(pause) => Ok(Decision::Replay(pause.entry)),
            None => Ok(record(Event::ProductPaused(product.clone()))),
        }
    }

    /// Ends the pause that who asks has seen, and no later one.
    pub(super) fn resume_product(&self, product: &Product, seen: EntryNumber) -> Outcome<Decision, V> {
        let known = self.view.product(product)?;
        let known = known.ok_or_else(|| Conflict::NoSuchProduct(product.clone()))?;
        match known.pause {
            Some(PauseFacts { entry, resumed, .. }) if entry == seen => Ok(match resumed {
                Some(entry) => Decision::Replay(entry),
                None => record(Event::ProductResumed { product: product.clone(), pause: seen }),
            }),
            Some(PauseFacts { entry, resumed: None, .. }) => {
                Err(Conflict::ProductPaused { product: product.clone(), pause: entry }.into())
            }
            _ => Err(Conflict::ProductNotPaused { product: product.clone(), pause: seen }.into()),
        }
    }

    /// The key is another's: if that is a device, either of the two shows a broken generator.
    fn key_of_another(
        &self,
        device: &DeviceId,
        first: &CertificateFacts,
        allowed: bool,
    ) -> Outcome<Stop<V::Fault>, V> {
        let Some(other) = first.holder.device().filter(|other| *other != device) else {
            // Its own former key, or that of a principal: a mistake, which says nothing of its generator.
            return self.duplicate(device, first, Clash::Key, false, Conflict::KeyAlreadyUsed);
        };
        let (pauses, paused) = self.pauses(device, first, Clash::Key, allowed)?;
        let other = of_product(&device.product, other);
        let conflict = Conflict::KeyOfAnotherUnit { device: device.clone(), other, paused };
        self.duplicate(device, first, Clash::Key, pauses, conflict)
    }

    fn broken_generator(
        &self,
        device: &DeviceId,
        first: &CertificateFacts,
        what: Clash,
    ) -> Outcome<Stop<V::Fault>, V> {
        let (pauses, paused) = self.pauses(device, first, what, true)?;
        let other = first.holder.device().and_then(|other| of_product(&device.product, other));
        let conflict = Conflict::BrokenGenerator { device: device.clone(), other, what, paused };
        self.duplicate(device, first, what, pauses, conflict)
    }

    /// Whether this finding pauses the product, once for each; and whether the product is paused then.
    fn pauses(
        &self,
        device: &DeviceId,
        first: &CertificateFacts,
        what: Clash,
        allowed: bool,
    ) -> Outcome<(bool, bool), V> {
        let is_paused = self.pause_of(&device.product)?.is_some();
        let paused_once = self.view.alarm(&AlarmPair::Pause(device.clone(), first.serial_number, what))?;
        let pauses = allowed && !is_paused && !paused_once;
        Ok((pauses, is_paused || pauses))
    }
}

/// The other unit, if its name may be told to the station: that of another product is none of its business.
fn of_product(product: &Product, other: &DeviceId) -> Option<DeviceId> {
    (other.product == *product).then(|| other.clone())
}
