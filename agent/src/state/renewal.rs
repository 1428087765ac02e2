//! A renewal in the state directory: the next certificate is made in the spare slot.
//!
//! The record forgets a slot before it is emptied and names it after it was filled. It always names one
//! certificate in use, and `current` leads to that one or to its proven successor.

use std::time::SystemTime;

use identity::RequestId;

use super::{CredentialLocation, Enrolment, EnrolmentStep, Parent, Renewal, RenewalStep, State, StateError};

impl State {
    /// Starts a renewal in the slot that is not in use: empties it, and keeps the request id. After an error
    /// the next start does it again.
    pub fn begin_renewal(&mut self, request_id: RequestId, parent: Parent) -> Result<Renewal, StateError> {
        self.give_up_renewal()?;
        let in_use = self.view().slot_in_use()?;
        let renewal = Renewal { slot: in_use.other(), request_id, parent, step: RenewalStep::Begun };
        self.update(|record| record.renewal = Some(renewal.clone()))?;
        Ok(renewal)
    }

    /// Gives up the renewal under way, if there is one, and empties its slot; `current` leads to the
    /// certificate in use again. After an error the next start does it again.
    pub fn give_up_renewal(&mut self) -> Result<(), StateError> {
        let in_use = self.view().slot_in_use()?;
        self.switch_to(in_use)?;
        if self.record().renewal.is_some() {
            self.update(|record| record.renewal = None)?;
        }
        self.empty(in_use.other())
    }

    /// Makes the renewed certificate the one in use, durably. The old one's files stay, and no record names
    /// them.
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

    /// Removes the key and the certificate that were in use before, or leaves that to the next start.
    pub fn retire_spare_slot(&mut self) -> Result<(), StateError> {
        if self.record().renewal.is_some() {
            return Ok(());
        }
        let spare = self.view().slot_in_use()?.other();
        if self.view().holds_anything(CredentialLocation::Slot(spare)) {
            self.empty(spare)?;
        }
        Ok(())
    }
}
