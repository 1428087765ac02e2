//! Serving: opens what `init` made, serves until it is told to stop, leaves everything as a clean start wants it.

mod accept;
mod calls;
mod connection;
mod front;
mod profiles;
mod signals;
