//! Signals of the system: stop, and stop now.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The first SIGTERM or SIGINT cancels `stop`, the second `cut`.
pub(super) async fn watch(stop: CancellationToken, cut: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        warn!("signals cannot be received; only SIGKILL will stop the CA");
        return;
    };
    let name = either(&mut terminate, &mut interrupt).await;
    info!(signal = name, "stopping: answering what was begun");
    stop.cancel();
    let name = either(&mut terminate, &mut interrupt).await;
    warn!(signal = name, "stopping at once");
    cut.cancel();
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
