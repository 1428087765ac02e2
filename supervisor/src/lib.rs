//! Notifies the service manager that started the program: ready, alive, stopping. See sd_notify(3).
//!
//! Nothing here fails, and only [`ServiceManager::stopping`] waits. A message that cannot be sent is dropped.
//! Without a service manager (no `NOTIFY_SOCKET`) nothing is sent.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// The service manager of this process.
#[derive(Debug, Default)]
pub struct ServiceManager {
    queue: Option<SyncSender<Message>>,
    watchdog: Option<Duration>,
}

#[derive(Debug)]
enum Message {
    Ready,
    Alive,
    /// The sender is notified once the message was sent.
    Stopping(SyncSender<()>),
}

impl ServiceManager {
    /// The service manager of `NOTIFY_SOCKET`, if there is one, and its watchdog (`WATCHDOG_USEC`,
    /// `WATCHDOG_PID`).
    pub fn of_this_process() -> Self {
        if std::env::var_os(SOCKET).is_none_or(|name| name.is_empty()) {
            return Self::default();
        }
        let (queue, messages) = sync_channel(MESSAGES_MAX);
        // By a thread, so that a service manager that reads nothing does not block the program.
        match thread::Builder::new().name("notify".to_owned()).spawn(move || send(&messages)) {
            Ok(_) => Self { queue: Some(queue), watchdog: sd_notify::watchdog_enabled() },
            Err(error) => {
                warn!("the service manager will not hear that this program is ready: no thread: {error}");
                Self::default()
            }
        }
    }

    /// The program does its work from now on (`READY=1`).
    pub fn ready(&self) {
        self.tell(Message::Ready);
    }

    /// The program is alive (`WATCHDOG=1`). For every [`Self::watchdog_interval`] in which the work goes on.
    pub fn alive(&self) {
        self.tell(Message::Alive);
    }

    /// The program has begun to end (`STOPPING=1`). Waits until the message is sent, at most half a second,
    /// because a program that ends at once would lose it.
    pub fn stopping(&self) {
        let (sent, told) = sync_channel(1);
        self.tell(Message::Stopping(sent));
        told.recv_timeout(LAST_WORD_MAX).ok();
    }

    /// How often [`Self::alive`] is to be called: a third of the watchdog's time. `None` without a watchdog.
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|limit| (limit / 3).max(INTERVAL_MIN))
    }

    fn tell(&self, message: Message) {
        if let Some(queue) = &self.queue {
            queue.try_send(message).ok();
        }
    }
}

fn send(messages: &Receiver<Message>) {
    let mut complained = false;
    for message in messages {
        let state = match message {
            Message::Ready => NotifyState::Ready,
            Message::Alive => NotifyState::Watchdog,
            Message::Stopping(_) => NotifyState::Stopping,
        };
        if let Err(error) = sd_notify::notify(&[state])
            && !std::mem::replace(&mut complained, true)
        {
            warn!("the service manager cannot be told {message:?}: {error}");
        }
        if let Message::Stopping(sent) = message {
            sent.try_send(()).ok();
        }
    }
}

/// The variables of a service manager, which a program removes from the environment of those it starts.
pub const VARIABLES: [&str; 3] = [SOCKET, "WATCHDOG_USEC", "WATCHDOG_PID"];

const SOCKET: &str = "NOTIFY_SOCKET";

/// The most messages that wait to be sent. Each has a few bytes, and one comes every few seconds.
const MESSAGES_MAX: usize = 8;

/// How long the end of a program waits for its last message to be sent.
const LAST_WORD_MAX: Duration = Duration::from_millis(500);

/// The shortest interval. A watchdog of a few milliseconds is a mistake, and must not keep a device busy.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_service_manager_nothing_is_said_and_nothing_is_wanted() {
        let nobody = ServiceManager::default();
        nobody.ready();
        nobody.alive();
        nobody.stopping();
        assert_eq!(nobody.watchdog_interval(), None);
    }

    #[test]
    fn a_service_manager_that_reads_nothing_holds_nobody_up() {
        let (queue, _messages) = sync_channel(1);
        let stalled = ServiceManager { queue: Some(queue), watchdog: Some(Duration::from_secs(3)) };
        for _ in 0..100 {
            stalled.alive();
        }
        assert_eq!(stalled.watchdog_interval(), Some(Duration::from_secs(1)));
    }
}
