//! Admits every call: the path is in the table, and the authority admits the caller to its operation.

use std::sync::Arc;

use authority::{Authority, NotAdmitted, Proof};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tonic::Status;

use super::handler::refuse;
use super::roles::{Access, access};
use super::status;

/// Every route passes here, known or not. A service finds its caller in the request's extensions.
pub(super) async fn authorize(
    State(authority): State<Arc<Authority>>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    match access(path) {
        None => return status::unreadable(&Status::unimplemented("")).into_http(),
        Some(Access::Anyone) => {}
        Some(Access::Operation(operation)) => {
            match authority.admit(request.extensions().get::<Proof>(), operation).await {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                }
                Err(NotAdmitted { principal, refused }) => {
                    return refuse(&authority, path, principal.as_ref(), &refused).into_http();
                }
            }
        }
    }
    with_reason(next.run(request).await)
}

/// Gives a reason to a status that gRPC itself made, for a message that it could not read. Ours have one.
fn with_reason(response: Response) -> Response {
    match response.extensions().get::<Status>() {
        Some(status) if status.details().is_empty() => status::unreadable(status).into_http(),
        _ => response,
    }
}
