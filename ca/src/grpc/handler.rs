//! How every unary call is answered: caller, work, answer or refusal, the refusal reported once.

use authority::{Authority, Caller, CallerRefused, Refused};
use store::Store;
use tonic::{Request, Response, Status};

use super::status;

/// Does `work` for the caller whom the gate let in. `rpc` names the call in the log.
pub(super) async fn answer<S, M, R, F>(
    authority: &Authority<S>,
    rpc: &'static str,
    request: Request<M>,
    work: impl FnOnce(Caller, M) -> F,
) -> Result<Response<R>, Status>
where
    S: Store,
    F: Future<Output = Result<R, Refused>>,
{
    let caller = caller(authority, rpc, &request)?;
    match work(caller.clone(), request.into_inner()).await {
        Ok(message) => Ok(Response::new(message)),
        Err(refused) => Err(refuse(authority, rpc, Some(&caller), &refused)),
    }
}

/// The caller whom the gate let in.
pub(super) fn caller<S: Store, M>(
    authority: &Authority<S>,
    rpc: &'static str,
    request: &Request<M>,
) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| refuse(authority, rpc, None, &CallerRefused::Anonymous.into()))
}

/// Reports a refusal and makes it a status.
pub(super) fn refuse<S: Store>(
    authority: &Authority<S>,
    rpc: &'static str,
    caller: Option<&Caller>,
    refused: &Refused,
) -> Status {
    status::status(refused, &authority.report(rpc, caller, refused))
}
