//! What the four programs have in common at the command line: exit statuses, the form of an error, confirmation, completion,
//! a number with its noun.
//!
//! `docs/cli.md` is the convention in words; `tests/tests/cli_convention.rs` holds every help page against it.

mod complaint;
mod completion;
mod confirmation;
mod count;
mod parsing;
mod status;
mod values;

pub use complaint::Complaint;
pub use completion::{Shell, completion_script};
pub use confirmation::{Answer, ask};
pub use count::count;
pub use parsing::{Ended, parse, parse_from};
pub use status::Status;
pub use values::{read_file, work_order};
