//! A noisy line loses, doubles, flips and inserts bytes. Payloads arrive as sent or are reported as damaged,
//! without a panic.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use link::{Decoder, FRAME_PAYLOAD_BYTES_MAX, FrameFault, encode};
use proptest::collection::vec;
use proptest::prelude::*;

/// What happens to one byte of the stream.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Lose,
    Double,
    Flip(u8),
    Invent(u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::Lose),
        Just(Damage::Double),
        (0..8u8).prop_map(|bit| Damage::Flip(1 << bit)),
        prop_oneof![Just(0), Just(1), Just(0xff), any::<u8>()].prop_map(Damage::Invent),
    ]
}

/// Payloads of all lengths that matter to COBS: runs around 254 bytes, zeros, and the checksum's own bytes.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        vec(prop_oneof![Just(0u8), Just(1), Just(0xff)], 0..600),
        vec(1..=255u8, 248..262),
        vec(any::<u8>(), 0..2000),
    ]
}

fn spoil(stream: &[u8], damages: &[(prop::sample::Index, Damage)]) -> Vec<u8> {
    let mut spoilt = stream.to_vec();
    for (place, damage) in damages {
        if spoilt.is_empty() {
            break;
        }
        let place = place.index(spoilt.len());
        match damage {
            Damage::Lose => drop(spoilt.remove(place)),
            Damage::Double => spoilt.insert(place, spoilt[place]),
            Damage::Flip(bits) => spoilt[place] ^= bits,
            Damage::Invent(byte) => spoilt.insert(place, *byte),
        }
    }
    spoilt
}

/// Decodes the stream in pieces of the given lengths, repeatedly.
fn decode(stream: &[u8], pieces: &[usize]) -> Vec<Result<Vec<u8>, FrameFault>> {
    let mut decoder = Decoder::new();
    let mut rest = stream;
    let mut found = Vec::new();
    for length in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        found.extend(decoder.push(piece));
        rest = after;
    }
    found
}

proptest! {
    #[test]
    fn what_is_sent_arrives_however_the_stream_is_cut(
        payloads in vec(payload(), 1..6),
        pieces in vec(1..700usize, 1..8),
    ) {
        let stream: Vec<u8> = payloads.iter().flat_map(|payload| encode(payload).unwrap()).collect();
        let sent: Vec<_> = payloads.into_iter().map(Ok).collect();
        prop_assert_eq!(decode(&stream, &pieces), sent);
    }

    #[test]
    fn no_damaged_payload_is_accepted_and_the_next_clean_frame_arrives(
        payloads in vec(payload(), 1..5),
        damages in vec((any::<prop::sample::Index>(), damage()), 1..12),
        clean in payload(),
        pieces in vec(1..700usize, 1..8),
    ) {
        let stream: Vec<u8> = payloads.iter().flat_map(|payload| encode(payload).unwrap()).collect();
        let mut spoilt = spoil(&stream, &damages);
        spoilt.extend(encode(&clean).unwrap());
        let mut found = decode(&spoilt, &pieces);
        prop_assert_eq!(found.pop(), Some(Ok(clean)));
        // Every decoded payload was sent, in this order.
        let mut sent = payloads.iter().peekable();
        for accepted in found.into_iter().flatten() {
            prop_assert!(sent.any(|payload| *payload == accepted), "accepted {accepted:?}, which was not sent");
        }
    }

    #[test]
    fn invented_bytes_never_panic_and_do_not_hide_a_frame(garbage in vec(any::<u8>(), 0..4000), clean in payload()) {
        let mut decoder = Decoder::new();
        prop_assert_eq!(decoder.push(&garbage).filter(Result::is_ok).count(), 0);
        prop_assert_eq!(decoder.push(&encode(&clean).unwrap()).last(), Some(Ok(clean)));
    }
}

#[test]
fn a_frame_with_any_one_bit_flipped_is_not_accepted() {
    let payload: Vec<u8> = (0..=255).cycle().take(700).collect();
    let frame = encode(&payload).unwrap();
    for place in 0..frame.len() {
        for bit in 0..8 {
            let mut spoilt = frame.clone();
            spoilt[place] ^= 1 << bit;
            spoilt.push(0);
            let accepted = Decoder::new().push(&spoilt).flatten().count();
            assert_eq!(accepted, 0, "byte {place}, bit {bit} makes no difference");
        }
    }
}

#[test]
fn the_longest_payload_fits_and_one_byte_more_is_refused() {
    let longest = vec![7; FRAME_PAYLOAD_BYTES_MAX];
    assert_eq!(Decoder::new().push(&encode(&longest).unwrap()).last(), Some(Ok(longest.clone())));
    assert_eq!(encode(&[longest, vec![7]].concat()).unwrap_err().bytes, FRAME_PAYLOAD_BYTES_MAX + 1);
}

#[test]
fn an_endless_frame_is_reported_once_and_kept_within_bounds() {
    let mut decoder = Decoder::new();
    for _ in 0..1000 {
        assert_eq!(decoder.push(&[0xff; 4096]).count(), 0);
    }
    assert!(decoder.is_inside_a_frame());
    assert_eq!(decoder.push(&[0]).collect::<Vec<_>>(), [Err(FrameFault::TooLong)]);
    assert_eq!(decoder.push(&encode(b"after it").unwrap()).last(), Some(Ok(b"after it".to_vec())));
}

#[test]
fn an_empty_payload_is_a_frame_and_zeros_between_frames_are_nothing() {
    let mut decoder = Decoder::new();
    assert_eq!(decoder.push(&[0; 100]).count(), 0);
    assert_eq!(decoder.push(&encode(&[]).unwrap()).collect::<Vec<_>>(), [Ok(vec![])]);
}
