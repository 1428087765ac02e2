//! Serial numbers of certificates (R-5280-01).

use std::collections::HashSet;

use identity::SerialNumber;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// "The serial number MUST be a positive integer assigned by the CA to each certificate." -- RFC 5280
/// §4.1.2.2
#[test]
fn a_hundred_thousand_serial_numbers_are_positive_of_one_length_and_never_repeat() {
    let mut generator = StdRng::seed_from_u64(1);
    let drawn: HashSet<SerialNumber> = (0..100_000).map(|_| SerialNumber::random(&mut generator)).collect();
    assert_eq!(drawn.len(), 100_000, "one repeats");
    assert!(drawn.iter().all(|serial| (0x40..0x80).contains(&serial.as_bytes()[0])), "R-5280-01");
    let ones = |bit: usize| {
        drawn.iter().filter(|serial| serial.as_bytes()[bit / 8] >> (7 - bit % 8) & 1 == 1).count()
    };
    assert_eq!((ones(0), ones(1)), (0, 100_000));
    for bit in 2..128 {
        // Five standard deviations of a fair coin.
        assert!((49_200..=50_800).contains(&ones(bit)), "bit {bit}: {}", ones(bit));
    }
}

#[test]
fn a_serial_number_reads_back_from_its_text_and_from_what_openssl_prints() {
    let serial = SerialNumber::random(&mut StdRng::seed_from_u64(2));
    let text = serial.to_string();
    let colons: Vec<String> = serial.as_bytes().iter().map(|octet| format!("{octet:02X}")).collect();
    assert_eq!(text.parse(), Ok(serial));
    assert_eq!(colons.join(":").parse(), Ok(serial));
    for wrong in [
        "",
        "4",
        "zz",
        &text[2..],
        &format!("{text}00"),
        &format!("3f{}", &text[2..]),
        &format!("80{}", &text[2..]),
    ] {
        assert!(wrong.parse::<SerialNumber>().is_err(), "{wrong:?}");
    }
}
