//! `touchmark.v1` over gRPC: decodes a message, makes one call of the authority, encodes the answer.

mod authority;
mod authorize;
mod convert;
mod enrollment;
mod handler;
mod lifecycle;
mod principal;
mod product;
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
use proto::v1::product_service_server::ProductServiceServer;
use proto::v1::provisioning_service_server::ProvisioningServiceServer;
use proto::v1::revocation_service_server::RevocationServiceServer;
use proto::v1::work_order_service_server::WorkOrderServiceServer;
use publication::Publication;
use tonic::service::Routes;
use tonic::{Response, Status};

use ::authority::Authority;

pub use authority::{Trouble, Troubles};
pub use roles::{Access, TABLE, access};
pub(crate) use status::{CallRejected, rejection};
pub use status::{code, reason};

/// All services of `touchmark.v1`.
struct Api {
    authority: Arc<Authority>,
    publication: Arc<Publication>,
    troubles: Troubles,
}

type Answer<T> = Result<Response<T>, Status>;

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
    let (authority, publication) = (Arc::clone(authority), Arc::clone(publication));
    let layer = from_fn_with_state(Arc::clone(&authority), authorize::authorize);
    let api = Arc::new(Api { authority, publication, troubles });
    macro_rules! service {
        ($server:ident, $bytes_max:ident) => {
            $server::from_arc(Arc::clone(&api)).max_decoding_message_size($bytes_max)
        };
    }
    let routes = others
        .add_service(service!(AuthorityServiceServer, MESSAGE_BYTES_MAX))
        .add_service(service!(ProvisioningServiceServer, MESSAGE_BYTES_MAX))
        .add_service(service!(EnrollmentServiceServer, MESSAGE_BYTES_MAX))
        .add_service(service!(LifecycleServiceServer, MESSAGE_BYTES_MAX))
        .add_service(service!(RevocationServiceServer, MESSAGE_BYTES_MAX))
        .add_service(service!(PrincipalServiceServer, MESSAGE_BYTES_MAX))
        .add_service(service!(ProductServiceServer, MESSAGE_BYTES_MAX))
        .add_service(service!(WorkOrderServiceServer, MANIFEST_BYTES_MAX));
    Routes::from(routes.into_axum_router().layer(layer)).prepare()
}

/// The largest message: a CSR that is too large shall get a reason to act on (R-CA-15).
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;

/// The largest message about work orders: a manifest of 100,000 serial numbers of 64 characters.
pub const MANIFEST_BYTES_MAX: usize = 8 * 1024 * 1024;
