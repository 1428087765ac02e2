use futures::FutureExt;

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn is_evicted(permit: &NetworkPermit) -> bool {
    permit.evicted().now_or_never().is_some()
}

#[test]
fn the_oldest_that_asked_for_nothing_goes_first() {
    let limit = NetworkLimit::new(3);
    let mut permits: Vec<_> = (0..3).map(|_| limit.acquire(address("192.0.2.1")).unwrap().0).collect();
    // The first is being answered, the third had its answer.
    permits[0].mark_active();
    permits[2].mark_active();
    permits[2].mark_idle();
    for oldest in [1, 2] {
        let (fresh, acquired) = limit.acquire(address("192.0.2.1")).unwrap();
        assert_eq!(acquired, Acquired::Evicted);
        assert!(is_evicted(&permits[oldest]), "{oldest}");
        fresh.mark_active();
        permits.push(fresh);
    }
    assert!(!is_evicted(&permits[0]));
    // All are being answered now, and take what they get.
    assert!(limit.acquire(address("192.0.2.1")).is_none());
}

#[test]
fn a_network_that_has_most_gives_way_to_others() {
    let limit = NetworkLimit::new(4);
    let many: Vec<_> = (0..3).map(|_| limit.acquire(address("192.0.2.1")).unwrap().0).collect();
    let (other, _) = limit.acquire(address("198.51.100.1")).unwrap();
    many.iter().for_each(NetworkPermit::mark_active);
    let (third, acquired) = limit.acquire(address("203.0.113.1")).unwrap();
    assert_eq!(acquired, Acquired::Evicted);
    assert!(is_evicted(&many[0]) && !is_evicted(&many[1]));
    assert!(
        !is_evicted(&other) && !is_evicted(&third),
        "who has one place keeps it, though it asked for nothing yet"
    );
}

#[test]
fn a_place_is_given_back_once() {
    let limit = NetworkLimit::new(2);
    let (first, _) = limit.acquire(address("192.0.2.1")).unwrap();
    let second = limit.acquire(address("192.0.2.1")).unwrap();
    let third = limit.acquire(address("192.0.2.1")).unwrap();
    assert!(is_evicted(&first));
    // It does not know yet that it was cut.
    first.mark_active();
    drop(first);
    assert_eq!(limit.permits.lock().count, 2);
    drop((second, third));
    assert_eq!(limit.permits.lock().count, 0);
    assert!(limit.permits.lock().networks.is_empty());
}

#[test]
fn who_takes_nothing_of_an_answer_gives_way_after_a_while() {
    let limit = NetworkLimit::new(1);
    let (slow, _) = limit.acquire(address("192.0.2.1")).unwrap();
    slow.mark_active();
    let network = Network::of(address("192.0.2.1"));
    let now = Instant::now();
    assert!(limit.permits.lock().evict(network, now).is_none());
    assert!(limit.permits.lock().evict(network, now + STALLED_AFTER).is_some());
}
