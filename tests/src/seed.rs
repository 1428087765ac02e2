//! Repeatable randomness.

use prost::bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The seed of a run. It is printed; `TOUCHMARK_SEED` repeats a run.
#[derive(Debug, Clone, Copy)]
pub struct Seed(pub u64);

impl Seed {
    pub fn of_this_run() -> Self {
        let given = std::env::var("TOUCHMARK_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let mut bytes = [0; 8];
            aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
            u64::from_le_bytes(bytes) & 0xffff_ffff
        });
        eprintln!("seed: TOUCHMARK_SEED={seed}");
        Self(seed)
    }

    /// A separate generator for each purpose.
    pub fn generator(self, purpose: u64) -> StdRng {
        StdRng::seed_from_u64(self.0 ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// Sixteen new bytes.
pub(crate) fn fresh_request_id() -> Bytes {
    let mut bytes = vec![0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    bytes.into()
}

/// Sixteen bytes of a generator.
pub fn request_id(generator: &mut StdRng) -> Bytes {
    let mut bytes = vec![0; 16];
    generator.fill_bytes(&mut bytes);
    bytes.into()
}
