//! `touchmark.v1` over gRPC: decodes a message, makes one call of the authority, encodes the answer.

mod authority;
mod authorize;
mod convert;
mod enrollment;
mod handler;
mod lifecycle;
mod principal;
mod provisioning;
mod revocation;
mod roles;
mod status;
mod work_order;

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use proto::v1::authority_service_server::AuthorityServiceServer;
use proto::v1::enrollment_service_server::EnrollmentServiceServer;
use proto::v1::lifecycle_service_server::LifecycleServiceServer;
use proto::v1::principal_service_server::PrincipalServiceServer;
use proto::v1::provisioning_service_server::ProvisioningServiceServer;
use proto::v1::revocation_service_server::RevocationServiceServer;
use proto::v1::work_order_service_server::WorkOrderServiceServer;
use publication::Publication;
use tonic::service::Routes;

use ::authority::Authority;

pub use authority::{Trouble, Troubles};
pub use roles::{Access, TABLE, access};
pub(crate) use status::{CallRejected, rejection};
pub use status::{code, reason};

/// All services of `touchmark.v1` and `others` (health, reflection), behind the layer that admits their
/// callers.
///
/// The server must put the [`::authority::Proof`] of a caller, if there is one, in the extensions of every
/// request, made from the connection and from nothing else. `troubles` are told to operators beside what the
/// authority knows. Routes that are added afterwards are not behind that layer.
pub fn routes(
    authority: &Arc<Authority>,
    publication: &Arc<Publication>,
    troubles: Troubles,
    others: Routes,
) -> Routes {
    let routes = others
        .add_service(
            AuthorityServiceServer::new(authority::AuthorityCondition {
                authority: Arc::clone(authority),
                troubles,
            })
            .max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            ProvisioningServiceServer::new(provisioning::Provisioning(Arc::clone(authority)))
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            EnrollmentServiceServer::new(enrollment::Enrollment(Arc::clone(authority)))
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            LifecycleServiceServer::new(lifecycle::Lifecycle(Arc::clone(authority)))
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            RevocationServiceServer::new(revocation::Revocations {
                authority: Arc::clone(authority),
                publication: Arc::clone(publication),
            })
            .max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            PrincipalServiceServer::new(principal::Principals(Arc::clone(authority)))
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            WorkOrderServiceServer::new(work_order::WorkOrders(Arc::clone(authority)))
                .max_decoding_message_size(MANIFEST_BYTES_MAX),
        );
    let gated =
        routes.into_axum_router().layer(from_fn_with_state(Arc::clone(authority), authorize::authorize));
    Routes::from(gated).prepare()
}

/// The largest message: ten times the largest CSR, so that a CSR that is somewhat too large gets a reason
/// that its maker can act on (R-CA-15).
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;

/// The largest message about work orders: a manifest of 100,000 serial numbers of 64 characters.
pub const MANIFEST_BYTES_MAX: usize = 8 * 1024 * 1024;
