//! SIGHUP: reads the server's credentials and the blocked keys again, without losing a call.

use std::path::PathBuf;
use std::sync::Arc;

use authority::Authority;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::blocked_keys::BlockedKeysList;
use super::server::Server;

pub(super) struct Reload {
    pub(super) asked: Arc<Notify>,
    pub(super) server: Arc<Server>,
    pub(super) authority: Arc<Authority>,
    pub(super) blocked_keys: Arc<BlockedKeysList>,
    pub(super) blocked_keys_file: Option<PathBuf>,
}

impl Reload {
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = self.asked.notified() => {}
                () = stop.cancelled() => return,
            }
            self.server.reload(self.authority.store().as_ref()).await;
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
