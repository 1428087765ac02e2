use super::*;

impl PerClientQuota {
    fn named(self: &Arc<Self>, name: &str, class: Class) -> Arc<ClientUsage> {
        let principal: Option<Principal> = Some(name.parse().unwrap());
        let mut clients = self.clients.lock();
        if let Some(usage) = clients.get(&principal).and_then(Weak::upgrade) {
            return usage;
        }
        let usage = Arc::new(ClientUsage {
            principal: principal.clone(),
            class,
            connections: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            quota: Arc::downgrade(self),
        });
        clients.insert(principal, Arc::downgrade(&usage));
        usage
    }

    fn device(self: &Arc<Self>, number: usize) -> Arc<ClientUsage> {
        self.named(&format!("device:cam-2/SN{number:06}"), Class::Device)
    }

    fn calls_of(self: &Arc<Self>, usage: &Arc<ClientUsage>) -> Vec<QuotaPermit> {
        std::iter::from_fn(|| self.acquire_call(usage)).collect()
    }
}

#[test]
fn a_principal_takes_its_share_and_gives_it_back() {
    let quota = PerClientQuota::new(100, 100);
    let station = quota.named("station:line-1", Class::Other);
    let mut held = quota.calls_of(&station);
    assert_eq!(held.len(), 25);
    held.pop();
    assert!(quota.acquire_call(&station).is_some());
    // Its connections are another kind of place.
    assert!(quota.acquire_connection(&station).is_some());
    drop((held, station));
    assert!(quota.clients.lock().is_empty(), "who holds nothing is forgotten");
    assert_eq!(quota.calls.used.load(Ordering::Relaxed), 0);
}

#[test]
fn devices_leave_room_for_stations_and_all_leave_room_for_operators() {
    let quota = PerClientQuota::new(4_096, 4_096);
    let devices: Vec<_> = (0..100).map(|number| quota.device(number)).collect();
    let mut held: Vec<_> = devices.iter().flat_map(|device| quota.calls_of(device)).collect();
    assert_eq!(held.len(), 3_584, "an eighth is kept from devices");
    let station = quota.named("station:line-1", Class::Other);
    held.extend(quota.calls_of(&station));
    assert_eq!(held.len(), 4_096);
    let operators: Vec<_> =
        (0..4).map(|number| quota.named(&format!("operator:o{number}"), Class::Operator)).collect();
    for operator in &operators {
        assert_eq!(quota.calls_of(operator).len(), 256);
    }
    let full: Vec<_> = operators[1..].iter().flat_map(|operator| quota.calls_of(operator)).collect();
    assert!(quota.acquire_call(&operators[0]).is_some(), "three of them leave the fourth its share");
    drop((held, full));
    assert_eq!(quota.calls_of(&devices[0]).len(), DEVICE_CALLS_MAX);
}

#[test]
fn a_refused_place_changes_no_count() {
    let quota = PerClientQuota::new(16, 16);
    let stations: Vec<_> =
        (0..2).map(|number| quota.named(&format!("station:l{number}"), Class::Other)).collect();
    let held = quota.calls_of(&stations[0]);
    assert_eq!(held.len(), 16);
    assert!(quota.acquire_call(&stations[1]).is_none());
    let device = quota.device(1);
    assert!(quota.acquire_call(&device).is_none());
    drop(held);
    assert_eq!(quota.calls_of(&stations[1]).len(), 16);
    assert_eq!(quota.calls_of(&device).len(), 14, "an eighth is kept from devices");
}
