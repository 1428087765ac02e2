//! The closing report of a large order: how long it takes, and what it costs the CA in memory.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use proto::v1::get_closing_report_response::Piece;
use proto::v1::{
    CloseWorkOrderRequest, ClosingReportForm, ConfirmUnitRequest, GetClosingReportRequest,
    IssueBirthCertificateRequest,
};
use serde_json::json;
use tests::{Caller, Factory};

use crate::issue::Units;
use crate::terms::Place;

/// The order.
#[derive(Debug, Args)]
pub(crate) struct Closing {
    #[command(flatten)]
    place: Place,
    /// Units of the order that are made: issued and confirmed.
    #[arg(long, default_value_t = 100_000)]
    units: usize,
}

impl Closing {
    /// Issues, closes, reads the report, and tells the figures.
    pub(crate) fn run(&self) -> Result<()> {
        let (runtime, server) = self.place.begin()?;
        let station = runtime.block_on(async { server.station() });
        let mut units = Units::new(server.order());
        let begun = Instant::now();
        for first in (0..self.units).step_by(PREPARED) {
            let prepared = PREPARED.min(self.units - first);
            units.refill(prepared);
            runtime.block_on(make(&station, &mut units))?;
        }
        let made_in = begun.elapsed();
        server.settle()?;
        let (peak_before, cpu_before) = (server.peak_mib(), server.cpu_us()?);
        let (took, bytes) = runtime.block_on(async {
            let factory = Factory::of(server.authority());
            report(factory.operator(), server.order()).await
        })?;
        let (peak, cpu_s) = (server.peak_mib(), (server.cpu_us()? - cpu_before) / 1e6);
        let all: u64 = bytes.values().sum();
        println!(
            "{} units made in {:.0} s; closing report in {:.1} s, {:.1} s of the CA's CPU, {:.0} µs a unit",
            self.units,
            made_in.as_secs_f64(),
            took.as_secs_f64(),
            cpu_s,
            cpu_s * 1e6 / self.units as f64
        );
        for (form, bytes) in &bytes {
            println!(
                "  {form:<18} {:>8.1} MB, {:>5} bytes a unit",
                *bytes as f64 / 1e6,
                bytes / self.units as u64
            );
        }
        println!("peak memory of the CA: {peak_before:.0} MiB before, {peak:.0} MiB behind it");
        if self.place.json {
            let figures = json!({
                "name": "closing", "units": self.units, "report_s": took.as_secs_f64(), "cpu_s": cpu_s, "bytes": all,
                "peak_before_mib": peak_before, "peak_mib": peak,
            });
            println!("{figures}");
        }
        Ok(())
    }
}

/// Issues and confirms the prepared units, some at a time.
async fn make(station: &Caller, units: &mut Units) -> Result<()> {
    let mut under_way = FuturesUnordered::new();
    let one = async |request: IssueBirthCertificateRequest| {
        let (work_order, device) = (request.work_order.clone(), request.device.clone());
        let answer = station.provisioning().issue_birth_certificate(request).await?.into_inner();
        let serial_number = answer.certificate.context("it is issued")?.serial_number;
        let confirm = ConfirmUnitRequest { work_order, device, serial_number };
        station.provisioning().confirm_unit(confirm).await?;
        anyhow::Ok(())
    };
    loop {
        while under_way.len() < IN_FLIGHT
            && let Some(request) = units.next()
        {
            under_way.push(one(request));
        }
        match under_way.next().await {
            Some(done) => done?,
            None => return Ok(()),
        }
    }
}

/// Closes the order and reads its report; the bytes of each form.
async fn report(operator: &Caller, order: &str) -> Result<(Duration, BTreeMap<&'static str, u64>)> {
    let begun = Instant::now();
    operator.work_orders().close(CloseWorkOrderRequest { id: order.to_owned() }).await?;
    let request = GetClosingReportRequest { id: order.to_owned() };
    let mut pieces = operator.work_orders().get_closing_report(request).await?.into_inner();
    let (mut bytes, mut complete) = (BTreeMap::new(), 0);
    while let Some(piece) = pieces.message().await? {
        match piece.piece.context("a piece has a content")? {
            Piece::Begin(_) => {}
            Piece::Chunk(chunk) => {
                *bytes.entry(name(chunk.form())).or_default() += chunk.bytes.len() as u64;
            }
            Piece::Complete(_) => complete += 1,
        }
    }
    ensure!(complete == FORMS, "{complete} of {FORMS} forms are complete");
    Ok((begun.elapsed(), bytes))
}

fn name(form: ClosingReportForm) -> &'static str {
    match form {
        ClosingReportForm::Json => "JSON",
        ClosingReportForm::Csv => "CSV",
        ClosingReportForm::Page => "page",
        ClosingReportForm::AwsRegistration => "AWS registration",
        ClosingReportForm::Manifest => "manifest (JWS)",
        ClosingReportForm::Unspecified => "unknown",
    }
}

/// Requests that are prepared at a time.
const PREPARED: usize = 10_000;

const IN_FLIGHT: usize = 64;

const FORMS: usize = 5;
