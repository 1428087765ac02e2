//! Pins server and client to a core each.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// The core of the server, also used to measure its limit.
pub(crate) const SERVER: usize = 0;

/// The core of the client.
pub(crate) const CLIENT: usize = 1;

/// Pins this thread, and the threads that it starts, to one core.
pub(crate) fn pin_this_thread(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("core {core}: two cores are needed"))
}

/// Runs this on the server's core, in a new thread.
pub(crate) fn on_the_servers_core<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            pin_this_thread(SERVER)?;
            work()
        });
        thread.join().map_err(|_| anyhow::anyhow!("the thread on the server's core panicked"))?
    })
}

/// CPU time of this thread; excludes other work on its core.
pub(crate) fn thread_cpu() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

/// CPU time of all threads of this process.
pub(crate) fn process_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

fn cpu(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}
