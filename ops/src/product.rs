//! `touchmark product …`

use identity::Product;
use proto::v1 as wire;

use crate::Context;
use crate::arguments::{ProductArgument, ProductCommand};
use crate::confirmation::confirm_name;
use crate::failure::Failure;
use crate::view::ProductView;

pub(crate) async fn run(command: ProductCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        ProductCommand::Show(ProductArgument { name }) => {
            let product = read(&name, context).await?;
            print(product, context)
        }
        ProductCommand::Pause { product, remark } => {
            let request = wire::PauseProductRequest { product: product.name.to_string(), remark };
            let product = context.connection.products().await?.pause(request).await?.into_inner();
            print(product, context)
        }
        ProductCommand::Resume { product, remark, yes } => resume(&product.name, remark, yes, context).await,
    }
}

async fn resume(
    product: &Product,
    remark: String,
    yes: bool,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let known = read(product, context).await?;
    let Some(pause) = known.last_pause.as_ref().filter(|_| known.paused).map(|pause| pause.ledger_entry)
    else {
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
