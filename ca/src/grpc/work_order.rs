//! `WorkOrderService`: for operators.

use std::sync::Arc;

use authority::{Authority, UnknownStations};
use proto::v1;
use proto::v1::work_order_service_server::WorkOrderService;
use tonic::{Request, Response, Status};

use super::convert;
use super::handler::answer;

pub(super) struct WorkOrders(pub(super) Arc<Authority>);

#[tonic::async_trait]
impl WorkOrderService for WorkOrders {
    async fn create(
        &self,
        request: Request<v1::CreateWorkOrderRequest>,
    ) -> Result<Response<v1::WorkOrder>, Status> {
        answer(&self.0, "CreateWorkOrder", request, async |caller, message| {
            let request = convert::request_id(&message.request_id)?;
            let unknown = match message.allow_unknown_stations {
                true => UnknownStations::Allowed,
                false => UnknownStations::Refused,
            };
            let terms = convert::work_order_terms(message)?;
            Ok(convert::work_order(&self.0.create_work_order(&caller, request, terms, unknown).await?))
        })
        .await
    }

    async fn get(
        &self,
        request: Request<v1::GetWorkOrderByIdRequest>,
    ) -> Result<Response<v1::WorkOrder>, Status> {
        answer(&self.0, "Get", request, async |_, message| {
            let id = convert::work_order_id("id", &message.id)?;
            Ok(convert::work_order(&self.0.work_order(id).await?))
        })
        .await
    }

    async fn list(
        &self,
        request: Request<v1::ListWorkOrdersRequest>,
    ) -> Result<Response<v1::ListWorkOrdersResponse>, Status> {
        answer(&self.0, "ListWorkOrders", request, async |_, message| {
            let (cursor, rows) = convert::page(message.page)?;
            let page = self.0.work_orders(cursor.as_ref(), rows).await?;
            Ok(v1::ListWorkOrdersResponse {
                work_orders: page.rows.iter().map(convert::work_order).collect(),
                next_cursor: convert::next_cursor(page.next.as_ref()),
            })
        })
        .await
    }

    async fn pause(
        &self,
        request: Request<v1::PauseWorkOrderRequest>,
    ) -> Result<Response<v1::WorkOrder>, Status> {
        answer(&self.0, "PauseWorkOrder", request, async |caller, message| {
            let id = convert::work_order_id("id", &message.id)?;
            Ok(convert::work_order(&self.0.pause_work_order(&caller, id).await?))
        })
        .await
    }

    async fn resume(
        &self,
        request: Request<v1::ResumeWorkOrderRequest>,
    ) -> Result<Response<v1::WorkOrder>, Status> {
        answer(&self.0, "ResumeWorkOrder", request, async |caller, message| {
            let id = convert::work_order_id("id", &message.id)?;
            Ok(convert::work_order(&self.0.resume_work_order(&caller, id).await?))
        })
        .await
    }

    async fn close(
        &self,
        request: Request<v1::CloseWorkOrderRequest>,
    ) -> Result<Response<v1::CloseWorkOrderResponse>, Status> {
        answer(&self.0, "CloseWorkOrder", request, async |caller, message| {
            let id = convert::work_order_id("id", &message.id)?;
            let report = self.0.close_work_order(&caller, id).await?;
            Ok(v1::CloseWorkOrderResponse {
                work_order: Some(convert::work_order(&report.order)),
                unaccounted: report.unaccounted.iter().map(convert::device_message).collect(),
                unaccounted_count: report.unaccounted_count,
            })
        })
        .await
    }
}
