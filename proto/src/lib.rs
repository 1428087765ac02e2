//! The wire: messages and services of `touchmark.v1`, generated from `proto/touchmark/v1` by `cargo xtask
//! proto`.
#![allow(clippy::allow_attributes_without_reason, reason = "the generator writes attributes without reasons")]

mod work_order;

/// Messages, clients and servers of the package `touchmark.v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    rustdoc::all,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::or_fun_call,
    clippy::use_self,
    reason = "generated"
)]
pub mod v1 {
    include!("generated/touchmark.v1.rs");
}

/// All of `touchmark.v1` as an encoded `google.protobuf.FileDescriptorSet`, for reflection and for tests that
/// walk the services.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/touchmark.v1.fds");
