//! What the index of broken-generator traces (ADR 0073) costs: the same births are committed once more
//! without traces, and the store is opened over both ledgers in turns.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use identity::SystemClock;
use serde_json::{Value, json};
use store::{Ledger as _, LogStore, Status as _};

use super::{Step, Store, rounded, status_mib};

/// The figures of a store with and without traces, each for one device.
struct Cost {
    /// To open the store: microseconds.
    start_us: f64,
    /// Memory of the open store.
    memory_bytes: f64,
    /// To commit: microseconds of CPU.
    commit_us: f64,
    ledger_bytes: f64,
}

impl Store {
    /// Compares the ledger in `with`, which `load` describes, with one of the same births in `without`.
    pub(super) fn compare_traces(&self, with: &Path, load: &Value, without: &Path) -> Result<Value> {
        let load_without = self.step(without, Step::LoadWithoutTraces)?;
        let (mut starts, mut starts_without) = (Vec::new(), Vec::new());
        // In turns, so that a host that becomes slower does so for both.
        for _ in 0..STARTS {
            starts.push(self.step(with, Step::Start)?);
            starts_without.push(self.step(without, Step::Start)?);
        }
        let cost = self.cost(load, &starts)?;
        let bare = self.cost(&load_without, &starts_without)?;
        let figure = |figure: fn(&Cost) -> f64, digits| {
            let (with, without) = (figure(&cost), figure(&bare));
            json!({
                "with": rounded(with, digits),
                "without": rounded(without, digits),
                "traces": rounded(with - without, digits),
            })
        };
        Ok(json!({
            "memory_bytes_per_device": figure(|cost| cost.memory_bytes, 1),
            "ledger_bytes_per_device": figure(|cost| cost.ledger_bytes, 0),
            "start_us_per_device": figure(|cost| cost.start_us, 2),
            "commit_cpu_us_per_device": figure(|cost| cost.commit_us, 2),
        }))
    }

    /// Opens the store, and looks at its memory once its projection is whole.
    pub(super) async fn start(&self) -> Result<Value> {
        let started = Instant::now();
        let store = LogStore::open(&self.settings(), Arc::new(SystemClock))?;
        let start_s = started.elapsed().as_secs_f64();
        while store.metrics().projected < store.head().0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let memory_mib = status_mib("RssAnon:")?;
        store.close().await?;
        Ok(json!({ "start_s": start_s, "memory_mib": memory_mib }))
    }

    fn cost(&self, load: &Value, starts: &[Value]) -> Result<Cost> {
        let devices = self.devices as f64;
        let number = |value: &Value, key: &str| value[key].as_f64().with_context(|| format!("no {key}"));
        Ok(Cost {
            start_us: median(starts, |start| number(start, "start_s"))? * 1e6 / devices,
            memory_bytes: median(starts, |start| number(start, "memory_mib"))? * MIB / devices,
            commit_us: number(load, "cpu_us_per_op")?,
            ledger_bytes: number(load, "ledger_bytes_per_device")?,
        })
    }
}

pub(super) fn print_table(figures: &Value) {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(["", "with traces", "without", "traces"]);
    for (key, row) in figures.as_object().into_iter().flatten() {
        let cells = ["with", "without", "traces"].map(|column| row[column].to_string());
        table.add_row([key.to_owned()].into_iter().chain(cells));
    }
    println!("{table}");
}

fn median(starts: &[Value], figure: impl Fn(&Value) -> Result<f64>) -> Result<f64> {
    let mut figures = starts.iter().map(figure).collect::<Result<Vec<_>>>()?;
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().context("no start was measured")
}

/// Starts over each ledger, of which the median counts.
const STARTS: usize = 5;

const MIB: f64 = 1024.0 * 1024.0;
