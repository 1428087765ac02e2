//! The fast replay of the entries that there are many of, from their summaries.

use ledger::{DeviceChange, StatusChange, WorkOrderCounts};
use ledger_log::format::{EntrySummary, SummaryEvent};

use super::{Birth, Index, small};
use crate::Result;

impl Index {
    /// Applies the effects of an entry that is known in brief: the same as [`Index::apply`] for the whole
    /// entry, without decoding it.
    pub(in crate::state) fn apply_summary(&mut self, summary: &EntrySummary<'_>) -> Result<()> {
        let number = small(summary.number);
        // Every entry of the ledger passes here at a start: the device is looked up once.
        let hash = self.key.device(summary.device);
        let mut position = self.device_at(hash);
        self.times.enter(summary.number, summary.at_ms);
        self.enter_request(summary.caller, summary.request, number);
        match &summary.event {
            SummaryEvent::BirthIssued { work_order, certificate, traces } => {
                if self.administration.take_reserved(summary.device, *work_order) {
                    self.administrative.push(number);
                }
                self.enter_certificate_of(position, certificate, number)?;
                self.enter_traces(summary.device.product, traces, self.certificates.last());
                let born = Birth {
                    serial_number: certificate.serial_number,
                    work_order: *work_order,
                    caller: summary.caller,
                    at_ms: summary.at_ms,
                };
                position = Some(self.bear(hash, position, &born, number));
            }
            SummaryEvent::UnitConfirmed { work_order, serial_number } => {
                self.change(position, DeviceChange::Confirmed, number);
                self.change_status(self.certificate_row(serial_number)?, StatusChange::InUse, number)?;
                self.administration.count(*work_order, WorkOrderCounts::count_confirmed);
            }
            SummaryEvent::OperationalIssued { certificate } => {
                self.enter_certificate_of(position, certificate, number)?;
            }
            SummaryEvent::InstallConfirmed { serial_number } => {
                let used = self.certificate_row(serial_number)?;
                self.supersede(position, used, number, None)?;
                self.change_status(used, StatusChange::InUse, number)?;
            }
        }
        if let Some(row) = position.and_then(|position| self.devices.row(position)) {
            row.see(u32::try_from(summary.at_ms / 1000).unwrap_or(u32::MAX));
        }
        Ok(())
    }
}
