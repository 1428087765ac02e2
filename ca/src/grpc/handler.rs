//! How every unary call is answered: the caller, the work, the answer or the refusal, which is reported once.

use authority::{Authority, Caller, CallerRefused, Refused};
use identity::Principal;
use tonic::{Request, Response, Status};

use super::status;

/// Does `work` for the caller that was admitted. `rpc` names the call in the log.
pub(super) async fn answer<M, R, F>(
    authority: &Authority,
    rpc: &'static str,
    request: Request<M>,
    work: impl FnOnce(Caller, M) -> F,
) -> Result<Response<R>, Status>
where
    F: Future<Output = Result<R, Refused>>,
{
    let caller = caller(authority, rpc, &request)?;
    match work(caller.clone(), request.into_inner()).await {
        Ok(message) => Ok(Response::new(message)),
        Err(refused) => Err(refuse(authority, rpc, Some(caller.principal()), &refused)),
    }
}

/// The caller that was admitted.
pub(super) fn caller<M>(
    authority: &Authority,
    rpc: &'static str,
    request: &Request<M>,
) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| refuse(authority, rpc, None, &CallerRefused::Anonymous.into()))
}

/// Reports a refusal and makes a status of it.
pub(super) fn refuse(
    authority: &Authority,
    rpc: &str,
    principal: Option<&Principal>,
    refused: &Refused,
) -> Status {
    let reason = status::reason(refused).as_str_name();
    status::status(refused, &authority.report(rpc, principal, refused, reason))
}
