//! Files that only their owner may read, or one further reader that is named.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

/// The mode of a private file.
pub const OWNER_ONLY: u32 = 0o600;

/// Who besides its owner may read a private file. Nobody else may ever write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Nobody.
    Nobody,
    /// The group with this number (mode 0640).
    Group(u32),
    /// This process, when the file is root's and root showed it to us, by the file's group or by an access
    /// control list, whose mask shows as the group's bits: systemd leaves the files of LoadCredential= so
    /// (systemd.exec(5)).
    GivenByRoot,
}

/// Who can use a file, by its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The permission bits, with set-user-ID, set-group-ID and sticky bit.
    pub mode: u32,
    /// The number of its group.
    pub group: u32,
    /// The number of its owner.
    pub owner: u32,
}

impl Access {
    /// What the system says of a file.
    pub fn of(metadata: &Metadata) -> Self {
        Self { mode: metadata.mode() & 0o7777, group: metadata.gid(), owner: metadata.uid() }
    }

    /// Whether nobody but the owner and `readers` can do anything with the file.
    pub fn is_private_but_for(self, readers: Readers) -> bool {
        let may_group_read = match readers {
            Readers::Nobody => false,
            Readers::Group(group) => group == self.group,
            // Root reads everything anyway.
            Readers::GivenByRoot => self.owner == 0 && !rustix::process::geteuid().is_root(),
        };
        self.mode & 0o077 == 0 || may_group_read && self.mode & 0o037 == 0
    }
}

/// Reads a private file of at most `bytes_max` bytes, once its mode was checked.
///
/// # Errors
/// When it cannot be read, when others than its owner and `readers` can use it, when it is no regular file or
/// too long.
pub fn read_private(
    path: &Path,
    bytes_max: usize,
    readers: Readers,
) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let access = Access::of(&metadata);
    if !access.is_private_but_for(readers) {
        return Err(PrivateFileError::Exposed { mode: access.mode });
    }
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    if !metadata.is_file() || metadata.len() > limit {
        return Err(PrivateFileError::Unexpected);
    }
    // One allocation of the final size: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max));
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Why a private file is not used.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// It cannot be read.
    #[error("the file cannot be read")]
    Read(#[from] io::Error),
    /// Others can use it.
    #[error("the file can be used by group or others (mode {mode:04o})")]
    Exposed {
        /// Its permission bits.
        mode: u32,
    },
    /// It is no regular file, or longer than expected.
    #[error("it is not a regular file, or too long")]
    Unexpected,
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, "12345").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn a_file_of_its_owner_is_read_up_to_the_limit() {
        let (_directory, path) = file(0o600);
        assert_eq!(**read_private(&path, 5, Readers::Nobody).unwrap(), *b"12345");
        let refused = read_private(&path, 4, Readers::Nobody).unwrap_err();
        assert!(matches!(refused, PrivateFileError::Unexpected));
    }

    #[test]
    fn a_file_that_others_can_use_is_refused() {
        for mode in [0o640, 0o604, 0o660, 0o644, 0o610] {
            let (_directory, path) = file(mode);
            let refused = read_private(&path, 5, Readers::Nobody).unwrap_err();
            assert!(matches!(refused, PrivateFileError::Exposed { mode: m } if m == mode), "{mode:o}");
        }
    }

    #[test]
    fn a_group_that_is_named_may_read_and_do_no_more() {
        let (_directory, path) = file(0o640);
        let group = path.metadata().unwrap().gid();
        read_private(&path, 5, Readers::Group(group)).unwrap();
        read_private(&path, 5, Readers::Group(group + 1)).unwrap_err();
        for mode in [0o644, 0o660, 0o650, 0o641] {
            let (_directory, path) = file(mode);
            read_private(&path, 5, Readers::Group(group)).unwrap_err();
        }
    }

    #[test]
    fn a_file_that_root_shows_to_root_alone_is_not_shared_further() {
        let of_root = |mode| Access { mode, group: 0, owner: 0 };
        let we_are_root = rustix::process::geteuid().is_root();
        assert_eq!(of_root(0o440).is_private_but_for(Readers::GivenByRoot), !we_are_root);
        assert!(!of_root(0o444).is_private_but_for(Readers::GivenByRoot));
        let of_another = Access { mode: 0o440, group: 0, owner: 1 };
        assert!(!of_another.is_private_but_for(Readers::GivenByRoot));
    }
}
