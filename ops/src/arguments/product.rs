//! `touchmark product …`

use clap::{Args, Subcommand};
use identity::Product;

use super::{PageArguments, SEE_STATUSES};

#[derive(Debug, Subcommand)]
pub(crate) enum ProductCommand {
    /// All products that a work order was ever made for: which are paused, since when and why
    #[command(after_help = SEE_STATUSES)]
    List(PageArguments),
    /// Whether a product is paused: since when, by whom, and what was found
    #[command(after_help = SEE_STATUSES)]
    Show(ProductArgument),
    /// Issue no birth certificate for a product, under any order and at any station, until resumed
    ///
    /// The CA does this by itself when the random generators of two units have made the same. What was issued
    /// stays valid.
    #[command(after_help = SEE_STATUSES)]
    Pause {
        #[command(flatten)]
        product: ProductArgument,
        /// In your own words, for the ledger, at most 256 characters
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        remark: String,
    },
    /// Let a product go on after a pause
    ///
    /// It shows why the product is paused, and asks for its name on a terminal; use --yes elsewhere. A pause
    /// that began after the one that was shown goes on.
    #[command(after_help = SEE_STATUSES)]
    Resume {
        #[command(flatten)]
        product: ProductArgument,
        /// What was found and done, for the ledger, at most 256 characters
        #[arg(long, value_name = "TEXT")]
        remark: String,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ProductArgument {
    /// For example cam-2
    #[arg(value_name = "PRODUCT")]
    pub(crate) name: Product,
}
