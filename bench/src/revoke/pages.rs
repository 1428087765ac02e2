//! Lists a fleet page by page: the last page must take no longer than the first.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use proto::v1::{ListDevicesRequest, PageRequest};

use crate::server::Server;

/// Medians of the first and of the last pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pages {
    pub(super) first: Duration,
    pub(super) last: Duration,
}

/// Reads all devices, page by page, in pages as large as they may be.
pub(super) async fn read_all(server: &Server, devices: usize) -> Result<Pages> {
    let operator = server.authority().operator();
    let mut took = Vec::new();
    let (mut cursor, mut listed) = (String::new(), 0);
    loop {
        let page = Some(PageRequest { size: PAGE, cursor });
        let started = Instant::now();
        let request = ListDevicesRequest { page, ..ListDevicesRequest::default() };
        let answer = operator.lifecycle().list_devices(request).await?.into_inner();
        // The last page can be a short one.
        if answer.devices.len() == PAGE as usize || took.is_empty() {
            took.push(started.elapsed());
        }
        listed += answer.devices.len();
        cursor = answer.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    ensure!(listed == devices, "{listed} of {devices} devices were listed");
    let some = took.len().min(SOME);
    let last = took.split_off(took.len() - some);
    took.truncate(some);
    // A fleet of one page has one figure.
    let first = if took.is_empty() { last.clone() } else { took };
    Ok(Pages { first: median(first), last: median(last) })
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations.get(durations.len() / 2).copied().unwrap_or_default()
}

/// The largest page.
const PAGE: u32 = 1_000;

/// The number of pages per median.
const SOME: usize = 25;
