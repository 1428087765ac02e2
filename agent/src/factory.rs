//! On the bench: the device's side of the factory link. The station asks, the device answers
//! (`proto/…/factory_link.proto`).

mod dialogue;
mod install;
mod serve;

pub use dialogue::Dialogue;
pub use serve::{End, Limits, ServeError, serve};
