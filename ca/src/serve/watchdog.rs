//! Reports to the service manager that the CA is ready, and that the store still commits (ADR 0047).

use std::sync::Arc;

use store::Store;
use supervisor::ServiceManager;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// Reports that the CA is ready and, until `stop`, that it is alive, whenever the store's committer answers.
/// If it does not answer, the watchdog of the service manager restarts the process.
///
/// A full disk or a wrong clock does not count: a restart mends neither.
pub(super) async fn report(manager: ServiceManager, store: Arc<dyn Store>, stop: CancellationToken) {
    manager.ready();
    if let Some(every) = manager.watchdog_interval() {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent = false;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => break,
            }
            // An empty commit goes through the queue and the thread that writes, and writes nothing.
            let answer = tokio::select! {
                answer = timeout(every, store.commit(Vec::new())) => answer,
                () = stop.cancelled() => break,
            };
            match answer {
                Ok(Ok(_)) => {
                    manager.alive();
                    if std::mem::take(&mut silent) {
                        info!("the store commits again; the service manager is told so");
                    }
                }
                _ if silent => {}
                Ok(Err(cause)) => {
                    error!(
                        "the store does not commit: {cause}; the watchdog of the service manager will restart the CA"
                    );
                    silent = true;
                }
                Err(_) => {
                    error!(
                        "the store has not committed for {every:?}; if that lasts, the watchdog of the service manager restarts the CA"
                    );
                    silent = true;
                }
            }
        }
    }
    stop.cancelled().await;
    manager.stopping();
}
