//! The one place where it is decided whether a call is answered: it is in the role table, its caller is who the ledger says, and may.

use std::sync::Arc;

use authority::{Authority, Caller, CallerRefused, PeerCertificate, Refused};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tonic::Status;

use super::handler::refuse;
use super::roles::{Access, access, answers_in_doubt, answers_untimely};
use super::status;

/// Lets a call through to its service, with its [`Caller`] in the request's extensions; or answers with the refusal itself. Every
/// route goes through here, known or not (see [`super::routes`]); a service that finds no caller refuses, so a server that was put
/// together without it answers nobody.
pub(super) async fn authorize(
    State(authority): State<Arc<Authority>>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let Some(access) = access(path) else {
        return status::unreadable(&Status::unimplemented("")).into_http();
    };
    match admit(&authority, path, access, request.extensions().get::<PeerCertificate>()).await {
        Ok(None) => {}
        Ok(Some(caller)) => {
            request.extensions_mut().insert(caller);
        }
        Err((caller, refused)) => {
            let principal = caller.as_ref().map(Caller::principal);
            return refuse(&authority, path, principal, &refused).into_http();
        }
    }
    with_reason(next.run(request).await)
}

async fn admit(
    authority: &Authority,
    path: &str,
    access: Access,
    peer: Option<&PeerCertificate>,
) -> Result<Option<Caller>, (Option<Caller>, Refused)> {
    if access == Access::Anyone {
        return Ok(None);
    }
    let nobody = PeerCertificate::default();
    let caller = authority.who_calls(peer.unwrap_or(&nobody)).await.map_err(|refused| (None, refused))?;
    if !access.allows(caller.kind()) {
        return Err((Some(caller), CallerRefused::Role.into()));
    }
    if let Some(doubt) = authority.clock_doubt()
        && !answers_in_doubt(path)
    {
        return Err((Some(caller), Refused::Clock(doubt)));
    }
    // What was confirmed before may be confirmed again: the reply may have been lost.
    let again = caller.is_early() && !caller.is_unconfirmed() && path == CONFIRM_INSTALLED;
    if (caller.is_late() || caller.is_early()) && !answers_untimely(path) && !again {
        return Err((Some(caller), CallerRefused::Expired.into()));
    }
    authority.note(&caller);
    // That call does it itself.
    // One that has not begun is of no use to its device: its first call does not supersede the one before it.
    if caller.is_unconfirmed()
        && !caller.is_early()
        && path != CONFIRM_INSTALLED
        && let Err(refused) = authority.confirm_by_use(&caller).await
    {
        return Err((Some(caller), refused));
    }
    Ok(Some(caller))
}

const CONFIRM_INSTALLED: &str = "/touchmark.v1.EnrollmentService/ConfirmInstalled";

/// Gives a reason to a status that gRPC itself made, for a message that it could not read. Ours have one.
fn with_reason(response: Response) -> Response {
    match response.extensions().get::<Status>() {
        Some(status) if status.details().is_empty() => status::unreadable(status).into_http(),
        _ => response,
    }
}
