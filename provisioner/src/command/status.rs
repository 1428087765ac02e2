//! Exit statuses: the same in all programs of the product.

/// Done, and all is good.
pub(super) const DONE: u8 = 0;
/// Failed; running it again may help.
pub(super) const FAILED: u8 = 1;
/// Wrong usage: arguments, or a list with mistakes.
pub(super) const USAGE: u8 = 2;
/// The configuration or the credential cannot be used; running it again does not help.
pub(super) const CONFIGURATION: u8 = 3;
/// The journal is damaged, or of another version.
pub(super) const STORED_STATE: u8 = 4;
/// Not confirmed: nothing was changed.
pub(super) const NOT_CONFIRMED: u8 = 5;
/// Done, but some units failed or were not made.
pub(super) const NOT_ALL_GOOD: u8 = 6;
/// The CA was not reached, or said "later": the same command may succeed later.
pub(super) const LATER: u8 = 7;
