//! Birth certificates from prepared requests over mTLS, recorded before they are returned.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use proto::v1::IssueBirthCertificateRequest;
use proto::v1::issue_birth_certificates_response::Outcome;
use tests::{Caller, Device};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::cycle::{Load, Run, alternate};
use crate::limit::CertificateLimit;
use crate::report::{Report, print_table};
use crate::server::Server;
use crate::terms::{Place, Windows};

/// The load.
#[derive(Debug, Args)]
pub(crate) struct Issue {
    #[command(flatten)]
    place: Place,
    /// Measure the stream only.
    #[arg(long, conflicts_with = "unary")]
    stream: bool,
    /// Measure unary calls only.
    #[arg(long)]
    unary: bool,
    #[command(flatten)]
    windows: Windows,
}

impl Issue {
    /// Measures and reports.
    pub(crate) fn run(&self) -> Result<()> {
        let (runtime, server) = self.place.begin()?;
        let limit = CertificateLimit::new()?;
        let units = RefCell::new(Units::new(server.order()));
        let stream = (!self.unary)
            .then(|| self.measure(&runtime, &server, &limit, &units, Way::Stream))
            .transpose()?;
        let unary = (!self.stream)
            .then(|| self.measure(&runtime, &server, &limit, &units, Way::Unary))
            .transpose()?;

        let mut reports = Vec::new();
        reports.extend(stream.as_ref().map(|run| Report { name: "issue", run, aim: 0.8 }));
        reports.extend(unary.as_ref().map(|run| Report { name: "issue-unary", run, aim: 0.7 }));
        print_table(&reports);
        if self.place.json {
            let mut first = reports.first().context("something was measured")?.json();
            if let [_, second] = reports.as_slice() {
                first["unary"] = second.json();
            }
            println!("{first}");
        }
        Ok(())
    }

    fn measure(
        &self,
        runtime: &Runtime,
        server: &Server,
        limit: &CertificateLimit,
        units: &RefCell<Units>,
        way: Way,
    ) -> Result<Run> {
        let window = self.windows.length();
        let station = runtime.block_on(async { server.station() });
        let expected = self.windows.expected(RATE_MAX);
        alternate(
            server,
            self.windows.count,
            || {
                units.borrow_mut().refill(expected);
                Ok(())
            },
            || limit.measure(window / 3),
            || {
                let units = &mut units.borrow_mut();
                match way {
                    Way::Stream => {
                        runtime.block_on(on_a_stream(&station, units, window, self.windows.in_flight))
                    }
                    Way::Unary => {
                        runtime.block_on(one_by_one(&station, units, window, self.windows.in_flight))
                    }
                }
            },
        )
    }
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Stream,
    Unary,
}

/// Prepared units, each with its own key.
pub(crate) struct Units {
    order: String,
    made: usize,
    waiting: VecDeque<Device>,
}

impl Units {
    pub(crate) fn new(order: &str) -> Self {
        Self { order: order.to_owned(), made: 0, waiting: VecDeque::new() }
    }

    /// Makes keys and requests until this many are prepared.
    pub(crate) fn refill(&mut self, count: usize) {
        while self.waiting.len() < count {
            self.made += 1;
            self.waiting.push_back(Device::new("cam-2", &format!("SN{:08}", self.made)));
        }
    }

    pub(crate) fn next(&mut self) -> Option<IssueBirthCertificateRequest> {
        self.waiting.pop_front().map(|device| device.birth_request(&self.order))
    }
}

/// One stream: sends a request for each response until the window ends, then waits for the remaining
/// responses.
async fn on_a_stream(
    station: &Caller,
    units: &mut Units,
    window: Duration,
    in_flight: usize,
) -> Result<Load> {
    let mut load = Load::new()?;
    let mut asked_at = std::collections::HashMap::with_capacity(2 * in_flight);
    let (requests, open) = mpsc::channel(in_flight);
    let started = Instant::now();
    for _ in 0..in_flight {
        let request = units.next().context("units")?;
        asked_at.insert(request.request_id.clone(), Instant::now());
        requests.send(request).await?;
    }
    let mut requests = Some(requests);
    let mut answers =
        station.provisioning().issue_birth_certificates(ReceiverStream::new(open)).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        let Some(Outcome::Certificate(_)) = answer.outcome else { bail!("refused: {answer:?}") };
        let asked = asked_at.remove(&answer.request_id).context("an answer to a question of ours")?;
        load.answered(asked.elapsed());
        let next = if started.elapsed() < window { units.next() } else { None };
        match (next, &requests) {
            (Some(request), Some(requests)) => {
                asked_at.insert(request.request_id.clone(), Instant::now());
                requests.send(request).await?;
            }
            _ => requests = None,
        }
    }
    load.elapsed = started.elapsed();
    Ok(load)
}

/// One call for each request, many at a time on one connection.
pub(crate) async fn one_by_one(
    station: &Caller,
    units: &mut Units,
    window: Duration,
    in_flight: usize,
) -> Result<Load> {
    let mut load = Load::new()?;
    let mut calls = FuturesUnordered::new();
    let started = Instant::now();
    for _ in 0..in_flight {
        calls.push(ask(station, units.next().context("units")?));
    }
    while let Some(answer) = calls.next().await {
        load.answered(answer?);
        if started.elapsed() < window {
            calls.extend(units.next().map(|request| ask(station, request)));
        }
    }
    load.elapsed = started.elapsed();
    Ok(load)
}

async fn ask(station: &Caller, request: IssueBirthCertificateRequest) -> Result<Duration> {
    let asked = Instant::now();
    station.provisioning().issue_birth_certificate(request).await?;
    Ok(asked.elapsed())
}

/// Above the rate of any core of today; requests for a window are made for this rate.
const RATE_MAX: f64 = 16_000.0;
