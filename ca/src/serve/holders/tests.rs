use super::*;

impl Holders {
    fn named(self: &Arc<Self>, name: &str, class: Class) -> Arc<Holder> {
        let principal: Principal = name.parse().unwrap();
        let mut known = self.known.lock();
        if let Some(holder) = known.get(&principal).and_then(Weak::upgrade) {
            return holder;
        }
        let holder = Arc::new(Holder {
            principal: principal.clone(),
            class,
            connections: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            holders: Arc::downgrade(self),
        });
        known.insert(principal, Arc::downgrade(&holder));
        holder
    }

    fn device(self: &Arc<Self>, number: usize) -> Arc<Holder> {
        self.named(&format!("device:cam-2/SN{number:06}"), Class::Device)
    }

    fn calls_of(self: &Arc<Self>, holder: &Arc<Holder>) -> Vec<Share> {
        std::iter::from_fn(|| self.take_call(holder)).collect()
    }
}

#[test]
fn a_principal_takes_its_share_and_gives_it_back() {
    let holders = Holders::new(100, 100);
    let station = holders.named("station:line-1", Class::Other);
    let mut held = holders.calls_of(&station);
    assert_eq!(held.len(), 25);
    held.pop();
    assert!(holders.take_call(&station).is_some());
    // Its connections are another kind of place.
    assert!(holders.take_connection(&station).is_some());
    drop((held, station));
    assert!(holders.known.lock().is_empty(), "who holds nothing is forgotten");
    assert_eq!(holders.calls.taken.load(Ordering::Relaxed), 0);
}

#[test]
fn devices_leave_room_for_stations_and_all_leave_room_for_operators() {
    let holders = Holders::new(4_096, 4_096);
    let devices: Vec<_> = (0..100).map(|number| holders.device(number)).collect();
    let mut held: Vec<_> = devices.iter().flat_map(|device| holders.calls_of(device)).collect();
    assert_eq!(held.len(), 3_584, "an eighth is kept from devices");
    let station = holders.named("station:line-1", Class::Other);
    held.extend(holders.calls_of(&station));
    assert_eq!(held.len(), 4_096);
    let operators: Vec<_> =
        (0..4).map(|number| holders.named(&format!("operator:o{number}"), Class::Operator)).collect();
    for operator in &operators {
        assert_eq!(holders.calls_of(operator).len(), 256);
    }
    let full: Vec<_> = operators[1..].iter().flat_map(|operator| holders.calls_of(operator)).collect();
    assert!(holders.take_call(&operators[0]).is_some(), "three of them leave the fourth its share");
    drop((held, full));
    assert_eq!(holders.calls_of(&devices[0]).len(), DEVICE_CALLS_MAX);
}

#[test]
fn a_refused_place_changes_no_count() {
    let holders = Holders::new(16, 16);
    let stations: Vec<_> =
        (0..2).map(|number| holders.named(&format!("station:l{number}"), Class::Other)).collect();
    let held = holders.calls_of(&stations[0]);
    assert_eq!(held.len(), 16);
    assert!(holders.take_call(&stations[1]).is_none());
    let device = holders.device(1);
    assert!(holders.take_call(&device).is_none());
    drop(held);
    assert_eq!(holders.calls_of(&stations[1]).len(), 16);
    assert_eq!(holders.calls_of(&device).len(), 14, "an eighth is kept from devices");
}
