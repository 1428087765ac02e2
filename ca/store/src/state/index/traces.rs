//! Traces of random generators (R-KEY-14): up to three rows of one table for a birth certificate. They are
//! kept for ever: a generator that repeats itself after years has to be noticed.

use identity::{GeneratorTraces, KeyEnds};

use super::Index;

impl Index {
    /// Enters what the request for the birth certificate of this row showed.
    pub(super) fn enter_traces(&mut self, product: &str, traces: &GeneratorTraces, row: u32) {
        let GeneratorTraces { nonce, key_ends } = traces;
        if let Some(nonce) = nonce {
            self.traces.insert(self.key.nonce(nonce.as_slice()), row);
        }
        if let Some(KeyEnds { start, end }) = key_ends {
            self.traces.insert(self.key.key_start(product, start.as_slice()), row);
            self.traces.insert(self.key.key_end(product, end.as_slice()), row);
        }
    }
}
