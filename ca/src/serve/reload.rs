//! SIGHUP: reads the server's credentials and the blocked keys again, without losing a call.

use std::path::PathBuf;
use std::sync::Arc;

use authority::Authority;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::blocked_keys::BlockedKeysList;
use super::server::Server;
use crate::http::metrics::Expiries;

/// Reads both whenever it is asked to.
pub(super) struct Reload {
    pub(super) asked: Arc<Notify>,
    pub(super) server: Arc<Server>,
    pub(super) authority: Arc<Authority>,
    pub(super) expiries: Arc<Expiries>,
    pub(super) blocked_keys: Arc<BlockedKeysList>,
    pub(super) blocked_keys_file: Option<PathBuf>,
    pub(super) stop: CancellationToken,
}

impl Reload {
    /// Runs until `stop`.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.asked.notified() => {}
                () = self.stop.cancelled() => return,
            }
            self.server.reload(self.authority.store().as_ref(), &self.expiries).await;
            self.authority.serves_until(self.server.certificate().validity().not_after());
            let Some(file) = self.blocked_keys_file.clone() else { continue };
            let list = Arc::clone(&self.blocked_keys);
            // Reading a million entries takes a while.
            if let Err(why) = tokio::task::spawn_blocking(move || list.load(&file)).await {
                error!(%why, "the list of blocked keys could not be read again");
            }
            info!("read again what is read at SIGHUP; a change of the configuration file needs a restart");
        }
    }
}
