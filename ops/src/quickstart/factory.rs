//! The factory: a work order, a station, and units on the bench.

use std::path::{Path, PathBuf};
use std::time::Duration;

use identity::Role;
use proto::v1 as wire;
use serde::Serialize;

use super::programs::{Ended, Programs, command, finish, succeed, with_tail};
use super::workspace::Workspace;
use crate::arguments::{IssueArguments, WorkOrderTerms};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::{device, files, principal, work_order};

#[derive(Debug)]
pub(crate) struct Factory {
    pub(crate) order: String,
    pub(crate) serials: Vec<String>,
    one_too_many: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Refusal {
    pub(crate) device: String,
    pub(crate) reason: &'static str,
}

impl Factory {
    /// Creates a credential for the station and an order for `count` units. Its range has one serial number
    /// more, so that the last unit is refused for the quota alone.
    pub(crate) async fn set_up(
        count: u32,
        operator: &Connection,
        workspace: &Workspace,
    ) -> Result<Self, Failure> {
        let station = || STATION.parse().map_err(|_| Failure::local("the station's name"));
        let credential = IssueArguments {
            role: Role::Station,
            name: station()?,
            out: workspace.station.clone(),
            csr: None,
            lifetime_days: None,
            hosts: Vec::new(),
        };
        principal::issue(&credential, operator).await?;
        let terms = WorkOrderTerms {
            product: PRODUCT.parse().map_err(|_| Failure::local("the product's name"))?,
            quantity: Some(count.into()),
            serials: Some(format!("SN{{000001..{:06}}}", count + 1)),
            manifest: None,
            column: None,
            stations: vec![station()?],
            allow_unknown_station: false,
            opens: None,
            closes: None,
            profile: "idevid".to_owned(),
        };
        let order = work_order::order(terms, operator).await?;
        let serial = |number: u32| format!("SN{number:06}");
        Ok(Self {
            order: order.id,
            serials: (1..=count).map(serial).collect(),
            one_too_many: serial(count + 1),
        })
    }

    /// Provisions all units with `touchmark-station`, each a `touchmark-agent factory` process.
    pub(crate) async fn provision(
        &self,
        programs: &Programs,
        workspace: &Workspace,
    ) -> Result<Duration, Failure> {
        let log = workspace.logs.join("station.log");
        let within = STATION_WITHIN + UNIT_WITHIN * u32::try_from(self.serials.len()).unwrap_or(u32::MAX);
        let mut station = self.station(programs, workspace, &self.serials, &workspace.devices, &log)?;
        Ok(succeed(&mut station, &log, within).await?.took)
    }

    /// Provisions one more unit, which the CA must refuse for the quota.
    pub(crate) async fn provision_one_too_many(
        &self,
        programs: &Programs,
        workspace: &Workspace,
    ) -> Result<Refusal, Failure> {
        let log = workspace.logs.join("refused.log");
        let unit = std::slice::from_ref(&self.one_too_many);
        let mut station = self.station(programs, workspace, unit, &workspace.refused, &log)?;
        let Ended { status, .. } = finish(&mut station, &log, STATION_WITHIN + UNIT_WITHIN).await?;
        let said = std::fs::read_to_string(&log).map_err(|source| Failure::file(&log, source))?;
        if status.success() || !said.contains(EXHAUSTED) {
            let what = format!("unit {} was not refused with {EXHAUSTED} ({status})", self.one_too_many);
            return Err(with_tail(what, &log));
        }
        Ok(Refusal { device: format!("{PRODUCT}/{}", self.one_too_many), reason: EXHAUSTED })
    }

    /// Compares the CA's records with the expected numbers.
    pub(crate) async fn compare_with_the_ledger(&self, operator: &Connection) -> Result<(), Failure> {
        let count = self.serials.len() as u64;
        let order = work_order::read(&self.order, operator).await?;
        let counts = order.counts.unwrap_or_default();
        if (counts.issued, counts.confirmed, counts.scrapped) != (count, count, 0) {
            return Err(Failure::local(format!("the ledger counts {counts:?} for {count} units")));
        }
        let filter = wire::ListDevicesRequest { work_order: self.order.clone(), ..Default::default() };
        let devices = device::all(&filter, operator).await?;
        let enrolled =
            devices.iter().filter(|device| device.state() == wire::DeviceState::Enrolled).count() as u64;
        if (devices.len() as u64, enrolled) != (count, count) {
            let listed = devices.len();
            return Err(Failure::local(format!(
                "the ledger lists {listed} devices, {enrolled} enrolled, not {count}"
            )));
        }
        Ok(())
    }

    fn station(
        &self,
        programs: &Programs,
        workspace: &Workspace,
        serials: &[String],
        devices: &Path,
        log: &Path,
    ) -> Result<tokio::process::Command, Failure> {
        let units: PathBuf = log.with_extension("units.csv");
        let lines: String = serials.iter().map(|serial| format!("{serial},{PRODUCT},1\n")).collect();
        files::write(&units, format!("serial,product,hardware-revision\n{lines}").as_bytes(), false)?;
        let state = devices.join("{serial}");
        let link = shlex::try_join([
            programs.agent.to_string_lossy().as_ref(),
            "factory",
            "--state",
            state.to_string_lossy().as_ref(),
            "--stdio",
        ])
        .map_err(|_| Failure::usage("a path with a zero byte"))?;
        let mut station = command(&programs.station, log)?;
        station.arg("provision").arg("--config").arg(workspace.station.join("station.toml"));
        station.args(["--work-order", &self.order, "--slots", SLOTS, "--serials"]).arg(&units);
        station.arg("--link").arg(format!("exec:{link}"));
        Ok(station)
    }
}

pub(crate) const PRODUCT: &str = "cam-2";
pub(crate) const STATION: &str = "line-1";

/// Enough to keep two cores busy.
const SLOTS: &str = "4";

const EXHAUSTED: &str = "WORK_ORDER_EXHAUSTED";

/// To start, connect and read its journal, on a slow and busy machine.
const STATION_WITHIN: Duration = Duration::from_secs(60);

/// For one unit, on a slow and busy machine.
const UNIT_WITHIN: Duration = Duration::from_secs(5);
