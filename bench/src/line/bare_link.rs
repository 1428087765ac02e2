//! The link without a station: a process that exchanges recorded frames over TCP, as many units at a time as
//! the station has slots, and prints its CPU microseconds for each.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::devices::{Exchange, address};
use crate::cores::process_cpu;

/// Which frames, and how often.
#[derive(Debug, Args)]
pub(crate) struct BareLink {
    #[arg(long)]
    frames: PathBuf,
    #[arg(long)]
    port: u16,
    #[arg(long)]
    slots: u8,
    #[arg(long)]
    units: u64,
}

impl BareLink {
    /// Exchanges the frames of all units, and prints the cost of one.
    pub(crate) fn run(&self) -> Result<()> {
        let exchanges: Vec<Exchange> = serde_json::from_slice(&std::fs::read(&self.frames)?)?;
        ensure!(!exchanges.is_empty(), "no frames were recorded");
        let exchanges = Arc::new(exchanges);
        // As the station has it.
        let runtime = Runtime::new()?;
        let before = process_cpu();
        let each = self.units.div_ceil(self.slots.into());
        runtime.block_on(async {
            let mut slots = JoinSet::new();
            for slot in 1..=self.slots {
                slots.spawn(units(slot, self.port, each, Arc::clone(&exchanges)));
            }
            while let Some(ended) = slots.join_next().await {
                ended.context("a slot panicked")??;
            }
            anyhow::Ok(())
        })?;
        let made = each * u64::from(self.slots);
        println!("{:.1}", (process_cpu() - before).as_secs_f64() * 1e6 / made as f64);
        Ok(())
    }
}

async fn units(slot: u8, port: u16, count: u64, exchanges: Arc<Vec<Exchange>>) -> Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    for _ in 0..count {
        let mut stream = TcpStream::connect((address(slot), port)).await?;
        stream.set_nodelay(true)?;
        for Exchange { request, answer } in exchanges.iter() {
            stream.write_all(request).await?;
            let mut left = answer.len();
            while left > 0 {
                let length = stream.read(&mut buffer).await?;
                ensure!(length > 0, "the far end closed the link");
                left = left.saturating_sub(length);
            }
        }
    }
    Ok(())
}
