//! Traces of random generators (R-KEY-14): up to three rows of one table for a birth certificate, eight bytes
//! each. They are kept for ever: a generator that repeats itself after years has to be noticed.

use identity::{GeneratorTraces, KeyEnds};
use ledger::Trace;

use super::Index;
use super::tags::Hash;

impl Index {
    /// Enters what the request for the birth certificate of this row showed.
    pub(super) fn enter_traces(&mut self, product: &str, traces: &GeneratorTraces, row: u32) {
        let GeneratorTraces { nonce, key_ends } = traces;
        if let Some(nonce) = nonce {
            let hash = self.hash((NONCE, "", nonce.as_slice()));
            self.traces.insert(hash, row);
        }
        if let Some(KeyEnds { start, end }) = key_ends {
            for (kind, value) in [(KEY_START, start), (KEY_END, end)] {
                let hash = self.hash((kind, product, value.as_slice()));
                self.traces.insert(hash, row);
            }
        }
    }

    pub(super) fn trace_hash(&self, trace: &Trace<'_>) -> Hash {
        match trace {
            Trace::Nonce(nonce) => self.hash((NONCE, "", nonce.as_slice())),
            Trace::KeyStart(product, start) => self.hash((KEY_START, product.as_str(), start.as_slice())),
            Trace::KeyEnd(product, end) => self.hash((KEY_END, product.as_str(), end.as_slice())),
        }
    }
}

const NONCE: u8 = 0;
const KEY_START: u8 = 1;
const KEY_END: u8 = 2;
