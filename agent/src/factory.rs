//! On the bench: the device's side of the factory link (`proto/…/factory_link.proto`).

mod dialogue;
mod install;
mod serve;

pub use dialogue::Dialogue;
pub use serve::{End, Limits, ServeError, serve};
