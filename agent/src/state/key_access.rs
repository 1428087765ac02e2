//! Who may read the key files: their owner, and for the key in use one group if it was asked for. A mode that
//! was changed from outside is set right, and logged, whenever the state is opened.

use std::io;

use files::{Access, OWNER_ONLY, Readers};
use tracing::{info, warn};

use crate::key::KeyReaders;

use super::{CredentialLocation, Slot, State, StateError};

impl State {
    /// Records who may read the key in use, and sets the modes of the key files.
    pub fn set_key_readers(&mut self, readers: &KeyReaders) -> Result<(), StateError> {
        let group = match readers {
            KeyReaders::AsBefore => return Ok(()),
            KeyReaders::Nobody => None,
            KeyReaders::Group(group) => Some(group.clone()),
        };
        if self.record().key_group != group {
            self.update(|record| record.key_group = group)?;
        }
        self.settle_keys()
    }

    /// Sets the mode and the group of every key file right.
    pub(super) fn settle_keys(&self) -> Result<(), StateError> {
        // Where `current` leads nowhere, no key is in use.
        let current = self.view.current().ok().flatten();
        self.settle_key(CredentialLocation::Birth, false)?;
        for slot in [Slot::A, Slot::B] {
            self.settle_key(CredentialLocation::Slot(slot), current == Some(slot))?;
        }
        Ok(())
    }

    /// Sets the mode and the group of a location's key file right: 0640 with the group that was asked for
    /// when it is the key in use, else 0600.
    pub(super) fn settle_key(&self, location: CredentialLocation, in_use: bool) -> Result<(), StateError> {
        let Some(path) = self.view.keys.private_file(&self.view.path(location)) else { return Ok(()) };
        let access = match path.symlink_metadata() {
            Ok(metadata) if metadata.is_file() => Access::of(&metadata),
            // Whoever needs the key reports what is wrong with it.
            _ => return Ok(()),
        };
        let group = self.record().key_group.as_ref().filter(|_| in_use);
        let number = group.map(|group| group.number().map_err(StateError::KeyGroup)).transpose()?;
        let wanted = if group.is_some() { GROUP_READS } else { OWNER_ONLY };
        if access.mode == wanted && number.is_none_or(|number| number == access.group) {
            return Ok(());
        }
        if number.is_none() && access.mode & 0o077 == 0 && access.mode & 0o400 != 0 {
            // Stricter than wanted: 0400.
            return Ok(());
        }
        let set = self.disk.set_access(&path, number, wanted).and_then(|()| self.disk.sync_file(&path));
        set.map_err(|source: io::Error| StateError::KeyAccess {
            path: path.clone(),
            mode: access.mode,
            wanted,
            group: group.map(ToString::to_string),
            source,
        })?;
        let (path, mode) = (path.display(), access.mode);
        if !access.is_private_but_for(number.map_or(Readers::Nobody, Readers::Group)) {
            warn!(
                "{path} had mode {mode:04o}, group {}: others than the agent could use the key; its mode is {wanted:04o} now. To let the \
                 applications of one group read the key in use, run the agent with --key-group GROUP. If somebody else may have read \
                 the key, revoke its certificate",
                access.group
            );
        } else if let Some(group) = group {
            info!("{path} can be read by the group {group} now");
        }
        Ok(())
    }
}

/// The mode of the key in use, where a group may read it.
const GROUP_READS: u32 = 0o640;
