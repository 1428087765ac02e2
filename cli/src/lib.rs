//! What the four programs share on the command line. `docs/cli.md` describes the convention;
//! `tests/tests/cli_convention.rs` checks every help page against it.

mod complaint;
mod completion;
mod confirmation;
mod count;
mod finding;
mod parsing;
mod status;
mod values;

pub use complaint::Complaint;
pub use completion::{Shell, completion_script};
pub use confirmation::ask;
pub use count::count;
pub use finding::{Finding, Verdict, status_of_findings};
pub use parsing::{Ended, parse};
pub use status::Status;
pub use values::{read_file, reservation, work_order};
