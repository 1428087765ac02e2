//! How every unary call is answered: the caller, the work, the answer or the refusal, which is reported once.

use authority::{Authority, Caller, CallerRefused, Refused};
use identity::Principal;
use tonic::{Request, Response, Status};

use super::{Answer, Api, status};

impl Api {
    /// Does `work` for the caller that was admitted. `rpc` names the call in the log.
    pub(super) async fn answer<M, R, F>(
        &self,
        rpc: &'static str,
        request: Request<M>,
        work: impl FnOnce(Caller, M) -> F,
    ) -> Answer<R>
    where
        F: Future<Output = Result<R, Refused>>,
    {
        let caller = caller(&self.authority, rpc, &request)?;
        let done = work(caller.clone(), request.into_inner()).await;
        done.map(Response::new).map_err(|refused| refuse(&self.authority, rpc, caller.principal(), &refused))
    }
}

pub(super) fn caller<M>(
    authority: &Authority,
    rpc: &'static str,
    request: &Request<M>,
) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| refuse(authority, rpc, None, &CallerRefused::Anonymous.into()))
}

pub(super) fn refuse(
    authority: &Authority,
    rpc: &str,
    principal: Option<&Principal>,
    refused: &Refused,
) -> Status {
    let reason = status::reason(refused).as_str_name();
    status::status(refused, &authority.report(rpc, principal, refused, reason))
}
