//! Random histories: afterwards every store and plain maps agree on every row.

use std::collections::{BTreeSet, HashMap};

use ledger::{Decision, Event, RefusedDeferral, ReservationId, UnitFlaw, UnitsWanted};
use store::{ChangePosition, ChangedStatus, ReservationFilter};

use super::*;

/// A few hundred random commands; afterwards the store and plain maps agree on every row.
pub(crate) async fn the_rows_are_those_of_a_model(bench: Bench) {
    let history = random_history(&bench).await;
    agree(&bench, &history).await;
}

/// What became of random commands, in plain maps, and all certificates.
pub(crate) struct History(Overlay<EmptyView>, Vec<SerialNumber>);

pub(crate) async fn agree(bench: &Bench, History(state, serial_numbers): &History) {
    certificates_agree(bench, state, serial_numbers).await;
    devices_and_orders_agree(bench, state).await;
    reservations_agree(bench, state).await;
    products_agree(bench, state).await;
}

pub(crate) async fn random_history(bench: &Bench) -> History {
    use rand::SeedableRng;
    let seed: u64 =
        std::env::var("TOUCHMARK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut state = Overlay::over(EmptyView);
    let mut issued: Vec<(u64, SerialNumber)> = Vec::new();
    for _ in 0..2 {
        let Ok(()) = state.apply(bench.done(bench.create_order(60)).await.entry());
    }
    let Ok(()) = state.apply(bench.done(bench.operate(Action::CreateWorkOrder(announced(40)))).await.entry());
    let (mut serial_numbers, mut reservations, mut refusals) = (Vec::new(), 0, 0);
    for _ in 0..90 {
        bench.clock.advance(Duration::from_secs(3_600));
        let commands: Vec<_> =
            (0..random.random_range(1..12)).map(|_| random_command(bench, &mut random, &issued)).collect();
        let before = bench.store.head();
        let verdicts = bench.store.commit(commands.clone()).await.unwrap();
        let number = |verdict: &Verdict| verdict.as_ref().ok().map(|recorded| recorded.entry().number);
        let asked: HashMap<_, _> = verdicts.iter().map(number).zip(&commands).collect();
        let fresh = verdicts.iter().flatten().filter(|recorded| !recorded.is_replay());
        let mut entries: Vec<_> = fresh.map(|recorded| recorded.entry().clone()).collect();
        // An alarm is on record and in no verdict.
        let alarms = bench.store.alarms(None, None, 20).await.unwrap().rows;
        entries.extend(
            alarms.iter().map(|alarm| ledger::Entry::clone(alarm)).filter(|entry| entry.number > before),
        );
        entries.sort_by_key(|entry| entry.number);
        for entry in &entries {
            if let Some(certificate) = entry.event.certificate() {
                serial_numbers.push(certificate.serial_number);
                if let Some(Holder::Principal(Principal::Device(id))) = entry.event.holder() {
                    issued.push((id.serial.as_str()[2..].parse().unwrap(), certificate.serial_number));
                }
            }
            if let (Event::UnitsReserved { .. }, Some(command)) =
                (&entry.event, asked.get(&Some(entry.number)))
            {
                // The index and plain maps find the same units, from where they searched before.
                let Ok(decided) = ledger::decide(&state, command, entry.at);
                assert_eq!(decided, Ok(Decision::Record(Box::new(entry.event.clone()))));
                reservations += 1;
            }
            refusals += usize::from(matches!(entry.event, Event::DeferralRefused { .. }));
            let Ok(()) = state.apply(entry);
        }
    }
    assert!(reservations > 10, "few units were reserved");
    assert!(refusals > 0, "no deferred unit was refused");
    assert!(serial_numbers.len() > 40, "the random commands did nothing");
    History(state, serial_numbers)
}

/// Any command, about a unit that was issued or about another.
#[expect(clippy::too_many_lines, reason = "a table: one arm for each kind of command")]
fn random_command(bench: &Bench, random: &mut StdRng, issued: &[(u64, SerialNumber)]) -> Command {
    let serial = random.random_range(1..60_u64);
    let order = random.random_range(1..3_u64);
    let some = issued.get(random.random_range(0..issued.len().max(1))).copied();
    let (whose, certificate) = some.unwrap_or_else(|| (serial, serial_number(0)));
    let id = device(whose);
    match random.random_range(0..37) {
        0..=4 => {
            let mut birth = bench.birth(order, serial, 100 + random.random_range(0..80_u64));
            if let Action::Issue { subject: IssuanceSubject::Birth { traces: shown, .. }, .. } =
                &mut birth.action
                && random.random_range(0..8) == 0
            {
                shown.nonce = traces(100 + random.random_range(0..80_u64)).nonce;
            }
            birth
        }
        5 => bench.confirm(order, whose, certificate),
        6 => bench.scrap(order, whose),
        7..=10 => bench.enrol(whose, certificate, 300 + random.random_range(0..80_u64)),
        11..=13 => {
            let after_renewal = match random.random_range(0..3) {
                0 => AfterRenewal::Revoke,
                1 => AfterRenewal::Grace(days(random.random_range(1..9))),
                _ => AfterRenewal::Expire,
            };
            let action =
                Action::ConfirmInstalled { device: id.clone(), serial_number: certificate, after_renewal };
            bench.command(Principal::Device(id), None, action)
        }
        14 => bench.credential("line-3", 500 + random.random_range(0..10_u64)),
        15 | 16 => bench.operate(Action::Hold { device: id, note: String::new() }),
        17 | 18 => bench.operate(Action::Release(id)),
        19 => match random.random_range(0..3) {
            0 => bench.operate(Action::Retire { device: id, note: String::new() }),
            _ => bench.operate(allow_rework(id)),
        },
        20 => bench.revoke(&[certificate], RevocationReason::KeyCompromise),
        21 => {
            let mut fork = bench.enrol(whose, certificate, 400 + random.random_range(0..80_u64));
            if let Action::Issue { subject: IssuanceSubject::Operational { hold_on_fork, .. }, .. } =
                &mut fork.action
            {
                *hold_on_fork = true;
            }
            fork
        }
        22..=25 => {
            let units = match random.random_range(0..3) {
                0 => UnitsWanted::Named([device(serial).serial, device(whose).serial].into()),
                _ => UnitsWanted::Next(random.random_range(1..6)),
            };
            let (work_order, duration) = (WorkOrderId(order), days(1));
            let action = Action::ReserveUnits { work_order, units, duration, station_units_max: 20 };
            bench.command(station("line-3"), Some(bench.draw()), action)
        }
        26 => {
            let reservation = ReservationId(random.random_range(1..20));
            let serials = match random.random_range(0..2) {
                0 => BTreeSet::new(),
                _ => [device(serial).serial].into(),
            };
            bench.command(station("line-3"), None, Action::ReturnUnits { reservation, serials })
        }
        27 if random.random_range(0..2) == 0 => random_refusal(bench, random, order, serial),
        27 => {
            let reservation = ReservationId(random.random_range(1..20));
            bench.operate(Action::WithdrawReservation(reservation))
        }
        28..=31 => manifest_or_give_up(bench, random, serial),
        32..=34 => match random.random_range(0..4) {
            0 => bench.operate(Action::PauseProduct(device(1).product)),
            _ => {
                // Of all pauses that there may be, the last one is not the least likely.
                let paused = bench.store.paused_products().first().and_then(|known| known.paused());
                let pause =
                    paused.map_or_else(|| EntryNumber(random.random_range(1..50)), |paused| paused.entry);
                bench.operate(Action::ResumeProduct { product: device(1).product, pause })
            }
        },
        _ => {
            let work_order = WorkOrderId(order);
            bench.operate(match random.random_range(0..3) {
                0 => Action::PauseWorkOrder(work_order),
                _ => Action::ResumeWorkOrder(work_order),
            })
        }
    }
}

/// A part of the manifest of the third order, or a serial number that is given up.
fn manifest_or_give_up(bench: &Bench, random: &mut StdRng, serial: u64) -> Command {
    if random.random_range(0..2) == 0 {
        let (position, len) = (random.random_range(0..40), random.random_range(1..12_u64));
        let serials = manifest_part(position, len.min(40 - position));
        return bench.operate(Action::AppendManifest { work_order: WorkOrderId(3), position, serials });
    }
    let (work_order, device) = (WorkOrderId(random.random_range(1..4)), device(serial));
    let (reason, operator) = ("lost".to_owned(), String::new());
    let action = Action::GiveUpUnit { work_order, device, reason, operator };
    match random.random_range(0..2) {
        0 => bench.operate(action),
        _ => bench.command(station("line-3"), None, action),
    }
}

/// An order for the serial numbers 1 to `len`, whose manifest follows.
pub(crate) fn announced(len: u64) -> WorkOrderTerms {
    let outline = ledger::ManifestOutline { len, sha256: [9; 32] };
    let serials = Serials::Manifest(ledger::SerialList::announced(outline));
    WorkOrderTerms { serials, ..terms(len) }
}

/// So many serial numbers of that manifest behind the first `position`.
pub(crate) fn manifest_part(position: u64, len: u64) -> Arc<ledger::SerialPart> {
    let serials: Vec<_> = (position + 1..=position + len).map(|serial| device(serial).serial).collect();
    Arc::new(ledger::SerialPart::of_rising(&serials).unwrap())
}

fn random_refusal(bench: &Bench, random: &mut StdRng, order: u64, serial: u64) -> Command {
    let refused = RefusedDeferral {
        key: None,
        made_at: bench.clock.now(),
        flaw: UnitFlaw::ALL[random.random_range(0..UnitFlaw::ALL.len())],
    };
    let (work_order, device) = (WorkOrderId(order), device(serial));
    let action = Action::RefuseDeferral { work_order, device, refused };
    bench.command(station("line-3"), Some(bench.draw()), action)
}

async fn certificates_agree(bench: &Bench, state: &Overlay<EmptyView>, serial_numbers: &[SerialNumber]) {
    let mut due = 0;
    for serial_number in serial_numbers {
        let Ok(model) = state.certificate(serial_number);
        let model = model.unwrap();
        let record = bench.store.certificate(serial_number).await.unwrap().unwrap();
        assert_eq!((record.status(), record.entry().number), (model.status, model.entry));
        assert_eq!(bench.store.certificate_status(serial_number).await.unwrap(), Some(model.status));
        assert_eq!(record.holder(), Some(model.holder));
        let status = bench.store.status_record(serial_number).await.unwrap().unwrap();
        assert_eq!((status.issuer, status.shard, status.status), (model.issuer, model.shard, model.status));
        assert_eq!(status.revocation.as_ref(), record.revocation());
        assert_eq!(
            status.revocation.is_some(),
            matches!(model.status, CertificateStatus::Revoked | CertificateStatus::Held)
        );
        due += usize::from(model.ends.is_some() && model.status == CertificateStatus::Superseded);
    }
    let never = UNIX_EPOCH + days(99_999);
    assert_eq!(bench.store.superseded_due(never, 10_000).await.unwrap().len(), due);
    changes_add_up(bench, serial_numbers).await;
}

/// Whoever follows the feed knows at its end what the store knows.
async fn changes_add_up(bench: &Bench, serial_numbers: &[SerialNumber]) {
    let mut revoked = HashMap::new();
    let mut after = ChangePosition::behind(EntryNumber(0));
    loop {
        let changes = bench.store.revocation_changes(after, 5).await.unwrap();
        let Some(last) = changes.last() else { break };
        after = last.position;
        for change in changes {
            match change.status {
                ChangedStatus::RevokedOrHeld(revocation) => revoked.insert(change.serial_number, revocation),
                ChangedStatus::Released => revoked.remove(&change.serial_number),
            };
        }
    }
    for serial_number in serial_numbers {
        let status = bench.store.status_record(serial_number).await.unwrap().unwrap();
        assert_eq!(revoked.remove(serial_number), status.revocation);
    }
    assert!(revoked.is_empty());
}

async fn devices_and_orders_agree(bench: &Bench, state: &Overlay<EmptyView>) {
    let mut listed = Vec::new();
    let mut cursor = None;
    loop {
        let page = bench.store.devices(&DeviceFilter::default(), cursor.as_ref(), 7).await.unwrap();
        listed.extend(page.rows);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed.len(), state.devices().len());
    let mut issued = [0; 3];
    for (record, model) in listed.iter().zip(state.devices().values()) {
        assert_eq!(
            (&record.id, record.state(), record.operational),
            (&model.id, model.state(), model.operational)
        );
        assert_eq!(bench.store.device(&model.id).await.unwrap().as_ref(), Some(record));
        issued[model.work_order.0 as usize - 1] += 1;
    }
    for (place, issued) in issued.into_iter().enumerate() {
        let id = WorkOrderId(place as u64 + 1);
        let order = bench.store.work_order(id).await.unwrap().unwrap();
        let Ok(model) = state.work_order(id);
        assert_eq!(Some(&order), model.as_ref());
        assert_eq!(order.counts.issued, issued);
        assert!(order.counts.spent() <= 60);
        assert!(order.counts.issued >= order.counts.confirmed + order.counts.scrapped);
        assert_ne!(order.state, WorkOrderState::Closed);
    }
}

async fn products_agree(bench: &Bench, state: &Overlay<EmptyView>) {
    let product = device(1).product;
    let Ok(model) = state.product(&product);
    let (model, record) = (model.unwrap(), bench.store.product(&product).await.unwrap().unwrap());
    let pause = model.pause.expect("a random history pauses it");
    assert_eq!(record.paused_by.map(|entry| entry.number), Some(pause.entry));
    assert_eq!(record.resumed_by.map(|entry| entry.number), pause.resumed);
    let paused: Vec<_> = model.paused().map(|_| model.clone()).into_iter().collect();
    assert_eq!(bench.store.paused_products(), paused);
}

async fn reservations_agree(bench: &Bench, state: &Overlay<EmptyView>) {
    let Ok(count) = state.reservations();
    let all = bench.store.reservations(&ReservationFilter::default(), None, 10_000).await.unwrap();
    assert_eq!((all.rows.len() as u64, all.next), (count, None));
    for record in all.rows.iter().rev() {
        let Ok(model) = state.reservation(record.id);
        assert_eq!(Some(record), model.as_ref());
        assert_eq!(bench.store.reservation(record.id).await.unwrap().as_ref(), Some(record));
        let Ok(out) = state.units_out(record.id);
        assert_eq!(out.len() as u64, record.out());
    }
    let only_out = ReservationFilter { only_out: true, work_order: Some(WorkOrderId(1)) };
    let some = bench.store.reservations(&only_out, None, 10_000).await.unwrap().rows;
    let wanted = all.rows.iter().filter(|record| record.out() > 0 && record.work_order == WorkOrderId(1));
    assert!(some.iter().eq(wanted));
    for serial in 0..100 {
        let Ok(model) = state.reserved_unit(&device(serial));
        assert_eq!(bench.store.reserved_unit(&device(serial)).await.unwrap(), model);
        let Ok(model) = state.given_up(&device(serial));
        assert_eq!(bench.store.is_given_up(&device(serial)).await.unwrap(), model.is_some());
    }
}
