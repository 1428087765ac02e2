//! The group whose members may read the key in use: applications that run as users of their own.

use std::fmt;
use std::str::FromStr;

use nix::errno::Errno;
use nix::unistd::Group;
use serde::{Deserialize, Serialize};

/// The name of a group. On the command line the group must exist; from the state file it need not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyGroup(String);

impl KeyGroup {
    /// The group's number, as the system has it now.
    pub fn number(&self) -> Result<u32, KeyGroupError> {
        match Group::from_name(&self.0) {
            Ok(Some(group)) => Ok(group.gid.as_raw()),
            Ok(None) => Err(KeyGroupError::Unknown(self.0.clone())),
            Err(source) => Err(KeyGroupError::NotLookedUp(self.0.clone(), source)),
        }
    }
}

impl FromStr for KeyGroup {
    type Err = KeyGroupError;

    fn from_str(name: &str) -> Result<Self, KeyGroupError> {
        let group = Self(name.to_owned());
        group.number()?;
        Ok(group)
    }
}

impl fmt::Display for KeyGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a command says about who may read the key in use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum KeyReaders {
    /// Nothing: it stays as it was said before.
    #[default]
    AsBefore,
    /// The owner alone.
    Nobody,
    /// The owner and this group.
    Group(KeyGroup),
}

/// Why a group cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyGroupError {
    /// There is no group of this name.
    #[error("there is no group {0:?} on this system; make it with groupadd, or name another")]
    Unknown(String),
    /// The system cannot say.
    #[error("the group {0:?} cannot be looked up: {1}")]
    NotLookedUp(String, Errno),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_one_that_the_system_knows() {
        assert_eq!("root".parse::<KeyGroup>().unwrap().number(), Ok(0));
        for wrong in ["", "no-such-group-here", "a b", "root:"] {
            assert!(matches!(wrong.parse::<KeyGroup>(), Err(KeyGroupError::Unknown { .. })), "{wrong:?}");
        }
    }
}
