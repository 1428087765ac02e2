use futures::FutureExt;

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn is_cut(guest: &Guest) -> bool {
    guest.cut().ended().now_or_never().is_some()
}

#[test]
fn the_oldest_that_asked_for_nothing_goes_first() {
    let crowd = Crowd::new(3);
    let mut guests: Vec<_> = (0..3).map(|_| crowd.enter(address("192.0.2.1")).unwrap().0).collect();
    // The first is being answered, the third had its answer.
    guests[0].is_served();
    guests[2].is_served();
    guests[2].waits();
    for cut in [1, 2] {
        let (fresh, entered) = crowd.enter(address("192.0.2.1")).unwrap();
        assert_eq!(entered, Entered::CutAnother);
        assert!(is_cut(&guests[cut]), "{cut}");
        fresh.is_served();
        guests.push(fresh);
    }
    assert!(!is_cut(&guests[0]));
    // All are being answered now, and take what they get.
    assert!(crowd.enter(address("192.0.2.1")).is_none());
}

#[test]
fn a_network_that_has_most_gives_way_to_others() {
    let crowd = Crowd::new(4);
    let many: Vec<_> = (0..3).map(|_| crowd.enter(address("192.0.2.1")).unwrap().0).collect();
    let (other, _) = crowd.enter(address("198.51.100.1")).unwrap();
    many.iter().for_each(Guest::is_served);
    let (third, entered) = crowd.enter(address("203.0.113.1")).unwrap();
    assert_eq!(entered, Entered::CutAnother);
    assert!(is_cut(&many[0]) && !is_cut(&many[1]));
    assert!(
        !is_cut(&other) && !is_cut(&third),
        "who has one place keeps it, though it asked for nothing yet"
    );
}

#[test]
fn a_place_is_given_back_once() {
    let crowd = Crowd::new(2);
    let (first, _) = crowd.enter(address("192.0.2.1")).unwrap();
    let second = crowd.enter(address("192.0.2.1")).unwrap();
    let third = crowd.enter(address("192.0.2.1")).unwrap();
    assert!(is_cut(&first));
    // It does not know yet that it was cut.
    first.is_served();
    drop(first);
    assert_eq!(crowd.held().count, 2);
    drop((second, third));
    assert_eq!(crowd.held().count, 0);
    assert!(crowd.held().networks.is_empty());
}

#[test]
fn who_takes_nothing_of_an_answer_gives_way_after_a_while() {
    let crowd = Crowd::new(1);
    let (slow, _) = crowd.enter(address("192.0.2.1")).unwrap();
    slow.is_served();
    let network = Network::of(address("192.0.2.1"));
    let now = Instant::now();
    assert!(crowd.held().make_room(network, now).is_none());
    assert!(crowd.held().make_room(network, now + STALLED_FOR).is_some());
}
