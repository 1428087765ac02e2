//! When to renew (R-LIFE-02). Pure: the time follows from a certificate, its device and the CA's window.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{Context, SHA256};
use identity::DeviceId;

use crate::certificate::Certificate;

/// The time in which the CA wants a certificate to be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its first second.
    pub start: SystemTime,
    /// Its last second.
    pub end: SystemTime,
}

/// When `device` renews `certificate`: `t = not_before + life · (0.60 + 0.12 · u)` (R-LIFE-02), moved into
/// the CA's window when it is outside. `u` belongs to the certificate, so devices that were made together
/// renew apart. A window that cannot be kept is ignored: the CA's mistake must not cost the certificate.
pub fn renewal_time(device: &DeviceId, certificate: &Certificate, window: Option<Window>) -> SystemTime {
    let share = share(device, &certificate.serial_number);
    let life = certificate.not_after.duration_since(certificate.not_before).unwrap_or_default();
    let own = certificate.not_before + life.mul_f64(EARLIEST + SPREAD * share);
    let Some(Window { start, end }) = window else { return own };
    let end = end.min(certificate.not_after);
    match end.duration_since(start) {
        Err(_) => own,
        Ok(_) if (start..=end).contains(&own) => own,
        Ok(length) => start + length.mul_f64(share),
    }
}

/// A number from 0 to 1, always the same for one certificate, and evenly distributed over certificates.
fn share(device: &DeviceId, serial_number: &[u8]) -> f64 {
    let mut context = Context::new(&SHA256);
    for part in [device.to_string().as_bytes(), &[0], serial_number] {
        context.update(part);
    }
    let digest = context.finish();
    let head = digest.as_ref().iter().take(4).fold(0, |number, byte| (number << 8) | u32::from(*byte));
    f64::from(head) / f64::from(u32::MAX)
}

/// The pause until the CA is asked again: its own, between a minute and a day, and up to a tenth more or
/// less, so that devices part. `chance` is from 0 to 1.
pub fn asking_interval(retry_after: Duration, chance: f64) -> Duration {
    retry_after.clamp(ASK_AGAIN_MIN, ASK_AGAIN_MAX).mul_f64(0.9 + 0.2 * chance)
}

/// R-LIFE-02: the earliest share of a life at which a certificate is renewed.
const EARLIEST: f64 = 0.60;

/// R-LIFE-02: the share of a life over which renewals are spread.
const SPREAD: f64 = 0.12;

/// The shortest pause: a broken answer must not make a fleet attack the CA.
pub const ASK_AGAIN_MIN: Duration = Duration::from_secs(60);

/// The longest pause: a rotation must reach the fleet within a day.
pub const ASK_AGAIN_MAX: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn made() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_305_600)
    }

    #[test]
    fn it_is_between_three_fifths_and_two_thirds_and_a_bit_of_life_and_stays_there() {
        for n in 0..2_000_u32 {
            let device: DeviceId = format!("cam-2/SN{n}").parse().unwrap();
            let certificate = Certificate::of_life(&n.to_be_bytes(), made(), 30 * DAY);
            let at = renewal_time(&device, &certificate, None);
            assert!(at >= made() + 18 * DAY && at <= made() + (30 * DAY).mul_f64(0.7201), "{n}");
            assert_eq!(at, renewal_time(&device, &certificate, None), "{n}: it is stable");
            let other: DeviceId = format!("cam-3/SN{n}").parse().unwrap();
            assert_ne!(at, renewal_time(&other, &certificate, None), "{n}: it is the device's own");
        }
    }

    #[test]
    fn it_is_in_the_window_of_the_ca_if_that_is_one() {
        let device: DeviceId = "cam-2/SN1".parse().unwrap();
        let certificate = Certificate::of_life(&[7; 16], made(), 30 * DAY);
        let own = renewal_time(&device, &certificate, None);
        let day = |n: u32| made() + n * DAY;
        for (start, end) in [(day(1), day(3)), (day(25), day(28)), (day(1), day(1)), (day(19), day(20))] {
            let at = renewal_time(&device, &certificate, Some(Window { start, end }));
            assert!((start..=end).contains(&at), "{at:?} is not in {start:?} to {end:?}");
        }
        let around = Window { start: day(1), end: day(29) };
        assert_eq!(renewal_time(&device, &certificate, Some(around)), own, "inside, it stays where it is");
        for (start, end) in [(day(3), day(1)), (day(31), day(40)), (day(4000), day(5000))] {
            let at = renewal_time(&device, &certificate, Some(Window { start, end }));
            assert_eq!(at, own, "{start:?} to {end:?} is no window");
        }
        let too_long = Window { start: day(29), end: day(400) };
        assert!(renewal_time(&device, &certificate, Some(too_long)) <= certificate.not_after);
    }

    /// R-LIFE-02: "simulate 1 M devices made in one hour: peak rate <= 1.3x mean over the window".
    #[test]
    fn a_million_devices_made_in_one_hour_renew_without_a_rush() {
        let seed = 20_261_122;
        let mut generator = StdRng::seed_from_u64(seed);
        let life = 30 * DAY;
        let rotation = Window { start: made() + 2 * DAY, end: made() + 3 * DAY };
        for (window, start, length) in [
            (None, made() + life.mul_f64(EARLIEST), life.mul_f64(SPREAD)),
            (Some(rotation), rotation.start, DAY),
        ] {
            let mut rates = vec![0_u32; 24 * 6 + 3];
            let step = length.div_f64(24.0 * 6.0);
            for n in 0..1_000_000_u64 {
                let device = DeviceId {
                    product: "cam-2".parse().unwrap(),
                    serial: format!("SN{n:07}").parse().unwrap(),
                };
                let mut serial_number = [0; 16];
                generator.fill_bytes(&mut serial_number);
                let within_the_hour = Duration::from_millis(n * 3600 / 1000);
                let certificate = Certificate::of_life(&serial_number, made() + within_the_hour, life);
                let at = renewal_time(&device, &certificate, window);
                let after = at.duration_since(start).unwrap();
                rates[(after.as_secs_f64() / step.as_secs_f64()) as usize] += 1;
            }
            let (peak, mean) = (*rates.iter().max().unwrap(), 1_000_000.0 / (24.0 * 6.0));
            let ratio = f64::from(peak) / mean;
            assert!(ratio <= 1.3, "seed {seed}: peak {peak} of mean {mean:.0} is {ratio:.3}");
        }
    }

    #[test]
    fn the_ca_is_asked_neither_without_pause_nor_never() {
        for (said, from, to) in [
            (Duration::ZERO, 54, 66),
            (Duration::from_secs(3600), 3240, 3960),
            (Duration::MAX, 77_760, 95_040),
        ] {
            for chance in [0.0, 0.5, 1.0] {
                let pause = asking_interval(said, chance).as_secs();
                assert!((from..=to).contains(&pause), "{said:?}: {pause}");
            }
        }
    }
}
