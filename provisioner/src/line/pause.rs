//! The pause of a line after several failures with the same reason, until somebody has looked.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{LineEvent, LineShared, Stop};
use crate::mode::Mode;
use crate::scan::{Chunk, Input, flush_keyboard};

/// When a line pauses, and whether it can.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pausing {
    /// So many failures in a row with one reason; 0: never.
    pub(crate) after_failures: u32,
    /// Whether somebody can press Enter; otherwise the line stops.
    pub(crate) can_pause: bool,
}

impl LineShared {
    pub(super) fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::SeqCst)
    }

    /// Pauses the line, or stops it if nobody can end the pause.
    pub(super) async fn pause(&self, times: u32, cause: &str, message: &str) {
        let units = if times == 1 { "unit".to_owned() } else { format!("{times} units in a row") };
        let what = format!("the last {units} failed with the same reason, {cause}: {message}");
        if !self.can_pause {
            return self.stop_for(Stop::SameFailure(what));
        }
        if self.context.mode != Mode::Scan {
            // An Enter from before the pause does not end it.
            flush_keyboard();
        }
        self.begin_pause().await;
        self.say(format!(
            "the line is paused: {what}; units that were begun are finished; mend the cause, then press Enter to go on, or Ctrl-C \
             to end the run"
        ))
        .await;
    }

    pub(super) async fn begin_pause(&self) {
        self.is_paused.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
        self.events.send(LineEvent::Paused(true)).await.ok();
    }

    /// Ends a pause, and says so. Does nothing if there is none.
    pub(super) async fn end_pause(&self) {
        if self.is_paused.swap(false, Ordering::SeqCst) {
            self.changed.notify_waiters();
            self.events.send(LineEvent::Paused(false)).await.ok();
            self.say("the line goes on".to_owned()).await;
        }
    }

    /// Waits for the end of a pause. `false`: the line stops.
    pub(super) async fn goes_on(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            if self.stop.is_cancelled() {
                return false;
            }
            if !self.is_paused() {
                return true;
            }
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = changed => {}
            }
        }
    }
}

/// Ends each pause when Enter is pressed. The keyboard is not read before the first pause.
pub(super) async fn end_on_enter(shared: Arc<LineShared>) {
    loop {
        let changed = shared.changed.notified();
        if shared.is_paused() {
            break;
        }
        changed.await;
    }
    let Ok(mut keyboard) = Input::stdin() else { return };
    while let Some(chunk) = keyboard.next().await {
        let Chunk::Bytes(bytes) = chunk else { continue };
        if bytes.contains(&b'\n') {
            shared.end_pause().await;
        }
    }
}
