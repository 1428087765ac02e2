#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Serial numbers that a station generates match the pattern in the CA.
    let (made, allowed) = (text.parse(), text.parse::<ledger::SerialPattern>());
    match (made.ok().map(provisioner::units::SerialPattern::serials), allowed) {
        (Some(mut serials), Ok(allowed)) => {
            let first = serials.next().expect("a pattern has one serial at least");
            assert!(allowed.contains(&first), "{text}");
        }
        (None, Err(_)) => {}
        (made, allowed) => panic!("{text}: {} by a station, {allowed:?} by the CA", made.is_some()),
    }
});
