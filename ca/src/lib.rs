//! Touchmark's certificate authority.

pub mod archive;
pub mod arguments;
pub mod clock;
pub mod config;
pub mod exit;
pub mod grpc;
pub mod http;
pub mod init;
pub mod ledger;
mod network_limit;
mod open;
mod profiles;
pub mod serve;
pub mod telemetry;
pub mod tls;
pub mod wait;
