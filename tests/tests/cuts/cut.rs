//! Where a run is cut, and who dies of it: the blade counts what crosses a relay, and kills at its number.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Victim {
    Station,
    Device,
    Authority,
}

/// Whether the piece at which it is cut still arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

/// A cut at the piece with this number, from 0, in either direction.
#[derive(Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) at: usize,
    pub(crate) moment: Moment,
    pub(crate) victims: &'static [Victim],
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} piece {}", self.victims, self.moment, self.at)
    }
}

/// A cut at each of these pieces.
pub(crate) fn every_cut(
    pieces: impl IntoIterator<Item = usize>,
    moments: &[Moment],
    victims: &[&'static [Victim]],
) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for at in pieces {
        for moment in moments {
            cuts.extend(victims.iter().map(|victims| Cut { at, moment: *moment, victims }));
        }
    }
    cuts
}

/// Kills once in a run, if it is to.
pub(crate) struct Blade {
    state: Mutex<State>,
    fell: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    cut: Option<Cut>,
    crossed: usize,
    /// At which pieces a side began to speak after another.
    turns: Vec<usize>,
    speaker: Option<usize>,
    speakers: usize,
    /// Handles, not ids: a process that has ended leaves its id to others.
    processes: BTreeMap<Victim, OwnedFd>,
}

impl Blade {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), fell: watch::Sender::new(false) }
    }

    /// For the next run: counts from 0.
    pub(crate) fn set(&self, cut: Option<Cut>) {
        let mut state = self.state.lock().unwrap();
        (state.cut, state.crossed, state.speaker) = (cut, 0, None);
        state.turns.clear();
        self.fell.send_replace(false);
    }

    /// This is who runs now.
    pub(crate) fn is_above(&self, victim: Victim, process: u32) {
        let pid = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
        let handle = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        self.state.lock().unwrap().processes.insert(victim, handle);
    }

    /// The run has ended. Returns whether it was cut, how many pieces crossed, in both directions, and at
    /// which of them a side began to speak after another.
    pub(crate) fn rest(&self) -> (bool, usize, Vec<usize>) {
        let mut state = self.state.lock().unwrap();
        state.cut = None;
        (*self.fell.borrow(), state.crossed, state.turns.clone())
    }

    /// Two sides that nobody else is.
    pub(crate) fn speakers(&self) -> [usize; 2] {
        let mut state = self.state.lock().unwrap();
        state.speakers += 2;
        [state.speakers, state.speakers + 1]
    }

    /// A piece has come from this side. Says whether it is the one.
    pub(crate) fn meets(&self, speaker: usize) -> Option<Moment> {
        let mut state = self.state.lock().unwrap();
        let at = state.crossed;
        state.crossed += 1;
        if state.speaker.replace(speaker) != Some(speaker) {
            state.turns.push(at);
        }
        state.cut.filter(|cut| cut.at == at).map(|cut| cut.moment)
    }

    pub(crate) fn fall(&self) {
        let mut state = self.state.lock().unwrap();
        let Some(cut) = state.cut.take() else { return };
        for victim in cut.victims {
            let process = state.processes.remove(victim).unwrap_or_else(|| panic!("{victim:?} never ran"));
            pidfd_send_signal(process, Signal::KILL).unwrap_or_else(|why| panic!("{cut:?}: {why}"));
        }
        self.fell.send_replace(true);
    }

    pub(crate) async fn falls(&self) {
        self.fell.subscribe().wait_for(|it| *it).await.unwrap();
    }
}
