//! OCSP responses over plain HTTP: signed for each client, and cached.

mod asker;
mod floor;
mod limit;

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use futures::future::try_join_all;
use prost::bytes::Bytes;
use serde_json::Value;
use tests::{Device, ask_on_stream};
use tokio::runtime::Runtime;

use crate::cycle::{Load, Run, alternate};
use crate::report::{Report, print_table, rounded};
use crate::server::Server;
use crate::terms::{Place, Windows};
use floor::Floor;
use limit::AnswerLimit;

pub(crate) use asker::{Asker, Questions};

/// The load.
#[derive(Debug, Args)]
#[command(mut_arg("in_flight", |connections| connections.default_value("16")))]
pub(crate) struct Ocsp {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    windows: Windows,
    /// The number of certificates that are asked about in turn.
    #[arg(long, default_value_t = 256)]
    certificates: usize,
}

/// Whether a response can be cached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// With a nonce: signed for each request.
    Nonce,
    /// Without a nonce: signed once.
    Presigned,
}

impl Ocsp {
    /// Measures and reports.
    pub(crate) fn run(&self) -> Result<()> {
        let (runtime, server) = self.place.begin()?;
        let questions = runtime.block_on(self.questions(&server))?;
        let nonce = self.measure(&runtime, &server, &questions, Way::Nonce)?;
        let presigned = self.measure(&runtime, &server, &questions, Way::Presigned)?;
        let sockets = runtime.block_on(self.sockets(&server, &questions))?;
        let report = Report { name: "ocsp", run: &nonce, aim: 0.7 };
        print_table(std::slice::from_ref(&report));
        let presigned = without_share(Report { name: "ocsp-presigned", run: &presigned, aim: 0.0 }.json());
        println!(
            "signed before: {} a second, {} µs of the server's CPU each, p50 {} ms, p99 {} ms",
            presigned["rate_per_s"],
            presigned["server_cpu_us_per_op"],
            presigned["p50_ms"],
            presigned["p99_ms"],
        );
        let (limit, all) =
            (report.median(|window| window.limit_us), report.median(|window| window.server_us));
        println!(
            "sockets alone: {sockets:.1} µs an answer; with them the limit is {:.1} µs, and {:.3} of what the server used",
            limit + sockets,
            (limit + sockets) / all,
        );
        if self.place.json {
            let mut figures = report.json();
            figures["presigned"] = presigned;
            figures["socket_cpu_us_per_op"] = rounded(sockets, 1).into();
            println!("{figures}");
        }
        Ok(())
    }

    /// Measures what sockets cost for such responses.
    async fn sockets(&self, server: &Server, questions: &Questions) -> Result<f64> {
        let mut asker = Asker::connect(server.authority().public()).await?;
        asker.ask(&questions.fresh(0)?.0).await?;
        let floor = Floor::start(asker.last().to_vec())?;
        floor.measure(questions, self.windows.in_flight, self.windows.length()).await
    }

    /// Requests about birth certificates that are good.
    async fn questions(&self, server: &Server) -> Result<Questions> {
        let devices = (0..self.certificates).map(|number| Device::new("cam-2", &format!("SN{number:08}")));
        let requests = devices.map(|device| device.birth_request(server.order())).collect();
        let answers = ask_on_stream(&server.station(), requests).await;
        let serial_numbers: Vec<Bytes> =
            answers.into_values().map(|answer| answer.issued().serial_number).collect();
        Questions::about_births(server, &serial_numbers)
    }

    fn measure(&self, runtime: &Runtime, server: &Server, questions: &Questions, way: Way) -> Result<Run> {
        let window = self.windows.length();
        let asked = (0..LIMIT_QUESTIONS).map(|turn| Ok(questions.fresh(turn)?.0));
        let limit = AnswerLimit::new(asked.collect::<Result<_>>()?)?;
        let address = server.authority().public();
        let askers = RefCell::new(Vec::new());
        alternate(
            server,
            self.windows.count,
            || {
                // The CA closes connections that are silent for ten seconds.
                let connections = (0..self.windows.in_flight).map(|_| Asker::connect(address));
                *askers.borrow_mut() = runtime.block_on(try_join_all(connections))?;
                Ok(())
            },
            || match way {
                Way::Nonce => limit.measure(window / 3),
                // Nothing is signed: the rest is our code and HTTP.
                Way::Presigned => Ok(0.0),
            },
            || runtime.block_on(load(&mut askers.borrow_mut(), questions, way, window)),
        )
    }
}

/// Each connection sends its next request when it gets the response, until the window ends.
async fn load(askers: &mut [Asker], questions: &Questions, way: Way, window: Duration) -> Result<Load> {
    let load = RefCell::new(Load::new()?);
    let turns = Cell::new(0);
    let started = Instant::now();
    let asking = askers.iter_mut().map(|asker| async {
        while started.elapsed() < window {
            let turn = turns.replace(turns.get() + 1);
            let took = match way {
                Way::Nonce => ask_afresh(asker, questions, turn).await?,
                Way::Presigned => {
                    let question = questions.plain(turn)?;
                    let asked = Instant::now();
                    asker.ask(&question).await?;
                    asked.elapsed()
                }
            };
            load.borrow_mut().answered(took);
        }
        anyhow::Ok(())
    });
    try_join_all(asking).await?;
    let mut load = load.into_inner();
    load.elapsed = started.elapsed();
    Ok(load)
}

async fn ask_afresh(asker: &mut Asker, questions: &Questions, turn: usize) -> Result<Duration> {
    let (question, nonce) = questions.fresh(turn)?;
    let asked = Instant::now();
    let answer = asker.ask(&question).await?;
    let took = asked.elapsed();
    ensure!(answer.windows(nonce.len()).any(|bytes| bytes == nonce), "an answer to another question");
    Ok(took)
}

/// A cached response has no signature to compare with.
fn without_share(mut figures: Value) -> Value {
    if let Some(figures) = figures.as_object_mut() {
        figures.retain(|name, _| !name.starts_with("share") && !name.starts_with("limit"));
    }
    figures
}

/// Enough different requests that caches do not help.
const LIMIT_QUESTIONS: usize = 2_000;
