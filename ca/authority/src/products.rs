//! Products that are paused, by an operator or because a random generator repeated itself (ADR 0073).

use std::time::SystemTime;

use identity::Product;
use ledger::{Action, Command, Conflict, EntryNumber};
use store::ProductRecord;

use super::record::caller_command;
use super::request_digest::RequestDigest;
use super::{Authority, Caller, Operation, Refused};

impl Authority {
    /// A product and its last pause.
    ///
    /// # Errors
    /// When no work order was ever made for it.
    pub async fn product(&self, product: &Product) -> Result<ProductRecord, Refused> {
        let record = self.store.product(product).await?;
        Ok(record.ok_or_else(|| Conflict::NoSuchProduct(product.clone()))?)
    }

    /// Since when the product is paused; `None`: it is not.
    pub fn paused_since(&self, product: &Product) -> Option<SystemTime> {
        let paused = self.store.paused_products();
        let found = paused.into_iter().find(|known| known.product == *product);
        found.and_then(|known| known.paused()).map(|pause| pause.at)
    }

    /// Pauses a product: no birth certificate is issued for it, under any order. Idempotent.
    ///
    /// # Errors
    /// When no work order was ever made for it.
    pub async fn pause_product(
        &self,
        caller: &Caller,
        product: Product,
        remark: String,
    ) -> Result<ProductRecord, Refused> {
        let content = RequestDigest::of("pause product v1").text(product.as_str()).finish();
        let action = Action::PauseProduct(product.clone());
        let command = Command { remark, ..caller_command(caller, content, action) };
        self.record_as(caller, Operation::PauseProduct, command).await?;
        self.product(&product).await
    }

    /// Ends the pause that an entry began, and no later one. Idempotent.
    ///
    /// # Errors
    /// When that entry did not pause the product, or it was paused again since.
    pub async fn resume_product(
        &self,
        caller: &Caller,
        product: Product,
        pause: EntryNumber,
        remark: String,
    ) -> Result<ProductRecord, Refused> {
        let content = RequestDigest::of("resume product v1").text(product.as_str()).number(pause.0).finish();
        let action = Action::ResumeProduct { product: product.clone(), pause };
        let command = Command { remark, ..caller_command(caller, content, action) };
        self.record_as(caller, Operation::ResumeProduct, command).await?;
        self.product(&product).await
    }
}
