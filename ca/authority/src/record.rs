//! Every command of the authority goes to the ledger here.

use ledger::{Action, Command};
use store::{Recorded, Verdict};

use super::{Authority, Caller, CallerRefused, Operation, Refused};

impl Authority {
    /// Records one command of a caller, which is its operation and issues no certificate.
    pub(super) async fn record(
        &self,
        caller: &Caller,
        operation: Operation,
        content: [u8; 32],
        action: Action,
    ) -> Result<Recorded, Refused> {
        self.record_as(caller, operation, caller_command(caller, content, action)).await
    }

    /// As [`Authority::record`], with a request id or a remark for people who read the ledger.
    pub(super) async fn record_as(
        &self,
        caller: &Caller,
        operation: Operation,
        command: Command,
    ) -> Result<Recorded, Refused> {
        if !operation.is_done_in_doubt() {
            self.clock_is_trusted()?;
        }
        self.record_at_any_time(caller, command).await
    }

    /// As [`Authority::record_as`], also while the clock is in doubt.
    pub(super) async fn record_at_any_time(
        &self,
        caller: &Caller,
        command: Command,
    ) -> Result<Recorded, Refused> {
        self.check_recorder(caller).await?;
        Ok(self.commit_one(command).await??)
    }

    /// Records a command of the CA itself: the entry names no principal.
    pub(super) async fn record_own(&self, action: Action) -> Result<Recorded, Refused> {
        Ok(self.commit_one(own_command([0; 32], action)).await??)
    }

    /// Commits commands of a caller, checked again after the signing; `decide` does it last (ADR 0009).
    pub(super) async fn commit(
        &self,
        caller: &Caller,
        commands: Vec<Command>,
    ) -> Result<Vec<Verdict>, Refused> {
        self.check_recorder(caller).await?;
        Ok(self.store.commit(commands).await?)
    }

    /// As [`Authority::check_caller`]. A caller without a name is refused: an entry without a principal
    /// is the CA's own.
    async fn check_recorder(&self, caller: &Caller) -> Result<(), Refused> {
        if caller.principal().is_none() {
            return Err(CallerRefused::BareKey.into());
        }
        self.check_caller(caller).await
    }

    /// Commits one command, without a look at a caller.
    pub(super) async fn commit_one(&self, command: Command) -> Result<Verdict, Refused> {
        let mut verdicts = self.store.commit(vec![command]).await?;
        verdicts.pop().ok_or_else(|| Refused::internal("a command has no verdict"))
    }
}

/// A command of a caller, without a request id or a remark.
pub(super) fn caller_command(caller: &Caller, content: [u8; 32], action: Action) -> Command {
    let (principal, credential) = (caller.principal().cloned(), caller.credential());
    Command { principal, credential, ..own_command(content, action) }
}

/// A command of the CA itself, without a request id or a remark.
pub(super) fn own_command(content: [u8; 32], action: Action) -> Command {
    Command { principal: None, credential: None, request: None, content, remark: String::new(), action }
}
