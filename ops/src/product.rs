//! `touchmark product …`

use identity::Product;
use proto::v1 as wire;

use crate::Context;
use crate::arguments::{PageArguments, ProductArgument, ProductCommand};
use crate::confirmation::confirm_name;
use crate::failure::Failure;
use crate::paging;
use crate::table::{Column, always, short, spare};
use crate::view::{PauseView, ProductView};

pub(crate) async fn run(command: ProductCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        ProductCommand::List(page) => list(&page, context).await,
        ProductCommand::Show(ProductArgument { name }) => {
            let product = read(&name, context).await?;
            print(product, context)
        }
        ProductCommand::Pause { product, remark } => pause(&product.name, remark, context).await,
        ProductCommand::Resume { product, remark, yes } => resume(&product.name, remark, yes, context).await,
    }
}

async fn list(page: &PageArguments, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut client = context.connection.products().await?;
    let ask = async |page| {
        let answer = client.list(wire::ListProductsRequest { page: Some(page) }).await?.into_inner();
        Ok((answer.products, answer.next_cursor))
    };
    paging::print(COLUMNS, page, context.output, ask).await
}

/// The CA keeps the first pause, and nothing of another: whoever pauses again is told of the first.
async fn pause(product: &Product, remark: String, context: &mut Context<'_>) -> Result<(), Failure> {
    // Where the product cannot be read, the CA's answer to the pause says why.
    if let Some(known) = read(product, context).await.ok().filter(|known| known.paused) {
        if !context.output.is_json() {
            let told = ProductView::from(known.clone()).of_pause(PauseView::paused_already);
            context.output.note(&format!("{product} {told}. Nothing was changed; this remark is not kept."));
        }
        return print(known, context);
    }
    let request = wire::PauseProductRequest { product: product.to_string(), remark };
    let product = context.connection.products().await?.pause(request).await?.into_inner();
    print(product, context)
}

/// Of the pause that goes on. One that has ended is in the JSON, and in `product show`.
const COLUMNS: &[Column<ProductView>] = &[
    always("PRODUCT", |product| product.product.clone()),
    always("PAUSED", |product| if product.paused { "yes" } else { "no" }.to_owned()),
    always("SINCE", |product| product.of_pause(|pause| pause.since().to_owned())),
    spare(1, always("BY", |product| product.of_pause(|pause| pause.paused_by.clone()))),
    short("WHY", |product| product.of_pause(|pause| pause.why().to_owned())),
];

async fn resume(
    product: &Product,
    remark: String,
    yes: bool,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let known = read(product, context).await?;
    let Some(pause) = known.last_pause.as_ref().filter(|_| known.paused).map(|pause| pause.ledger_entry)
    else {
        if !context.output.is_json() {
            context.output.note(&format!("{product} is not paused: there is nothing to resume"));
        }
        return print(known, context);
    };
    if !context.output.is_json() {
        context.output.note(&ProductView::from(known).to_text());
    }
    let name = product.to_string();
    confirm_name(&name, &format!("let {name} go on at all stations"), yes)?;
    let request = wire::ResumeProductRequest { product: name, pause_entry: pause, remark };
    let product = context.connection.products().await?.resume(request).await?.into_inner();
    print(product, context)
}

async fn read(product: &Product, context: &Context<'_>) -> Result<wire::Product, Failure> {
    let request = wire::GetProductRequest { product: product.to_string() };
    Ok(context.connection.products().await?.get(request).await?.into_inner())
}

fn print(product: wire::Product, context: &mut Context<'_>) -> Result<(), Failure> {
    context.output.one(&ProductView::from(product), ProductView::to_text)
}
