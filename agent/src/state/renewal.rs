//! A renewal in the state directory: the next certificate is made in the spare slot, and the one in use stays
//! as it is.
//!
//! The record forgets a slot before it is emptied and names it after it was filled. At every moment the
//! record names one certificate in use, and `current` leads to that one or to its proven successor.

use std::time::SystemTime;

use identity::RequestId;

use super::{
    CredentialLocation, Enrolment, EnrolmentStep, Parent, Renewal, RenewalStep, Slot, State, StateError,
};

impl State {
    /// Starts a renewal in the slot that is not in use: empties it, and keeps the request id.
    ///
    /// # Errors
    /// When something cannot be written, then the next start does it again; or when no certificate is in use.
    pub fn begin_renewal(&mut self, request_id: RequestId, parent: Parent) -> Result<Renewal, StateError> {
        self.give_up_renewal()?;
        let in_use = self.slot_in_use()?;
        let renewal = Renewal { slot: in_use.other(), request_id, parent, step: RenewalStep::Begun };
        self.update(|record| record.renewal = Some(renewal.clone()))?;
        Ok(renewal)
    }

    /// Gives up the renewal under way, if there is one, and empties its slot. `current` leads to the
    /// certificate in use again.
    ///
    /// # Errors
    /// When something cannot be written; the next start does it again.
    pub fn give_up_renewal(&mut self) -> Result<(), StateError> {
        let in_use = self.slot_in_use()?;
        self.switch_to(in_use)?;
        if self.record().renewal.is_some() {
            self.update(|record| record.renewal = None)?;
        }
        self.empty(in_use.other())
    }

    /// Makes the renewed certificate the one in use. When this returns `Ok`, that survives a power cut; the
    /// old one's files are still there, and the record does not name them.
    pub fn finish_renewal(&mut self, server_time: SystemTime) -> Result<(), StateError> {
        self.update(|record| {
            record.set_server_time(server_time);
            if let Some(renewal) = record.renewal.take() {
                let Renewal { slot, request_id, .. } = renewal;
                record.enrolment = Some(Enrolment { slot, request_id, step: EnrolmentStep::Confirmed });
                record.renewal_info = None;
                record.notification_pending = true;
            }
        })
    }

    /// Removes the key and the certificate that were in use before, if they are still there.
    ///
    /// # Errors
    /// When a file cannot be removed; the next start does it.
    pub fn retire_spare_slot(&mut self) -> Result<(), StateError> {
        if self.record().renewal.is_some() {
            return Ok(());
        }
        let spare = self.slot_in_use()?.other();
        if self.view().holds_anything(CredentialLocation::Slot(spare)) {
            self.empty(spare)?;
        }
        Ok(())
    }

    fn slot_in_use(&self) -> Result<Slot, StateError> {
        match &self.record().enrolment {
            Some(Enrolment { slot, step: EnrolmentStep::Confirmed, .. }) => Ok(*slot),
            _ => Err(StateError::NotEnrolled { directory: self.view().directory().to_owned() }),
        }
    }
}
