//! A station with many slots: its CPU for each unit, beside what the link alone costs.
//!
//! The devices live in this process, so that their CPU is not the station's. In turn with the station a
//! process without any of its logic exchanges the same frames over the same kind of link.

mod bare_link;
mod devices;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};
use tests::{CertificateAuthority, Factory, OrderTerms, Process, Station};
use tokio::runtime::{Builder, Runtime};

use crate::report::rounded;
use crate::terms::Place;
use devices::{Devices, Exchange};

pub(crate) use bare_link::BareLink;

/// The load.
#[derive(Debug, Args)]
pub(crate) struct Line {
    #[command(flatten)]
    place: Place,
    /// Windows for each kind of device.
    #[arg(long, default_value_t = 5)]
    windows: usize,
    /// Slots of the station, 1 to 64.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u8).range(1..=64))]
    slots: u8,
    /// Units of a window with devices that answer at once; with slow ones ten for each slot.
    #[arg(long, default_value_t = 1_000)]
    units: u64,
}

/// One run of the station, and one of the bare link.
struct Window {
    units_per_s: f64,
    station_ms: f64,
    link_ms: f64,
    /// Of a core, for each slot.
    slot_percent: f64,
}

/// All windows with one kind of device.
struct Kind {
    answers_after: Duration,
    windows: Vec<Window>,
}

struct Bench {
    runtime: Runtime,
    authority: CertificateAuthority,
    station: Station,
    home: tempfile::TempDir,
    orders: u32,
}

impl Line {
    /// Measures and reports.
    pub(crate) fn run(&self) -> Result<()> {
        let mut bench = Bench::open(&self.place.directory()?)?;
        let kinds = [
            self.measure(&mut bench, Duration::ZERO, self.units)?,
            self.measure(&mut bench, SLOW, UNITS_OF_A_SLOT * u64::from(self.slots))?,
        ];
        self.print(&kinds);
        if self.place.json {
            let kinds: Vec<Value> = kinds.iter().map(Kind::json).collect();
            println!("{}", json!({ "name": "line", "slots": self.slots, "devices": kinds }));
        }
        Ok(())
    }

    fn measure(&self, bench: &mut Bench, answers_after: Duration, units: u64) -> Result<Kind> {
        // The frames of one unit, and everything warm.
        let (_, exchanges) = bench.window(1, self.slots, answers_after)?;
        let mut windows = Vec::new();
        for _ in 0..self.windows {
            let link_ms = bench.bare_link(&exchanges, self.slots, units.min(BARE_UNITS_MAX))?;
            let (run, _) = bench.window(units, self.slots, answers_after)?;
            windows.push(Window {
                units_per_s: units as f64 / run.elapsed.as_secs_f64(),
                station_ms: run.cpu.as_secs_f64() * 1e3 / units as f64,
                link_ms,
                slot_percent: 100.0 * run.cpu.as_secs_f64()
                    / run.elapsed.as_secs_f64()
                    / f64::from(self.slots),
            });
        }
        Ok(Kind { answers_after, windows })
    }

    fn print(&self, kinds: &[Kind]) {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_FULL_CONDENSED);
        table.set_header([
            "devices answer after",
            "units/s",
            "station ms/unit (median [min..max])",
            "aim",
            "link alone ms/unit",
            "ratio",
            "% of a core per slot",
            "aim",
        ]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for kind in kinds {
            table.add_row(kind.row());
        }
        println!("{} slots\n{table}", self.slots);
        for kind in kinds {
            if kind.median(|window| window.station_ms) > UNIT_MS_AIM {
                println!("{:?}: the station needs more than {UNIT_MS_AIM} ms for a unit", kind.answers_after);
            }
            if kind.is_slow() && kind.median(|window| window.slot_percent) > SLOT_PERCENT_AIM {
                println!("{:?}: a slot needs more than {SLOT_PERCENT_AIM} % of a core", kind.answers_after);
            }
        }
    }
}

/// What one run of the station cost.
struct Run {
    elapsed: Duration,
    cpu: Duration,
}

impl Bench {
    fn open(parent: &Path) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let home = tempfile::tempdir_in(parent).context("a directory for the CA and the station")?;
        let mut authority = CertificateAuthority::founded_in(&home.path().join("ca"));
        authority.serve();
        let station = runtime.block_on(Station::set_up(&authority, STATION, home.path()));
        Ok(Self { runtime, authority, station, home, orders: 0 })
    }

    /// Makes the units of an order of their own. Returns the cost, and the frames of the first unit.
    fn window(&mut self, units: u64, slots: u8, answers_after: Duration) -> Result<(Run, Vec<Exchange>)> {
        self.orders += 1;
        let terms = OrderTerms {
            serials: format!("W{}N{{000001..{units:06}}}", self.orders),
            ..OrderTerms::new(units, &[STATION])
        };
        let order = self.runtime.block_on(async { Factory::of(&self.authority).order(terms).await });
        let units_max = usize::try_from(units)?;
        let devices = self.runtime.block_on(Devices::start(slots, units_max, answers_after))?;
        let mut command = self.station.command("provision");
        command.args(["--work-order", &order, "--json", "--slots", &slots.to_string()]);
        command.arg("--link").arg(devices.link()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let begun = Instant::now();
        let mut process = Process::start(&mut command);
        let cpu = cpu_at_the_end(&mut process, |output| {
            let last = output.lines().last().context("the station printed nothing")?;
            let summary: Value = serde_json::from_str(last)?;
            ensure!(summary["summary"]["passed"] == units, "not all units passed: {last}");
            Ok(())
        })?;
        let run = Run { elapsed: begun.elapsed(), cpu };
        Ok((run, self.runtime.block_on(devices.exchanges())?))
    }

    /// CPU milliseconds of the same exchanges for each unit, without a station.
    fn bare_link(&self, exchanges: &[Exchange], slots: u8, units: u64) -> Result<f64> {
        let echoes = self.runtime.block_on(Devices::echo(slots, exchanges.to_vec()))?;
        let frames = self.home.path().join("frames.json");
        std::fs::write(&frames, serde_json::to_vec(exchanges)?)?;
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command.arg("bare-link").arg("--frames").arg(&frames).args(["--port", &echoes.port().to_string()]);
        command.args(["--slots", &slots.to_string(), "--units", &units.to_string()]);
        let output = command.stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "the bare link failed");
        let micros: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
        Ok(micros / 1e3)
    }
}

/// Reads what a process prints, judges it, and returns the CPU time that the process has used in all.
fn cpu_at_the_end(process: &mut Process, judge: impl FnOnce(&str) -> Result<()>) -> Result<Duration> {
    let mut output = String::new();
    let mut stdout = process.child_mut().stdout.take().context("standard output")?;
    std::io::Read::read_to_string(&mut stdout, &mut output)?;
    // It has ended, or is about to; until it is waited for the system keeps its times.
    let end = Instant::now() + ENDED_WITHIN;
    let cpu = loop {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id()))?;
        // The name in brackets may contain anything.
        let (_, fields) = stat.rsplit_once(") ").context("the form of stat")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        if fields.first() == Some(&"Z") {
            let ticks = |at: usize| -> Result<u64> { Ok(fields.get(at).context("a field")?.parse()?) };
            break Duration::from_secs_f64((ticks(11)? + ticks(12)?) as f64 / TICKS_PER_S);
        }
        ensure!(Instant::now() < end, "the station closed its output and goes on");
        std::thread::sleep(Duration::from_millis(1));
    };
    process.wait(ENDED_WITHIN).context("the station ends")?;
    judge(&output)?;
    Ok(cpu)
}

impl Kind {
    fn is_slow(&self) -> bool {
        !self.answers_after.is_zero()
    }

    fn median(&self, figure: impl Fn(&Window) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.windows.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn extreme(&self, pick: fn(f64, f64) -> f64) -> f64 {
        self.windows.iter().map(|window| window.station_ms).reduce(pick).unwrap_or(f64::NAN)
    }

    fn json(&self) -> Value {
        json!({
            "answer_after_ms": self.answers_after.as_millis() as u64,
            "units_per_s": rounded(self.median(|window| window.units_per_s), 1),
            "station_cpu_ms_per_unit": rounded(self.median(|window| window.station_ms), 3),
            "station_cpu_ms_per_unit_min": rounded(self.extreme(f64::min), 3),
            "station_cpu_ms_per_unit_max": rounded(self.extreme(f64::max), 3),
            "station_cpu_ms_per_unit_aim": UNIT_MS_AIM,
            "link_cpu_ms_per_unit": rounded(self.median(|window| window.link_ms), 3),
            "ratio": rounded(self.median(|window| window.station_ms / window.link_ms), 2),
            "core_percent_per_slot": rounded(self.median(|window| window.slot_percent), 3),
            "windows": self.windows.len(),
        })
    }

    fn row(&self) -> Vec<String> {
        let value = self.json();
        let number = |key: &str| value[key].to_string();
        vec![
            format!("{} ms", number("answer_after_ms")),
            number("units_per_s"),
            format!(
                "{} [{}..{}]",
                number("station_cpu_ms_per_unit"),
                number("station_cpu_ms_per_unit_min"),
                number("station_cpu_ms_per_unit_max")
            ),
            format!("{UNIT_MS_AIM}"),
            number("link_cpu_ms_per_unit"),
            number("ratio"),
            number("core_percent_per_slot"),
            if self.is_slow() { format!("{SLOT_PERCENT_AIM}") } else { String::new() },
        ]
    }
}

const STATION: &str = "line-1";

/// Devices that make their key in software, or write slow flash.
const SLOW: Duration = Duration::from_millis(300);
const UNITS_OF_A_SLOT: u64 = 10;

/// The bare link needs no more for a steady figure.
const BARE_UNITS_MAX: u64 = 1_000;

const UNIT_MS_AIM: f64 = 3.0;
const SLOT_PERCENT_AIM: f64 = 1.0;

/// `USER_HZ` of Linux, on every platform that we build for.
const TICKS_PER_S: f64 = 100.0;

/// From the end of the output to the end of the process.
const ENDED_WITHIN: Duration = Duration::from_secs(20);
