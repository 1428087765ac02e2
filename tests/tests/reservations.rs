//! Units that stations reserve before they make them, over real mTLS: no serial number is given twice and no
//! order exceeded, also by a CA that is killed; what is out is issued until it is withdrawn.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::join_all;
use proto::v1::{
    CloseWorkOrderRequest, GetUnitsRequest, ListReservationsRequest, Reservation, ReservationState,
    ReserveUnitsRequest, ReserveUnitsResponse, ReturnUnitsRequest, ReturnUnitsResponse, Role, UnitState,
    WithdrawReservationRequest,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tests::{
    Answer, Caller, CertificateAuthority, Credentials, Device, Factory, Operator, OrderTerms, Seed, ask,
    refused, request_id,
};
use tonic::Status;

#[tokio::test(flavor = "multi_thread")]
async fn stations_get_no_serial_number_twice_from_a_ca_that_is_killed() {
    let mut generator = Seed::of_this_run().generator(0);
    let mut authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let order = factory.order(OrderTerms::new(QUANTITY, &STATIONS)).await;
    let mut line = Vec::new();
    for name in STATIONS {
        let credentials = factory.credential(Role::Station, name).await;
        line.push(Station::new(&order, credentials, StdRng::seed_from_u64(generator.random())));
    }
    let (started, mut withdrawn) = (Instant::now(), BTreeSet::new());
    for round in 0..ROUNDS {
        let working: Vec<_> = line
            .into_iter()
            .map(|mut station| {
                let caller = authority.caller(&station.credentials);
                tokio::spawn(async move {
                    while station.step(&caller).await {}
                    station
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(generator.random_range(LIVES_MILLIS))).await;
        authority.kill();
        line = join_all(working).await.into_iter().map(|station| station.expect("it goes on")).collect();
        authority.serve();
        for station in &mut line {
            // The lost answer comes again, and with it what it gave.
            let caller = authority.caller(&station.credentials);
            while station.pending.is_some() {
                assert!(station.step(&caller).await, "the CA answers");
            }
        }
        check(&line, &withdrawn);
        let place = generator.random_range(0..line.len());
        withdrawn.extend(line[place].lose_one(&authority.operator(), &mut generator).await);
        let factory = Factory::of(&authority);
        let counts = factory.counts(&order).await;
        let sum = |count: fn(&Station) -> usize| line.iter().map(count).sum::<usize>() as u64;
        assert_eq!(counts.reserved, sum(Station::out), "round {round}");
        assert_eq!(counts.issued, sum(|station| station.made.len()), "round {round}");
        assert_eq!(counts.withdrawn, withdrawn.len() as u64, "round {round}");
        assert!(counts.issued + counts.reserved + counts.withdrawn <= QUANTITY);
        assert!(started.elapsed() < TIME_BOX, "only {round} kills within {TIME_BOX:?}");
    }
    assert!(line.iter().all(|station| station.given > 20), "every station got units");
}

/// No two have one unit, and nobody has one that was withdrawn.
fn check(line: &[Station], withdrawn: &BTreeSet<String>) {
    let mut seen = BTreeSet::new();
    for station in line {
        let out = station.reservations.values().flatten();
        for serial in out.chain(&station.made) {
            assert!(seen.insert(serial), "two have {serial}");
            assert!(!withdrawn.contains(serial), "{serial} was withdrawn");
        }
    }
}

/// A station, and what it knows.
struct Station {
    order: String,
    credentials: Credentials,
    generator: StdRng,
    /// What is out, by reservation.
    reservations: BTreeMap<String, BTreeSet<String>>,
    made: BTreeSet<String>,
    pending: Option<Pending>,
    given: usize,
}

/// What was asked and not answered yet.
enum Pending {
    Reserve(ReserveUnitsRequest),
    Return(ReturnUnitsRequest),
    Make(String, Box<Device>),
}

impl Station {
    fn new(order: &str, credentials: Credentials, generator: StdRng) -> Self {
        Self {
            order: order.to_owned(),
            credentials,
            generator,
            reservations: BTreeMap::new(),
            made: BTreeSet::new(),
            pending: None,
            given: 0,
        }
    }

    fn out(&self) -> usize {
        self.reservations.values().map(BTreeSet::len).sum()
    }

    /// Asks one thing, or again what was not answered; `false`: there was no answer.
    async fn step(&mut self, caller: &Caller) -> bool {
        let pending = match self.pending.take() {
            Some(pending) => pending,
            None => self.next(),
        };
        let answered = match &pending {
            Pending::Reserve(request) => {
                let answer = caller.provisioning().reserve_units(request.clone()).await;
                self.reserved(answer.map(tonic::Response::into_inner))
            }
            Pending::Return(request) => {
                let answer = caller.provisioning().return_units(request.clone()).await;
                self.returned(answer.map(tonic::Response::into_inner))
            }
            Pending::Make(reservation, device) => {
                match ask(caller, device.birth_request(&self.order)).await {
                    Answer::Lost => false,
                    Answer::Issued(_) => {
                        let serial = device.id.serial.clone();
                        assert!(self.reservations.get_mut(reservation).unwrap().remove(&serial));
                        self.made.insert(serial)
                    }
                    Answer::Refused(why) => panic!("{:?}: {why:?}", device.id),
                }
            }
        };
        if !answered {
            self.pending = Some(pending);
        }
        answered
    }

    fn next(&mut self) -> Pending {
        let reservations: Vec<_> = self.reservations.iter().filter(|(_, out)| !out.is_empty()).collect();
        if reservations.is_empty() || self.generator.random_range(0..4) == 0 {
            return Pending::Reserve(ReserveUnitsRequest {
                request_id: request_id(&mut self.generator),
                work_order: self.order.clone(),
                count: self.generator.random_range(1..20),
                ..ReserveUnitsRequest::default()
            });
        }
        let (id, out) = reservations[self.generator.random_range(0..reservations.len())];
        let id = id.clone();
        if self.generator.random_range(0..3) == 0 {
            let kept = self.generator.random_range(0..out.len());
            let serials = out.iter().skip(kept).cloned().collect();
            return Pending::Return(ReturnUnitsRequest { reservation: id, serials });
        }
        let serial = out.iter().next().expect("one is out");
        Pending::Make(id, Box::new(Device::new("cam-2", serial)))
    }

    fn reserved(&mut self, answer: Result<ReserveUnitsResponse, Status>) -> bool {
        match answer {
            Ok(answer) => {
                assert!(!answer.serials.is_empty());
                self.given += answer.serials.len();
                let id = answer.reservation.expect("a reservation").id;
                let before = self.reservations.insert(id, answer.serials.into_iter().collect());
                assert!(before.is_none(), "a reservation has an id of its own");
                true
            }
            Err(status) => is_answer(&status, "WORK_ORDER_EXHAUSTED"),
        }
    }

    fn returned(&mut self, answer: Result<ReturnUnitsResponse, Status>) -> bool {
        match answer {
            Ok(answer) => {
                let id = answer.reservation.expect("a reservation").id;
                let out = self.reservations.get_mut(&id).expect("its own");
                answer.returned.iter().for_each(|serial| assert!(out.remove(serial), "{serial} was out"));
                true
            }
            Err(status) => is_answer(&status, "none is expected"),
        }
    }

    /// An operator withdraws one of its reservations; returns what was out.
    async fn lose_one(&mut self, operator: &Caller, generator: &mut StdRng) -> Vec<String> {
        let ids: Vec<_> = self.reservations.keys().cloned().collect();
        if ids.is_empty() {
            return Vec::new();
        }
        let id = ids[generator.random_range(0..ids.len())].clone();
        let out = self.reservations.remove(&id).unwrap();
        let request = WithdrawReservationRequest { reservation: id, remark: "lost".to_owned() };
        let answer = operator.work_orders().withdraw_reservation(request).await.unwrap().into_inner();
        assert_eq!(answer.withdrawn, out.iter().cloned().collect::<Vec<_>>());
        answer.withdrawn
    }
}

/// Whether the CA answered, with this refusal; `false`: it was not reached.
fn is_answer(status: &Status, expected: &str) -> bool {
    let refused = refused(status);
    assert!(refused.reason.is_empty() || refused.reason == expected, "{refused:?}");
    !refused.reason.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_gets_the_same_reservation_also_after_the_ca_was_killed() {
    let mut authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let credentials = factory.credential(Role::Station, "line-1").await;
    let order = factory.order(OrderTerms::new(100, &["line-1"])).await;
    let request = reserve(&order, 10);
    let callers: Vec<_> = (0..3).map(|_| authority.caller(&credentials)).collect();
    let racing = join_all((0..9).map(|number| {
        let (caller, request) = (&callers[number % 3], request.clone());
        async move { caller.provisioning().reserve_units(request).await.unwrap().into_inner() }
    }))
    .await;
    authority.kill();
    authority.serve();
    let after = authority.caller(&credentials).provisioning().reserve_units(request.clone()).await.unwrap();
    let after = after.into_inner();
    assert_eq!(after.serials.len(), 10);
    for answer in racing {
        assert_eq!((answer.serials, answer.reservation), (after.serials.clone(), after.reservation.clone()));
    }
    let other = ReserveUnitsRequest { count: 11, ..request };
    let why = tests::refusal(authority.caller(&credentials).provisioning().reserve_units(other).await);
    assert_eq!(why.reason, "REQUEST_ID_REUSED");
    assert_eq!(Factory::of(&authority).counts(&order).await.reserved, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_has_at_most_ten_thousand_units_out() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(20_000, &["line-1"])).await;
    let mut first = None;
    for _ in 0..10 {
        let answer = station.provisioning().reserve_units(reserve(&order, 1_000)).await.unwrap().into_inner();
        assert_eq!(answer.serials.len(), 1_000);
        first = first.or(answer.reservation);
    }
    let more = async || station.provisioning().reserve_units(reserve(&order, 0)).await;
    assert_eq!(tests::refusal(more().await).reason, "TOO_MANY_RESERVED");
    let request = ReturnUnitsRequest { reservation: first.unwrap().id, serials: Vec::new() };
    let home = station.provisioning().return_units(request).await.unwrap().into_inner();
    assert_eq!((home.returned.len(), home.reservation.unwrap().out), (1_000, 0));
    assert_eq!(more().await.unwrap().into_inner().serials.len(), 500);
    assert_eq!(factory.counts(&order).await.reserved, 9_500);
    let too_many = tests::refusal(station.provisioning().reserve_units(reserve(&order, 1_001)).await);
    assert_eq!(too_many.reason, "REQUEST_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_in_time_is_issued_late_and_what_is_withdrawn_never() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let (station, other) = (factory.station("line-1").await, factory.station("line-2").await);
    let order = factory.order(OrderTerms::new(4, &["line-1", "line-2"])).await;
    let request = ReserveUnitsRequest {
        duration: Some(Duration::from_secs(1).try_into().unwrap()),
        ..reserve(&order, 4)
    };
    let reserved = station.provisioning().reserve_units(request).await.unwrap().into_inner();
    let id = reserved.reservation.unwrap().id;
    let [first, second, third, fourth]: [String; 4] = reserved.serials.try_into().unwrap();
    let unit = |serial: &str| Device::new("cam-2", serial).birth_request(&order);
    assert_eq!(ask(&other, unit(&first)).await.reason(), "UNIT_RESERVED");

    let ended = async || list(&authority.operator(), &id).await.state() == ReservationState::Ended;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !ended().await {
        assert!(Instant::now() < deadline, "the reservation ends after a second");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ask(&station, unit(&first)).await.issued();
    let units = GetUnitsRequest {
        work_order: order.clone(),
        serials: vec![first.clone(), second.clone()],
        after: String::new(),
    };
    let told = other.provisioning().get_units(units.clone()).await.unwrap().into_inner().units;
    assert_eq!((told[0].state(), told[1].state()), (UnitState::Issued, UnitState::Reserved));
    assert!(told[1].other_station && told[1].reservation.is_empty());
    let told = station.provisioning().get_units(units.clone()).await.unwrap().into_inner().units;
    assert_eq!((told[1].other_station, told[1].reservation.as_str()), (false, id.as_str()));

    // The order is not closed, and the operator is told what to do.
    let close = CloseWorkOrderRequest { id: order.clone() };
    let why = tests::refusal(authority.operator().work_orders().close(close.clone()).await);
    assert_eq!(why.reason, "RESERVATIONS_OUT");
    let operator = Operator::of(&authority);
    let report = authority.directory().join("report").display().to_string();
    let (_, said) = operator.fails(&["work-order", "close", &order, "--yes", "--report", &report]);
    assert!(said.contains("work-order reservation list"), "{said}");
    let listed = operator.json(&["work-order", "reservation", "list", "--work-order", &order]);
    assert_eq!((&listed[0]["id"], &listed[0]["out"]), (&id.as_str().into(), &3.into()));

    // The number is confirmed, or nothing happens.
    let withdraw: [&str; 6] = ["work-order", "reservation", "withdraw", &id, "--remark", "the line burnt"];
    let (status, said) = operator.fails(&withdraw);
    assert!(status == 5 && said.contains("--confirm 3"), "{said}");
    let (status, _) = operator.fails(&[&withdraw[..], &["--confirm", "2"]].concat());
    assert_eq!(status, 5);
    ask(&station, unit(&second)).await.issued();
    let withdrawn = operator.says(&[&withdraw[..], &["--confirm", "2"]].concat());
    let said = &withdrawn;
    assert!(said.contains(&third) && said.contains(&fourth) && !said.contains(&second), "{said}");
    assert_eq!(ask(&station, unit(&third)).await.reason(), "RESERVATION_WITHDRAWN");
    assert_eq!(ask(&other, unit(&fourth)).await.reason(), "RESERVATION_WITHDRAWN");
    assert_eq!(
        tests::refusal(other.provisioning().reserve_units(reserve(&order, 1)).await).reason,
        "WORK_ORDER_EXHAUSTED"
    );
    let said = operator.says(&["work-order", "show", &order]);
    let fact = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert_eq!((fact("reserved"), fact("withdrawn")), ("0 units".to_owned(), "2 units".to_owned()));
    assert_eq!(operator.says(&withdraw), withdrawn, "nothing is out: the same answer, without a question");
    authority.operator().work_orders().close(close).await.unwrap();
}

async fn list(operator: &Caller, id: &str) -> Reservation {
    let request = ListReservationsRequest { reservation: id.to_owned(), ..Default::default() };
    let answer = operator.work_orders().list_reservations(request).await.unwrap().into_inner();
    answer.reservations.into_iter().next().expect("it is listed")
}

fn reserve(order: &str, count: u32) -> ReserveUnitsRequest {
    // Only a request id must be there: every device has one.
    let request_id = Device::new("cam-2", "SN0").request_id;
    ReserveUnitsRequest { request_id, work_order: order.to_owned(), count, ..ReserveUnitsRequest::default() }
}

const STATIONS: [&str; 3] = ["line-1", "line-2", "line-3"];

/// Large enough that the order is not spent before the last round.
const QUANTITY: u64 = 3_000;

const ROUNDS: usize = 12;

/// How long the CA lives after it was ready.
const LIVES_MILLIS: std::ops::RangeInclusive<u64> = 20..=400;

/// The suite has to end, also on a machine that is busy.
const TIME_BOX: Duration = Duration::from_secs(240);
