//! The operator's screen: state (`view`), drawing (`draw`, `panel`), terminal (`terminal`). ADR 0072.

mod draw;
mod grid;
mod keys;
mod letters;
mod palette;
mod panel;
mod terminal;
mod view;

#[cfg(test)]
mod tests;
pub(crate) use keys::Key;
pub(crate) use terminal::{Screen, why_not};
pub(crate) use view::View;
