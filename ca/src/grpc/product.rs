//! `ProductService`: for operators.

use ledger::EntryNumber;
use proto::v1;
use proto::v1::product_service_server::ProductService;
use tonic::Request;

use super::{Answer, Api, convert};

#[tonic::async_trait]
impl ProductService for Api {
    async fn get(&self, request: Request<v1::GetProductRequest>) -> Answer<v1::Product> {
        self.answer("GetProduct", request, async |_, message| {
            let product = convert::product_name(&message.product)?;
            Ok(convert::product(&self.authority.product(&product).await?))
        })
        .await
    }

    async fn list(&self, request: Request<v1::ListProductsRequest>) -> Answer<v1::ListProductsResponse> {
        self.answer("ListProducts", request, async |_, message| {
            let (cursor, rows) = convert::page(message.page)?;
            let page = self.authority.store().products(cursor.as_ref(), rows).await?;
            Ok(v1::ListProductsResponse {
                products: page.rows.iter().map(convert::product).collect(),
                next_cursor: convert::next_cursor(page.next.as_ref()),
            })
        })
        .await
    }

    async fn pause(&self, request: Request<v1::PauseProductRequest>) -> Answer<v1::Product> {
        self.answer("PauseProduct", request, async |caller, message| {
            let product = convert::product_name(&message.product)?;
            let remark = convert::remark("remark", &message.remark)?;
            Ok(convert::product(&self.authority.pause_product(&caller, product, remark).await?))
        })
        .await
    }

    async fn resume(&self, request: Request<v1::ResumeProductRequest>) -> Answer<v1::Product> {
        self.answer("ResumeProduct", request, async |caller, message| {
            let product = convert::product_name(&message.product)?;
            let remark = convert::said_remark("remark", &message.remark)?;
            let pause = EntryNumber(message.pause_entry);
            Ok(convert::product(&self.authority.resume_product(&caller, product, pause, remark).await?))
        })
        .await
    }
}
