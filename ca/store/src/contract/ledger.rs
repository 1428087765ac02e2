//! Putting things on record.

use std::time::Duration;

use async_trait::async_trait;
use identity::{Principal, RequestId};
use ledger::{Command, EntryNumber, Intent};
use ledger_log::LogMetrics;
use ledger_log::tree::Hash;

use crate::{Preflight, Result, Verdict};

/// The one way to change anything: commands are decided one after the other, in one order, which is the order
/// of their entry numbers.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Decides the commands in their order and puts those that are accepted on record.
    ///
    /// When it returns `Ok` there is one verdict for each command, and every entry named by a verdict, also
    /// by a replayed one, survives a power cut. Later commands see the effect of earlier ones: of this call,
    /// and of every call that returned before, in any process. Each command happens wholly or not at all; the
    /// commands of one call are not one transaction: a crash may keep the first few. The time of an entry is
    /// never before that of the entry before it, unless an operator confirmed that the ledger was ahead.
    ///
    /// A call that was dropped may have happened all the same. Ask again with the same request id: the answer
    /// is the same.
    ///
    /// # Errors
    /// When it returns `Err` no verdict is known. After `StoreError::Full` nothing of this call happened.
    /// After any other, some of it may have: ask again with the same request ids once the store is back.
    async fn commit(&self, commands: Vec<Command>) -> Result<Vec<Verdict>>;

    /// Says what `commit` would answer, before anything is signed. It saves signatures and promises nothing:
    /// the answer [`Preflight::Clear`] can still end in a conflict. [`Preflight::Answered`] is final and
    /// durable.
    async fn preflight(&self, intent: &Intent) -> Result<Preflight>;

    /// The verdict that a request got before: its entry, which is durable; or the conflict if it was asked
    /// with another content, or if its answer may not be given again. `None`: as of now the request is new.
    /// Changes nothing and counts as no command.
    async fn answered(
        &self,
        principal: &Principal,
        request: &RequestId,
        content: &[u8; 32],
    ) -> Result<Option<Verdict>>;

    /// The root of the Merkle tree over the entries up to `size`; `None`: it was not recorded. As of
    /// [`ledger_log::Log::root`].
    ///
    /// # Errors
    /// When an entry cannot be read.
    fn root(&self, size: EntryNumber) -> Result<Option<Hash>>;

    /// Figures for metrics, of this process. From memory.
    fn metrics(&self) -> StoreMetrics;

    /// Answers what was begun, refuses what comes after with `StoreError::Stopped`, leaves everything as a
    /// clean start wants it. Idempotent.
    async fn close(&self) -> Result<()>;
}

/// Figures for metrics. All counts are since the start of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreMetrics {
    /// Last durable entry.
    pub head: u64,
    /// Entries that this process appended.
    pub entries: u64,
    /// Commands refused by a rule.
    pub conflicts: u64,
    /// Whether commits are refused for good.
    pub stopped: bool,
    /// Figures of the log.
    pub log: LogMetrics,
    /// The entry that listings have reached.
    pub projected: u64,
    /// How long ago the oldest entry that listings do not show yet was committed; zero when they show all.
    pub projection_lag: Duration,
    /// Whether listings start from the beginning.
    pub projection_rebuilding: bool,
    /// How often the projection was thrown away.
    pub projection_rebuilds: u64,
    /// The last entry that is in the last checkpoint of the index: a start reads what is behind it.
    pub checkpoint: u64,
    /// Checkpoints that this process wrote.
    pub checkpoints: u64,
    /// Calls of `commit` that wait for their answers.
    pub queued: u64,
}
