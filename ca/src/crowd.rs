//! Places for those who have not proven who they are: TLS handshakes, connections of plain HTTP. When all are taken, somebody is cut for
//! the next one: who asked for nothing yet goes before who is being answered, the oldest first, and in the network that has most.

mod cut;
mod network;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use cut::Cut;
pub(crate) use network::Network;
use parking_lot::{Mutex, MutexGuard};

/// A limited number of places, shared by network.
pub(crate) struct Crowd {
    max: usize,
    held: Mutex<Held>,
}

/// Who has the places.
#[derive(Default)]
struct Held {
    /// Counts every change, so that guests can be told apart and put in order.
    turns: u64,
    count: usize,
    networks: HashMap<Network, Guests>,
}

/// The guests of one network, each at the turn of its last change: the first is the oldest.
#[derive(Default)]
struct Guests {
    /// Have not asked for anything whole: half a handshake, half a head, half a body, or nothing since the last answer.
    waiting: BTreeMap<u64, Arc<Cut>>,
    /// Are being answered.
    served: BTreeMap<u64, (Instant, Arc<Cut>)>,
}

/// One place, until it is dropped.
pub(crate) struct Guest {
    crowd: Arc<Crowd>,
    network: Network,
    state: Mutex<State>,
    cut: Arc<Cut>,
}

#[derive(Clone, Copy)]
struct State {
    turn: u64,
    served: bool,
}

/// Who had to go for a newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    /// There was room.
    Free,
    /// Somebody else was cut.
    CutAnother,
}

impl Crowd {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, held: Mutex::default() })
    }

    /// A place for somebody who comes from here. `None`: all are taken by those of its own network that are being answered, and none of
    /// them has stalled.
    pub(crate) fn enter(self: &Arc<Self>, from: IpAddr) -> Option<(Guest, Entered)> {
        let network = Network::of(from);
        let mut held = self.held();
        let mut entered = Entered::Free;
        if held.count >= self.max {
            held.make_room(network, Instant::now())?.now();
            entered = Entered::CutAnother;
        }
        let (turn, cut) = (held.next_turn(), Arc::new(Cut::default()));
        held.count += 1;
        held.networks.entry(network).or_default().waiting.insert(turn, Arc::clone(&cut));
        drop(held);
        let state = Mutex::new(State { turn, served: false });
        Some((Guest { crowd: Arc::clone(self), network, state, cut }, entered))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock()
    }
}

impl Guest {
    /// Ends when this guest has to go.
    pub(crate) fn cut(&self) -> &Cut {
        &self.cut
    }

    /// It has asked for something and is being answered, or has taken another part of the answer.
    pub(crate) fn is_served(&self) {
        self.change(true);
    }

    /// It has its answer, and is heard again.
    pub(crate) fn waits(&self) {
        self.change(false);
    }

    fn change(&self, served: bool) {
        let mut state = self.state.lock();
        let mut held = self.crowd.held();
        // Who was cut has no place any more.
        if !held.remove(self.network, *state) {
            return;
        }
        *state = State { turn: held.next_turn(), served };
        held.count += 1;
        let guests = held.networks.entry(self.network).or_default();
        if served {
            guests.served.insert(state.turn, (Instant::now(), Arc::clone(&self.cut)));
        } else {
            guests.waiting.insert(state.turn, Arc::clone(&self.cut));
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let state = *self.state.get_mut();
        self.crowd.held().remove(self.network, state);
    }
}

impl Held {
    fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    /// Whether the guest had a place.
    fn remove(&mut self, network: Network, state: State) -> bool {
        let Some(guests) = self.networks.get_mut(&network) else { return false };
        let had = match state.served {
            true => guests.served.remove(&state.turn).is_some(),
            false => guests.waiting.remove(&state.turn).is_some(),
        };
        if guests.count() == 0 {
            self.networks.remove(&network);
        }
        self.count -= usize::from(had);
        had
    }

    /// Takes a place from the network that has most. Whoever comes from there gets only the place of one that is not being answered, or
    /// that takes nothing of its answer: busy neighbours are not cut for one another.
    fn make_room(&mut self, newcomer: Network, now: Instant) -> Option<Arc<Cut>> {
        // Of several with as many, the one with the oldest guest that asked for nothing.
        let (heaviest, guests) = self.networks.iter().max_by_key(|(_, guests)| {
            (guests.count(), guests.waiting.keys().next().map(|oldest| Reverse(*oldest)))
        })?;
        let heaviest = *heaviest;
        let oldest_waiting = guests.waiting.keys().next().copied();
        let oldest_served = guests.served.iter().next().map(|(turn, (since, _))| (*turn, *since));
        let state = match (oldest_waiting, oldest_served) {
            (Some(turn), _) => State { turn, served: false },
            (None, Some((turn, since)))
                if heaviest != newcomer || now.saturating_duration_since(since) >= STALLED_FOR =>
            {
                State { turn, served: true }
            }
            _ => return None,
        };
        let guests = self.networks.get(&heaviest)?;
        let cut = match state.served {
            true => Arc::clone(&guests.served.get(&state.turn)?.1),
            false => Arc::clone(guests.waiting.get(&state.turn)?),
        };
        self.remove(heaviest, state);
        Some(cut)
    }
}

impl Guests {
    fn count(&self) -> usize {
        self.waiting.len() + self.served.len()
    }
}

/// Who takes no part of its answer for so long loses its place when places are short. A part is 64 KiB of a CRL: a reader who keeps its place
/// against a crowd reads at least that much each second.
const STALLED_FOR: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
