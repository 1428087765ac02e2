//! `WorkOrderService`: for operators.

use std::future::ready;
use std::sync::Arc;

use authority::{Authority, Caller, ClosingDocuments, UnknownStations};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use ledger::WorkOrderFacts;
use proto::v1;
use proto::v1::work_order_service_server::WorkOrderService;
use tonic::{Request, Status};

use super::handler::refuse;
use super::{Answer, Api, convert};

#[tonic::async_trait]
impl WorkOrderService for Api {
    async fn create(&self, request: Request<v1::CreateWorkOrderRequest>) -> Answer<v1::WorkOrder> {
        self.answer("CreateWorkOrder", request, async |caller, message| {
            let request = convert::request_id(&message.request_id)?;
            let unknown = match message.allow_unknown_stations {
                true => UnknownStations::Allowed,
                false => UnknownStations::Refused,
            };
            let terms = convert::work_order_terms(message)?;
            Ok(self.order(&self.authority.create_work_order(&caller, request, terms, unknown).await?))
        })
        .await
    }

    async fn get(&self, request: Request<v1::GetWorkOrderByIdRequest>) -> Answer<v1::WorkOrder> {
        self.answer("Get", request, async |_, message| {
            let id = convert::work_order_id("id", &message.id)?;
            Ok(self.order(&self.authority.work_order(id).await?))
        })
        .await
    }

    async fn list(&self, request: Request<v1::ListWorkOrdersRequest>) -> Answer<v1::ListWorkOrdersResponse> {
        self.answer("ListWorkOrders", request, async |_, message| {
            let (cursor, rows) = convert::page(message.page)?;
            let page = self.authority.store().work_orders(cursor.as_ref(), rows).await?;
            Ok(v1::ListWorkOrdersResponse {
                work_orders: page.rows.iter().map(|order| self.order(order)).collect(),
                next_cursor: convert::next_cursor(page.next.as_ref()),
            })
        })
        .await
    }

    async fn pause(&self, request: Request<v1::PauseWorkOrderRequest>) -> Answer<v1::WorkOrder> {
        self.answer("PauseWorkOrder", request, async |caller, message| {
            let id = convert::work_order_id("id", &message.id)?;
            Ok(self.order(&self.authority.pause_work_order(&caller, id).await?))
        })
        .await
    }

    async fn resume(&self, request: Request<v1::ResumeWorkOrderRequest>) -> Answer<v1::WorkOrder> {
        self.answer("ResumeWorkOrder", request, async |caller, message| {
            let id = convert::work_order_id("id", &message.id)?;
            Ok(self.order(&self.authority.resume_work_order(&caller, id).await?))
        })
        .await
    }

    async fn close(&self, request: Request<v1::CloseWorkOrderRequest>) -> Answer<v1::CloseWorkOrderResponse> {
        self.answer("CloseWorkOrder", request, async |caller, message| {
            let id = convert::work_order_id("id", &message.id)?;
            let report = self.authority.close_work_order(&caller, id).await?;
            Ok(v1::CloseWorkOrderResponse {
                work_order: Some(self.order(&report.order)),
                unaccounted: report.unaccounted.iter().map(convert::device_message).collect(),
                unaccounted_count: report.unaccounted_count,
            })
        })
        .await
    }

    type GetClosingReportStream = BoxStream<'static, Result<v1::GetClosingReportResponse, Status>>;

    async fn get_closing_report(
        &self,
        request: Request<v1::GetClosingReportRequest>,
    ) -> Answer<Self::GetClosingReportStream> {
        let authority = Arc::clone(&self.authority);
        self.answer(CLOSING_REPORT, request, async |caller, message| {
            let id = convert::work_order_id("id", &message.id)?;
            let documents = authority.closing_documents(&caller, id).await?;
            let begin = convert::closing_begin(&documents);
            let pieces = closing_pieces(Arc::clone(&authority), caller, documents);
            Ok(stream::once(ready(Ok(begin))).chain(pieces).boxed())
        })
        .await
    }

    async fn append_manifest(&self, request: Request<v1::AppendManifestRequest>) -> Answer<v1::WorkOrder> {
        self.answer("AppendManifest", request, async |caller, message| {
            let id = convert::work_order_id("work_order", &message.work_order)?;
            let part = convert::manifest_part(&message.serials)?;
            let order = self.authority.append_manifest(&caller, id, message.position, part).await?;
            Ok(self.order(&order))
        })
        .await
    }

    async fn scrap_unit(&self, request: Request<v1::ScrapUnitRequest>) -> Answer<v1::ScrapUnitResponse> {
        self.answer("ScrapUnit", request, async |caller, message| {
            let device = convert::device_id(message.device)?;
            let reason = convert::remark("reason", &message.reason)?;
            let order = self.authority.scrap_unit(&caller, device, reason).await?;
            Ok(v1::ScrapUnitResponse { work_order: Some(self.order(&order)) })
        })
        .await
    }

    async fn give_up_unit(&self, request: Request<v1::GiveUpUnitRequest>) -> Answer<v1::GiveUpUnitResponse> {
        self.answer("GiveUpUnit", request, async |caller, message| {
            let id = convert::work_order_id("work_order", &message.work_order)?;
            let serial = convert::device_serial("serial", &message.serial)?;
            let reason = convert::remark("reason", &message.reason)?;
            let order = self.authority.give_up_unit(&caller, id, serial, reason).await?;
            Ok(v1::GiveUpUnitResponse { work_order: Some(self.order(&order)) })
        })
        .await
    }

    async fn list_reservations(
        &self,
        request: Request<v1::ListReservationsRequest>,
    ) -> Answer<v1::ListReservationsResponse> {
        self.answer("ListReservations", request, async |_, message| {
            let now = self.authority.now();
            if !message.reservation.is_empty() {
                let id = convert::reservation_id(&message.reservation)?;
                let facts = self.authority.reservation(id).await?;
                return Ok(v1::ListReservationsResponse {
                    reservations: vec![convert::reservation(&facts, now)],
                    next_cursor: String::new(),
                });
            }
            let filter = convert::reservation_filter(&message)?;
            let (cursor, rows) = convert::page(message.page)?;
            let page = self.authority.store().reservations(&filter, cursor.as_ref(), rows).await?;
            Ok(v1::ListReservationsResponse {
                reservations: page.rows.iter().map(|facts| convert::reservation(facts, now)).collect(),
                next_cursor: convert::next_cursor(page.next.as_ref()),
            })
        })
        .await
    }

    async fn withdraw_reservation(
        &self,
        request: Request<v1::WithdrawReservationRequest>,
    ) -> Answer<v1::WithdrawReservationResponse> {
        self.answer("WithdrawReservation", request, async |caller, message| {
            let id = convert::reservation_id(&message.reservation)?;
            let remark = convert::remark("remark", &message.remark)?;
            let home = self.authority.withdraw_reservation(&caller, id, remark).await?;
            Ok(convert::withdrawn(&home, self.authority.now()))
        })
        .await
    }
}

impl Api {
    /// An order, and whether its product is paused.
    pub(super) fn order(&self, order: &WorkOrderFacts) -> v1::WorkOrder {
        convert::work_order(order, self.authority.paused_since(&order.terms.product))
    }
}

/// The pieces of a report, each made when the ones before it have been taken.
fn closing_pieces(
    authority: Arc<Authority>,
    caller: Caller,
    documents: ClosingDocuments,
) -> impl Stream<Item = Result<v1::GetClosingReportResponse, Status>> + Send {
    let from = Some((authority, caller, documents));
    let groups = stream::unfold(from, async |from| {
        let (authority, caller, mut documents) = from?;
        match documents.next().await {
            Ok(pieces) if pieces.is_empty() => None,
            Ok(pieces) => {
                let messages: Vec<_> =
                    pieces.into_iter().map(|piece| Ok(convert::closing_piece(piece))).collect();
                Some((messages, Some((authority, caller, documents))))
            }
            Err(refused) => {
                let status = refuse(&authority, CLOSING_REPORT, caller.principal(), &refused);
                Some((vec![Err(status)], None))
            }
        }
    });
    groups.flat_map(stream::iter)
}

const CLOSING_REPORT: &str = "GetClosingReport";
