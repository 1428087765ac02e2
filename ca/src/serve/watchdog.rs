//! What the service manager hears of the CA: that it is ready, and then, again and again, that its store still commits.

use std::sync::Arc;

use store::Store;
use supervisor::ServiceManager;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// Says that the CA is ready and, until `stop`, that it is alive: only when the store's committer answers. Whoever cannot record anything is
/// not alive, even if connections are accepted: then the watchdog of the service manager ends the process and starts another.
///
/// That the CA is not ready for another reason (a full disk, a clock that is wrong) does not count: a restart mends neither.
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
            // No commands: it goes the way of every commit, through the queue and the one thread that writes, and writes nothing.
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
