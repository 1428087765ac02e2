//! The CA is killed (SIGKILL) repeatedly while it issues: every received certificate is recorded, byte for
//! byte, and the counts are exact.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test"
)]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures::StreamExt;
use proto::v1::{GetDeviceRequest, IssuedCertificate, ListWorkOrdersRequest, PageRequest, Role};
use rand::RngExt;
use tests::{
    Answer, Caller, CertificateAuthority, Credentials, Device, Factory, OrderTerms, Seed, ask, ask_on_stream,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_left_a_ca_that_was_killed_is_on_record_and_counted_once() {
    let mut generator = Seed::of_this_run().generator(0);
    let mut authority = CertificateAuthority::start();
    let mut credentials = Vec::new();
    for name in STATIONS {
        credentials.push(Factory::of(&authority).credential(Role::Station, name).await);
    }

    let started = Instant::now();
    let mut slowest_start = Duration::ZERO;
    let mut load = Load::new();
    for round in 1..=ROUNDS {
        let site = Site::of(&authority, &credentials);
        let running = tokio::spawn(async move {
            while load.ask(&site).await {}
            load
        });
        tokio::time::sleep(Duration::from_millis(generator.random_range(LIVES_MILLIS))).await;
        authority.kill();
        load = running.await.expect("the clients go on until the connection ends");

        let restarts = Instant::now();
        authority.serve();
        slowest_start = slowest_start.max(restarts.elapsed());
        load.check_what_came(&Site::of(&authority, &credentials)).await;
        assert!(started.elapsed() < TIME_BOX, "only {round} kills within {TIME_BOX:?}");
    }
    load.check_the_end(&Site::of(&authority, &credentials)).await;
    eprintln!(
        "{ROUNDS} kills in {:.0?}, {} orders, slowest start {slowest_start:.0?}",
        started.elapsed(),
        load.batches.len()
    );
}

/// Everybody's connections to a CA that was just started.
struct Site {
    factory: Factory,
    stations: Vec<Caller>,
}

impl Site {
    fn of(authority: &CertificateAuthority, credentials: &[Credentials]) -> Self {
        let stations = credentials.iter().map(|one| authority.caller(one)).collect();
        Self { factory: Factory::of(authority), stations }
    }
}

/// Orders, one after the other, each with more units than it allows.
struct Load {
    batches: Vec<Batch>,
}

impl Load {
    fn new() -> Self {
        Self { batches: vec![Batch::new(0)] }
    }

    /// Sends all unanswered requests of the last order, then makes the next one; `false` when the connection
    /// ended.
    async fn ask(&mut self, site: &Site) -> bool {
        let last = self.batches.last_mut().expect("one at least");
        let answered = last.ask(site).await;
        if answered {
            self.batches.push(Batch::new(self.batches.len()));
        }
        answered
    }

    /// Every certificate that a client received since the last time is in the ledger, byte for byte.
    async fn check_what_came(&mut self, site: &Site) {
        let units = self.batches.iter_mut().flat_map(|batch| &mut batch.units);
        let came: Vec<_> = units.filter_map(Unit::take_if_it_came).collect();
        let mut checks =
            futures::stream::iter(&came).map(|unit| unit.check(site)).buffer_unordered(IN_FLIGHT);
        while checks.next().await.is_some() {}
    }

    /// All requests are answered, always alike; the counts are exact; no serial number came twice.
    async fn check_the_end(&mut self, site: &Site) {
        assert!(self.batches.last_mut().expect("one").ask(site).await, "nothing stops the last questions");
        self.check_what_came(site).await;
        let mut serial_numbers = HashSet::new();
        for batch in &self.batches {
            let id = batch.id.as_deref().expect("it was made");
            let issued: Vec<_> = batch.units.iter().filter_map(|unit| unit.certificate.as_ref()).collect();
            assert_eq!(issued.len() as u64, QUANTITY, "certificates of {id}");
            assert_eq!(site.factory.counts(id).await.issued, QUANTITY, "the count of {id}");
            assert!(
                issued.iter().all(|one| serial_numbers.insert(one.serial_number.clone())),
                "a certificate serial number came twice"
            );
            let open: Vec<_> = batch.units.iter().filter(|unit| unit.certificate.is_some()).collect();
            let requests = open.iter().map(|unit| unit.device.birth_request(id)).collect();
            let again = ask_on_stream(&site.stations[0], requests).await;
            for unit in open.iter().filter(|unit| unit.station == 0) {
                let answer = again[&unit.device.request_id].clone().issued();
                assert_eq!(Some(&answer), unit.certificate.as_ref(), "the same question has the same answer");
            }
        }
        let page = Some(PageRequest { size: 1_000, cursor: String::new() });
        let orders =
            site.factory.operator().work_orders().list(ListWorkOrdersRequest { page }).await.unwrap();
        assert_eq!(orders.into_inner().work_orders.len(), self.batches.len(), "no order was made twice");
    }
}

/// An order and the units that are asked for under it.
struct Batch {
    terms: OrderTerms,
    id: Option<String>,
    units: Vec<Unit>,
}

impl Batch {
    fn new(number: usize) -> Self {
        let terms = OrderTerms {
            product: format!("cam-{number}"),
            serials: "SN{000..999}".to_owned(),
            ..OrderTerms::new(QUANTITY, &STATIONS)
        };
        let units =
            (0..UNITS).map(|unit| Unit::new(Device::new(&terms.product, &format!("SN{unit:03}")), unit));
        Self { id: None, units: units.collect(), terms }
    }

    /// Sends all unanswered requests; `true` when all are answered.
    async fn ask(&mut self, site: &Site) -> bool {
        if self.id.is_none() {
            self.id = site.factory.try_order(self.terms.clone()).await.ok().map(|order| order.id);
        }
        let Some(id) = self.id.clone() else { return false };
        let per_station = site.stations.iter().enumerate().map(async |(number, station)| {
            let mine = self.units.iter().filter(|unit| unit.station == number && !unit.is_answered());
            let requests: Vec<_> = mine.map(|unit| unit.device.birth_request(&id)).collect();
            if number % 2 == 0 {
                ask_on_stream(station, requests).await.into_iter().collect::<Vec<_>>()
            } else {
                let asked = futures::stream::iter(requests)
                    .map(async |request| (request.request_id.clone(), ask(station, request).await));
                asked.buffer_unordered(IN_FLIGHT).collect().await
            }
        });
        let answers = futures::future::join_all(per_station).await.concat();
        for (request_id, answer) in answers {
            let unit = self.units.iter_mut().find(|unit| unit.device.request_id == request_id);
            unit.expect("a unit of ours").answered(answer);
        }
        self.units.iter().all(Unit::is_answered)
    }
}

/// One unit, and what is known of it.
struct Unit {
    device: Device,
    station: usize,
    certificate: Option<IssuedCertificate>,
    exhausted: bool,
    came: bool,
}

impl Unit {
    fn new(device: Device, number: usize) -> Self {
        let station = number % STATIONS.len();
        Self { device, station, certificate: None, exhausted: false, came: false }
    }

    fn is_answered(&self) -> bool {
        self.certificate.is_some() || self.exhausted
    }

    fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Issued(certificate) => {
                self.certificate = Some(certificate);
                self.came = true;
            }
            Answer::Refused(refused) if refused.reason == "WORK_ORDER_EXHAUSTED" => self.exhausted = true,
            Answer::Refused(refused) => panic!("{:?}: {refused:?}", self.device.id),
            Answer::Lost => {}
        }
    }

    /// The unit, once for each time that its certificate came.
    fn take_if_it_came(&mut self) -> Option<&Self> {
        std::mem::take(&mut self.came).then_some(self)
    }

    async fn check(&self, site: &Site) {
        let received = self.certificate.as_ref().expect("it came");
        let request = GetDeviceRequest { device: Some(self.device.id.clone()) };
        let answer = site.factory.operator().lifecycle().get_device(request).await;
        let answer = answer
            .unwrap_or_else(|why| panic!("{:?} was received and is not on record: {why}", self.device.id));
        let on_record: Vec<_> = answer.into_inner().certificates;
        assert_eq!(on_record.len(), 1, "one certificate is on record for {:?}", self.device.id);
        assert_eq!(on_record[0].certificate, received.certificate, "byte for byte");
        assert_eq!(on_record[0].serial_number, received.serial_number);
        assert_eq!(on_record[0].ledger_entry, received.ledger_entry);
    }
}

/// How often it is killed.
const ROUNDS: usize = 200;

/// How long it lives after it was ready: shorter than an order, and as long as several.
const LIVES_MILLIS: std::ops::RangeInclusive<u64> = 2..=250;

/// The suite has to end, also on a machine that is busy.
const TIME_BOX: Duration = Duration::from_secs(600);

/// What an order allows, and how many units are asked for.
const QUANTITY: u64 = 100;
const UNITS: usize = 140;

/// Unary calls at a time on one connection.
const IN_FLIGHT: usize = 16;

/// Those with an even number use the stream, the others call one by one.
const STATIONS: [&str; 4] = ["line-0", "line-1", "line-2", "line-3"];
