//! Process settings.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// Disables core dumps, which have private keys, and keeps other processes of the same user from reading the
/// memory (`ptrace`).
pub fn forbid_core_dumps() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let limit = getrlimit(Resource::Core);
    // The hard limit stays, so that child processes can decide for themselves.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: limit.maximum })?;
    Ok(())
}

/// Whether SIGHUP was ignored when this process started, as with `nohup`; it must stay so.
pub fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
