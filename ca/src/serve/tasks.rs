//! Background tasks (ADR 0032): each is restarted when it ends, or ends the CA, as `readyz` then says.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// Owns the tasks; dropping it aborts them.
pub(super) struct Tasks {
    state: Arc<TaskState>,
    /// Tasks that end by themselves after `stop`.
    ending: JoinSet<()>,
    /// Tasks that run until the last connection is closed.
    lasting: JoinSet<()>,
}

/// The state of the tasks, for readiness and metrics.
pub(super) struct TaskState {
    stop: CancellationToken,
    fault: Mutex<Option<Fault>>,
    restarts: Mutex<BTreeMap<&'static str, u64>>,
}

/// Why the CA ends without a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The name of the task.
    pub task: &'static str,
    /// How it ended, as a clause.
    pub how: String,
}

impl Tasks {
    pub(super) fn new(stop: CancellationToken) -> Self {
        let state = TaskState { stop, fault: Mutex::default(), restarts: Mutex::default() };
        Self { state: Arc::new(state), ending: JoinSet::new(), lasting: JoinSet::new() }
    }

    pub(super) fn state(&self) -> Arc<TaskState> {
        Arc::clone(&self.state)
    }

    /// Spawns a task that is restarted whenever it ends before the stop. It must end soon after the stop.
    pub(super) fn spawn_restarting<T, F>(
        &mut self,
        name: &'static str,
        shared: &Arc<T>,
        mut begin: impl FnMut(Arc<T>, CancellationToken) -> F + Send + 'static,
    ) where
        T: ?Sized + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let shared = Arc::clone(shared);
        let begin = move |stop| begin(Arc::clone(&shared), stop);
        self.ending.spawn(Arc::clone(&self.state).restart(name, begin));
    }

    /// Like [`Self::spawn_restarting`], for a task that is needed while connections are closed.
    pub(super) fn spawn_restarting_to_the_end<F>(
        &mut self,
        name: &'static str,
        begin: impl FnMut(CancellationToken) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        self.lasting.spawn(Arc::clone(&self.state).restart(name, begin));
    }

    /// Spawns a task whose end before the stop ends the CA. It must end soon after the stop.
    pub(super) fn spawn_required(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.ending.spawn(Arc::clone(&self.state).require(name, task));
    }

    /// Like [`Self::spawn_required`], for a task that is needed while connections are closed.
    pub(super) fn spawn_required_to_the_end(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.lasting.spawn(Arc::clone(&self.state).require(name, task));
    }

    /// Waits for the tasks that end after the stop, and aborts the others.
    pub(super) async fn end(mut self) {
        let all = async { while self.ending.join_next().await.is_some() {} };
        if tokio::time::timeout(END_MAX, all).await.is_err() {
            error!(tasks = self.ending.len(), "background tasks did not end in time and are cut off");
        }
    }
}

impl TaskState {
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.lock().clone()
    }

    pub(super) fn restarts(&self) -> Vec<(&'static str, u64)> {
        let restarts = self.restarts.lock();
        restarts.iter().map(|(task, count)| (*task, *count)).collect()
    }

    /// Ends the CA. The first fault is the one that is reported.
    pub(super) fn fail(&self, task: &'static str, how: &str) {
        error!(task, "the CA ends: {task} {how}");
        let fault = Fault { task, how: how.to_owned() };
        self.fault.lock().get_or_insert(fault);
        self.stop.cancel();
    }

    /// Runs a task whose end before the stop ends the CA.
    pub(super) async fn require(self: Arc<Self>, name: &'static str, task: impl Future<Output = ()>) {
        let ended = AssertUnwindSafe(task).catch_unwind().await;
        if !self.stop.is_cancelled() {
            self.fail(name, &how(&ended));
        }
    }

    async fn restart<F>(self: Arc<Self>, name: &'static str, mut begin: impl FnMut(CancellationToken) -> F)
    where
        F: Future<Output = ()>,
    {
        let mut pause = RESTART_PAUSE_MIN;
        loop {
            let began = Instant::now();
            let ended = AssertUnwindSafe(async { begin(self.stop.clone()).await }).catch_unwind().await;
            if self.stop.is_cancelled() {
                return;
            }
            pause = if began.elapsed() > RESTART_PAUSE_MAX { RESTART_PAUSE_MIN } else { pause };
            error!(task = name, pause_ms = pause.as_millis(), "{name} {} and is started again", how(&ended));
            *self.restarts.lock().entry(name).or_default() += 1;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => return,
            }
            pause = (pause * 2).min(RESTART_PAUSE_MAX);
        }
    }
}

fn how(ended: &Result<(), Box<dyn Any + Send>>) -> String {
    match ended {
        Ok(()) => "ended".to_owned(),
        Err(panic) => {
            let what =
                panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref().map(String::as_str));
            format!("panicked ({})", what.unwrap_or("no message"))
        }
    }
}

/// Before the first restart; doubled for each that follows soon.
const RESTART_PAUSE_MIN: Duration = Duration::from_secs(1);

/// The longest pause between restarts.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(60);

/// How long tasks may take to end after the stop.
const END_MAX: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_started_again_and_counted() {
        let (stop, begun) = (CancellationToken::new(), Arc::new(AtomicU32::new(0)));
        let mut tasks = Tasks::new(stop.clone());
        tasks.spawn_restarting("upkeep", &begun, |counter, stop| async move {
            assert!(counter.fetch_add(1, Ordering::Relaxed) > 0, "the first one");
            stop.cancelled().await;
        });
        let again = async {
            while begun.load(Ordering::Relaxed) < 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(RESTART_PAUSE_MIN * 20, again).await.unwrap();
        assert_eq!(tasks.state().restarts(), [("upkeep", 1)]);
        assert!(!stop.is_cancelled() && tasks.state().fault().is_none());
        stop.cancel();
        tasks.end().await;
    }

    #[tokio::test]
    async fn a_task_that_is_needed_and_ends_stops_the_ca_with_its_name() {
        for panics in [false, true] {
            let stop = CancellationToken::new();
            let mut tasks = Tasks::new(stop.clone());
            tasks.spawn_required("publisher", async move { assert!(!panics, "no more lists") });
            stop.cancelled().await;
            let how = if panics { "panicked (no more lists)" } else { "ended" };
            assert_eq!(tasks.state().fault(), Some(Fault { task: "publisher", how: how.to_owned() }));
            tasks.end().await;
        }
    }

    #[tokio::test]
    async fn a_task_that_ends_because_of_the_stop_is_no_fault() {
        let stop = CancellationToken::new();
        let mut tasks = Tasks::new(stop.clone());
        let token = stop.clone();
        tasks.spawn_required("public listener", async move { token.cancelled().await });
        tasks.spawn_required_to_the_end("metrics listener", std::future::pending());
        stop.cancel();
        let state = tasks.state();
        tasks.end().await;
        assert_eq!(state.fault(), None);
    }
}
