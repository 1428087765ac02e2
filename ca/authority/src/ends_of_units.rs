//! How units end in the factory: scrapped, given up before they had a certificate, or made again (rework);
//! from a station and from the office.

use diagnostics::Limit;
use identity::{DeviceId, DeviceSerial};
use ledger::{Action, Conflict, WorkOrderCounts, WorkOrderFacts, WorkOrderId};

use super::request_digest::RequestDigest;
use super::{Authority, Caller, Operation, Refused};

/// What a station says of the end of a unit.
#[derive(Debug, Clone)]
pub struct UnitReport {
    /// The order that the unit counts against.
    pub work_order: WorkOrderId,
    /// The unit.
    pub device: DeviceId,
    /// In the operator's words; empty: not said.
    pub reason: String,
    /// Who did it at the station, in the station's word; empty: not said.
    pub operator: String,
}

impl Authority {
    /// Scraps a unit: its certificates are revoked; its serial number and key are never used again.
    /// Idempotent.
    ///
    /// # Errors
    /// When the order is not the caller's, the unit is not of it, or the unit has enrolled.
    pub async fn report_scrap(
        &self,
        caller: &Caller,
        report: UnitReport,
    ) -> Result<WorkOrderCounts, Refused> {
        let work_order = report.work_order;
        self.scrap(caller, Operation::ReportScrap, report).await?;
        Ok(self.work_order_of_station(caller, work_order).await?.counts)
    }

    /// Gives up a serial number without a certificate: it stays spent, and no unit ever gets it. Idempotent.
    ///
    /// # Errors
    /// When the order is not the caller's, is closed, or has no quota left for it; when the serial number is
    /// not of it, has a certificate, or is reserved for another station.
    pub async fn report_give_up(
        &self,
        caller: &Caller,
        report: UnitReport,
    ) -> Result<WorkOrderCounts, Refused> {
        let work_order = report.work_order;
        self.give_up(caller, Operation::ReportGiveUp, report).await?;
        Ok(self.work_order_of_station(caller, work_order).await?.counts)
    }

    /// Allows a unit one more birth certificate, with a new key (R-LIFE-12). Idempotent until it is used.
    ///
    /// # Errors
    /// When the order is not the caller's or not open, the unit is not of it, or the unit has enrolled.
    pub async fn request_rework(
        &self,
        caller: &Caller,
        report: UnitReport,
    ) -> Result<WorkOrderCounts, Refused> {
        let content = report.content("request rework v1");
        let UnitReport { work_order, device, reason, operator } = report;
        let end = UnitEnd { work_order, device: device.clone(), what: "to be reworked" };
        let action = Action::AllowRework { work_order: Some(work_order), device, reason, operator };
        self.end_unit(caller, Operation::RequestRework, content, action, end).await?;
        Ok(self.work_order_of_station(caller, work_order).await?.counts)
    }

    /// As [`Authority::report_scrap`], for an operator, whatever the unit's order is.
    ///
    /// # Errors
    /// When there is no such unit, or it has enrolled.
    pub async fn scrap_unit(
        &self,
        caller: &Caller,
        device: DeviceId,
        reason: String,
    ) -> Result<WorkOrderFacts, Refused> {
        let known = self.store.device(&device).await?;
        let work_order = known.ok_or_else(|| Conflict::NoSuchDevice(device.clone()))?.work_order;
        self.scrap(caller, Operation::ScrapUnit, UnitReport::of_office(work_order, device, reason)).await?;
        self.work_order(work_order).await
    }

    /// As [`Authority::report_give_up`], for an operator, also when a station has reserved it.
    ///
    /// # Errors
    /// When there is no such order, it is closed, or has no quota left for it; when the serial number is not
    /// of it, has a certificate, or is reserved under another order.
    pub async fn give_up_unit(
        &self,
        caller: &Caller,
        work_order: WorkOrderId,
        serial: DeviceSerial,
        reason: String,
    ) -> Result<WorkOrderFacts, Refused> {
        let product = self.work_order(work_order).await?.terms.product.clone();
        let device = DeviceId { product, serial };
        self.give_up(caller, Operation::GiveUpUnit, UnitReport::of_office(work_order, device, reason))
            .await?;
        self.work_order(work_order).await
    }

    async fn scrap(&self, caller: &Caller, operation: Operation, report: UnitReport) -> Result<(), Refused> {
        let content = report.content("scrap unit v1");
        let UnitReport { work_order, device, reason, operator } = report;
        let action = Action::ScrapUnit { work_order, device: device.clone(), reason, operator };
        let end = UnitEnd { work_order, device, what: "scrapped" };
        self.end_unit(caller, operation, content, action, end).await
    }

    async fn give_up(
        &self,
        caller: &Caller,
        operation: Operation,
        report: UnitReport,
    ) -> Result<(), Refused> {
        let content = report.content("give up unit v1");
        let UnitReport { work_order, device, reason, operator } = report;
        let action = Action::GiveUpUnit { work_order, device: device.clone(), reason, operator };
        let end = UnitEnd { work_order, device, what: "given up" };
        self.end_unit(caller, operation, content, action, end).await
    }

    async fn end_unit(
        &self,
        caller: &Caller,
        operation: Operation,
        content: [u8; 32],
        action: Action,
        end: UnitEnd,
    ) -> Result<(), Refused> {
        let recorded = self.record(caller, operation, content, action).await?;
        // A station can ask again as often as it likes, and an order may have thousands of units.
        if !recorded.is_replay() && ENDED.admits() {
            let UnitEnd { work_order, device, what } = end;
            tracing::info!(principal = %caller, %device, %work_order, "{device} is {what}");
        }
        Ok(())
    }
}

/// For the log.
struct UnitEnd {
    work_order: WorkOrderId,
    device: DeviceId,
    what: &'static str,
}

impl UnitReport {
    fn of_office(work_order: WorkOrderId, device: DeviceId, reason: String) -> Self {
        Self { work_order, device, reason, operator: String::new() }
    }

    fn content(&self, request: &'static str) -> [u8; 32] {
        let Self { work_order, device, reason, operator } = self;
        RequestDigest::of(request)
            .number(work_order.0)
            .text(&device.to_string())
            .text(reason)
            .text(operator)
            .finish()
    }
}

static ENDED: Limit = Limit::new("a unit ends in the factory");
