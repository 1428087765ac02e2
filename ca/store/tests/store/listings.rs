//! What every store must list, and in which order.

use super::*;

pub(crate) async fn listings_show_what_was_committed_before(bench: Bench) {
    bench.done(bench.create_order(1000)).await;
    bench.done(bench.create_order(1000)).await;
    for serial in [4, 2, 5, 1, 3] {
        let recorded = bench.done(bench.birth(1 + serial % 2, serial, serial)).await;
        if serial > 3 {
            let birth = recorded.released().unwrap().serial_number();
            bench.done(bench.confirm(1 + serial % 2, serial, birth)).await;
        }
    }
    let all = bench.store.devices(&DeviceFilter::default(), None, 100).await.unwrap();
    let ids: Vec<_> = all.rows.iter().map(|row| row.id.clone()).collect();
    assert_eq!(ids, (1..=5).map(device).collect::<Vec<_>>());
    assert!(all.next.is_none());
    let filter = DeviceFilter { work_order: Some(WorkOrderId(2)), ..DeviceFilter::default() };
    assert_eq!(bench.store.devices(&filter, None, 100).await.unwrap().rows.len(), 3);
    let filter = DeviceFilter { state: Some(DeviceState::Provisioned), ..DeviceFilter::default() };
    assert_eq!(bench.store.devices(&filter, None, 100).await.unwrap().rows.len(), 2);
    let filter = DeviceFilter { product: Some("cam-3".parse().unwrap()), ..DeviceFilter::default() };
    assert!(bench.store.devices(&filter, None, 100).await.unwrap().rows.is_empty());
}

pub(crate) async fn certificates_that_expire_are_listed_soonest_first(bench: Bench) {
    let birth = bench.one_unit().await;
    for number in 0..5 {
        bench.done(bench.enrol(1, birth, 600 + number)).await;
    }
    let end = UNIX_EPOCH + Duration::from_secs(1_790_000_000) + days(30);
    assert!(bench.store.certificates_expiring(end, None, 10).await.unwrap().rows.is_empty());
    let far: SystemTime = end + days(365_000);
    let first = bench.store.certificates_expiring(far, None, 3).await.unwrap();
    let rest = bench.store.certificates_expiring(far, first.next.as_ref(), 3).await.unwrap();
    assert_eq!((first.rows.len(), rest.rows.len(), rest.next.is_none()), (3, 2, true));
    let keys: Vec<_> = first.rows.iter().chain(&rest.rows).map(|row| row.certificate().key).collect();
    assert_eq!(keys, (600..605).map(key).collect::<Vec<_>>());
}

pub(crate) async fn unaccounted_units_are_listed(bench: Bench) {
    bench.done(bench.create_order(1000)).await;
    for serial in 1..=6 {
        let birth = bench.done(bench.birth(1, serial, serial)).await.released().unwrap().serial_number();
        match serial {
            1 => drop(bench.done(bench.confirm(1, serial, birth)).await),
            2 => drop(bench.done(bench.scrap(1, serial)).await),
            _ => {}
        }
    }
    let unaccounted = bench.store.unaccounted(WorkOrderId(1), 3).await.unwrap();
    assert_eq!(unaccounted.count, 4);
    assert_eq!(unaccounted.devices, (3..=5).map(device).collect::<Vec<_>>());
}

pub(crate) async fn pages_follow_each_other_without_gaps(bench: Bench) {
    for name in ["line-1", "line-2", "line-3"] {
        bench.done(bench.credential(name, bench.draw())).await;
        bench.done(bench.create_order(1000)).await;
    }
    for serial in 1..=10 {
        bench.done(bench.birth(1 + serial % 3, serial, 700 + serial)).await;
    }
    let (mut cursor, mut ids) = (None, Vec::new());
    loop {
        let page = bench.store.devices(&DeviceFilter::default(), cursor.as_ref(), 3).await.unwrap();
        ids.extend(page.rows.into_iter().map(|row| row.id));
        let Some(next) = page.next else { break };
        cursor = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(ids, (1..=10).map(device).collect::<Vec<_>>());
    let first = bench.store.work_orders(None, 2).await.unwrap();
    let rest = bench.store.work_orders(first.next.as_ref(), 2).await.unwrap();
    let orders: Vec<_> = first.rows.iter().chain(&rest.rows).map(|row| row.id.0).collect();
    assert_eq!((orders, rest.next), (vec![3, 2, 1], None));
    let first = bench.store.principals(None, 2).await.unwrap();
    let rest = bench.store.principals(first.next.as_ref(), 2).await.unwrap();
    assert_eq!((first.rows.len(), rest.rows.len(), rest.next), (2, 1, None));
    let foreign = "00ff".parse().unwrap();
    assert!(matches!(bench.store.work_orders(Some(&foreign), 2).await, Err(StoreError::CursorUnknown)));
    let listed = bench.store.devices(&DeviceFilter::default(), Some(&foreign), 2).await;
    assert!(matches!(listed, Err(StoreError::CursorUnknown)));
}

pub(crate) async fn products_are_listed_with_their_last_pause(bench: Bench) {
    for product in ["cam-3", "cam-2", "cam-10", "cam-2"] {
        let terms = WorkOrderTerms { product: product.parse().unwrap(), ..terms(10) };
        bench.done(bench.operate(Action::CreateWorkOrder(terms))).await;
    }
    let pause = |product: &str| bench.operate(Action::PauseProduct(product.parse().unwrap()));
    let first = bench.done(pause("cam-2")).await.entry().number;
    let (product, again) = ("cam-2".parse().unwrap(), bench.done(pause("cam-3")).await.entry().number);
    let resumed = bench.done(bench.operate(Action::ResumeProduct { product, pause: first })).await;
    let resumed = resumed.entry().number;
    for limit in [1, 2, 3, 9] {
        let (mut listed, mut cursor) = (Vec::new(), None);
        loop {
            let page = bench.store.products(cursor.as_ref(), limit).await.unwrap();
            assert!(page.rows.len() <= limit);
            listed.extend(page.rows.into_iter().map(|row| {
                let number = |entry: Option<Arc<ledger::Entry>>| entry.map(|entry| entry.number);
                let is_paused = row.is_paused();
                (row.product.to_string(), is_paused, number(row.paused_by), number(row.resumed_by))
            }));
            let Some(next) = page.next else { break };
            cursor = Some(next.to_string().parse().unwrap());
        }
        let expected = [
            ("cam-10".to_owned(), false, None, None),
            ("cam-2".to_owned(), false, Some(first), Some(resumed)),
            ("cam-3".to_owned(), true, Some(again), None),
        ];
        assert_eq!(listed, expected, "pages of {limit}");
    }
    let foreign = "00ff".parse().unwrap();
    assert!(matches!(bench.store.products(Some(&foreign), 2).await, Err(StoreError::CursorUnknown)));
}

pub(crate) async fn serials_that_begin_with_one_another_are_listed_in_order(bench: Bench) {
    let serials: Vec<String> = ["", "A", "AB", "ABA", "ABZ", "ABZ-1", "AC", "B", "BA", "Z0Z"]
        .iter()
        .flat_map(|head| ["(", "0", "9", "A", "B", "Z"].map(|last| format!("{head}{last}")))
        .collect();
    let order = |serials: &[String]| {
        let manifest = serials.iter().map(|serial| serial.parse().unwrap()).collect();
        let terms = WorkOrderTerms {
            quantity: serials.len() as u64,
            serials: Serials::Manifest(manifest),
            ..terms(1)
        };
        let operator = Principal::named(Role::Operator, "admin".parse().unwrap());
        bench.command(operator, Some(bench.draw()), Action::CreateWorkOrder(terms))
    };
    let known: std::collections::BTreeSet<String> = serials.into_iter().collect();
    let serials: Vec<String> = known.into_iter().collect();
    for half in 0..2 {
        let mine: Vec<String> = serials.iter().skip(half).step_by(2).cloned().collect();
        bench.done(order(&mine)).await;
        for (place, serial) in mine.iter().enumerate().rev() {
            let key = key((half * 1000 + place) as u64);
            let certificate = bench.certificate(IssuerName::Factory, ProfileName::Idevid, key);
            let device = format!("cam-2/{serial}").parse().unwrap();
            let work_order = WorkOrderId(half as u64 + 1);
            let action = Action::Issue {
                subject: IssuanceSubject::Birth {
                    work_order,
                    device,
                    made_at: None,
                    shift: String::new(),
                    operator: String::new(),
                    traces: GeneratorTraces::default(),
                },
                certificate,
            };
            bench.done(bench.command(station("line-3"), Some(bench.draw()), action)).await;
        }
    }
    for limit in [1, 2, 7, 1000] {
        let (mut listed, mut cursor) = (Vec::new(), None);
        loop {
            let page = bench.store.devices(&DeviceFilter::default(), cursor.as_ref(), limit).await.unwrap();
            listed.extend(page.rows.iter().map(|row| row.id.serial.to_string()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(listed, serials, "pages of {limit}");
    }
}
