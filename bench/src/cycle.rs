//! Alternates windows: limit, load, limit, load, …, limit.

use std::time::Duration;

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;

use crate::server::Server;

/// The figures of one window of load.
pub(crate) struct Load {
    pub(crate) operations: u64,
    pub(crate) elapsed: Duration,
    /// CPU microseconds of the server for preparations that belong to some of the operations.
    pub(crate) prepared_us: f64,
    /// Latencies in microseconds.
    pub(crate) latencies: Histogram<u64>,
}

impl Load {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            operations: 0,
            elapsed: Duration::ZERO,
            prepared_us: 0.0,
            latencies: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?,
        })
    }

    pub(crate) fn answered(&mut self, after: Duration) {
        self.operations += 1;
        self.latencies.saturating_record(u64::try_from(after.as_micros()).unwrap_or(u64::MAX));
    }
}

/// One window of load between two of the limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) rate_per_s: f64,
    pub(crate) limit_us: f64,
    pub(crate) server_us: f64,
}

impl Window {
    pub(crate) fn share(&self) -> f64 {
        self.limit_us / self.server_us
    }
}

/// All windows of a run.
pub(crate) struct Run {
    pub(crate) windows: Vec<Window>,
    pub(crate) latencies: Histogram<u64>,
    pub(crate) lag_max: Duration,
    pub(crate) peak_mib: f64,
}

/// Runs all windows. The server's CPU is counted until the next window begins, so that deferred work is
/// included.
pub(crate) fn alternate(
    server: &Server,
    windows: usize,
    mut prepare: impl FnMut() -> Result<()>,
    mut limit: impl FnMut() -> Result<f64>,
    mut load: impl FnMut() -> Result<Load>,
) -> Result<Run> {
    let mut run = Run {
        windows: Vec::new(),
        latencies: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?,
        lag_max: Duration::ZERO,
        peak_mib: 0.0,
    };
    prepare()?;
    load()?;
    for _ in 0..windows {
        prepare()?;
        server.settle()?;
        let before = limit()?;
        let cpu = server.cpu_us()?;
        let load = load()?;
        run.lag_max = run.lag_max.max(server.projection_lag()?);
        let after = limit()?;
        server.settle()?;
        let cpu = server.cpu_us()? - cpu - load.prepared_us;
        ensure!(load.operations > 0, "nothing was answered");
        run.latencies.add(&load.latencies)?;
        run.windows.push(Window {
            rate_per_s: load.operations as f64 / load.elapsed.as_secs_f64(),
            limit_us: f64::midpoint(before, after),
            server_us: cpu / load.operations as f64,
        });
    }
    run.peak_mib = server.peak_mib();
    Ok(run)
}

/// The client's timeout: no latency is longer.
const LATENCY_US_MAX: u64 = 60_000_000;
