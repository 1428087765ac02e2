//! The closing report of a work order, as of the entry that closed it: read twice from the ledger, written in
//! five forms. Pure: entries in, bytes out; the same entries give the same bytes.
//!
//! First every entry goes to a [`Survey`], which counts. Then the entries go again to a [`Report`], which
//! writes each unit where its certificate was recorded.

mod facts;
mod gaps;
mod outcome;
mod place;
mod report;
mod row;
mod survey;
mod units;
mod write;

pub use facts::{DUPLICATES_LISTED_MAX, Duplicate, Facts, Group, Period};
pub use gaps::{GAPS_LISTED_MAX, Gap, Gaps};
pub use outcome::{Outcome, Totals};
pub use place::Place;
pub use report::{Form, Report};
pub use row::Row;
pub use survey::Survey;
pub use write::{Manifest, Unsigned};
