//! The command that makes a work order, for those who use the store alone.

use identity::ProfileName;
use ledger::{Action, Command, Serials, WorkOrderTerms};

/// Makes an order of product cam-2 for the station line-3, with serial numbers of this pattern.
pub fn order_command(quantity: u64, pattern: &str) -> Command {
    let terms = WorkOrderTerms {
        product: "cam-2".parse().unwrap(),
        quantity,
        profile: ProfileName::Idevid,
        serials: Serials::Pattern(pattern.parse().unwrap()),
        stations: vec!["line-3".parse().unwrap()],
        opens_at: None,
        closes_at: None,
    };
    let action = Action::CreateWorkOrder(terms);
    let remark = String::new();
    Command { principal: None, credential: None, request: None, content: [0; 32], remark, action }
}
