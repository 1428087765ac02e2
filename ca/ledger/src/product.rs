//! Products: while one is paused, no birth certificate is issued for it, whatever its orders say (R-KEY-14).

use std::time::SystemTime;

use identity::Product;

use super::{Entry, EntryNumber};

/// A product that a work order was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductFacts {
    /// Its name.
    pub product: Product,
    /// The last time that it was paused; `None`: it never was.
    pub pause: Option<PauseFacts>,
}

/// A pause of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PauseFacts {
    /// The entry that paused it: an operator's, or that of what was found.
    pub entry: EntryNumber,
    /// Since when.
    pub at: SystemTime,
    /// The entry that resumed it; `None`: it is paused.
    pub resumed: Option<EntryNumber>,
}

impl ProductFacts {
    /// A product that was never paused.
    #[must_use]
    pub fn of(product: Product) -> Self {
        Self { product, pause: None }
    }

    /// The pause that goes on.
    pub fn paused(&self) -> Option<PauseFacts> {
        self.pause.filter(|pause| pause.resumed.is_none())
    }

    /// The entry pauses it. A pause that goes on stays what it was.
    pub fn pause(&mut self, entry: &Entry) {
        if self.paused().is_none() {
            self.pause = Some(PauseFacts { entry: entry.number, at: entry.at, resumed: None });
        }
    }

    /// The entry ends its pause.
    pub fn resume(&mut self, entry: &Entry) {
        if let Some(pause) = &mut self.pause {
            pause.resumed.get_or_insert(entry.number);
        }
    }
}
