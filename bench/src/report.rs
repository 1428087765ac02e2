//! The report: a table for people, an object for programs.

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use crate::cycle::{Run, Window};

/// A figure and its target.
pub(crate) struct Report<'a> {
    pub(crate) name: &'a str,
    pub(crate) run: &'a Run,
    /// The target of the efficiency.
    pub(crate) aim: f64,
}

impl Report<'_> {
    pub(crate) fn share(&self) -> f64 {
        self.median(Window::share)
    }

    /// One JSON object.
    pub(crate) fn json(&self) -> Value {
        let shares = || self.run.windows.iter().map(Window::share);
        json!({
            "name": self.name,
            "rate_per_s": rounded(self.median(|window| window.rate_per_s), 1),
            "share": rounded(self.share(), 3),
            "share_min": rounded(shares().fold(f64::INFINITY, f64::min), 3),
            "share_max": rounded(shares().fold(0.0, f64::max), 3),
            "share_aim": self.aim,
            "p50_ms": self.quantile_ms(0.5),
            "p99_ms": self.quantile_ms(0.99),
            "server_cpu_us_per_op": rounded(self.median(|window| window.server_us), 1),
            "limit_cpu_us_per_op": rounded(self.median(|window| window.limit_us), 1),
            "server_peak_rss_mib": rounded(self.run.peak_mib, 1),
            "projection_lag_ms_max": self.run.lag_max.as_millis() as u64,
            "windows": self.run.windows.len(),
        })
    }

    fn row(&self) -> Vec<String> {
        let value = self.json();
        let number = |key: &str| value[key].to_string();
        vec![
            self.name.to_owned(),
            number("rate_per_s"),
            number("p50_ms"),
            number("p99_ms"),
            number("limit_cpu_us_per_op"),
            number("server_cpu_us_per_op"),
            format!("{:.3} [{}..{}]", self.share(), number("share_min"), number("share_max")),
            format!("{:.2}", self.aim),
            number("server_peak_rss_mib"),
            number("projection_lag_ms_max"),
        ]
    }

    fn quantile_ms(&self, quantile: f64) -> f64 {
        rounded(self.run.latencies.value_at_quantile(quantile) as f64 / 1000.0, 2)
    }

    pub(crate) fn median(&self, figure: impl Fn(&Window) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.run.windows.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Prints one row for each report.
pub(crate) fn print_table(reports: &[Report<'_>]) {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "",
        "rate/s",
        "p50 ms",
        "p99 ms",
        "limit µs",
        "server µs",
        "share (median [min..max])",
        "aim",
        "peak MiB",
        "lag ms",
    ]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for report in reports {
        table.add_row(report.row());
    }
    println!("{table}");
    for report in reports.iter().filter(|report| report.share() < report.aim) {
        println!("{}: the share is below the aim of {}", report.name, report.aim);
    }
}

pub(crate) fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}
