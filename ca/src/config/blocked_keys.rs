//! Reads and checks the file of blocked keys.

use std::io;
use std::path::{Path, PathBuf};

use issuance::{BlockedKeys, ListMistake};

/// Reads the file at `path`.
pub fn read_blocked_keys(path: &Path) -> Result<BlockedKeys, BlockedKeysError> {
    let failed = |source| BlockedKeysError::Read { path: path.to_owned(), source };
    let bytes = files::read_limited(path, BLOCKED_KEYS_BYTES_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => BlockedKeysError::TooLarge { path: path.to_owned() },
        _ => failed(error),
    })?;
    let list = String::from_utf8(bytes)
        .map_err(|_| failed(io::Error::new(io::ErrorKind::InvalidData, "not text")))?;
    if !list.is_empty() && !list.ends_with('\n') {
        return Err(BlockedKeysError::CutOff { path: path.to_owned() });
    }
    BlockedKeys::with_list(&list)
        .map_err(|mistakes| BlockedKeysError::Mistakes { path: path.to_owned(), mistakes })
}

/// Why the file cannot be used: the operator must act.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum BlockedKeysError {
    #[error("{} cannot be read; it may be empty, but must be there", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} has more than {} MiB; write the first 30 digits of each entry only, or fewer entries", path.display(), BLOCKED_KEYS_BYTES_MAX >> 20)]
    TooLarge { path: PathBuf },
    #[error("{} ends within a line; is it complete?", path.display())]
    CutOff { path: PathBuf },
    #[error("{} has {} lines that are no entries; line {}: {}", path.display(), mistakes.len(), first(mistakes).line, first(mistakes).what)]
    Mistakes { path: PathBuf, mistakes: Vec<ListMistake> },
}

fn first(mistakes: &[ListMistake]) -> ListMistake {
    mistakes.first().copied().unwrap_or(ListMistake { line: 0, what: "none" })
}

/// About a million entries, 33 MB in memory; one key size of Debian's weak keys has 294,912.
const BLOCKED_KEYS_BYTES_MAX: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(bytes: &[u8]) -> Result<usize, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blocked-keys.txt");
        fs::write(&path, bytes).unwrap();
        read_blocked_keys(&path).map(|keys| keys.listed()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_may_be_empty_but_must_be_there() {
        assert_eq!(read(b""), Ok(0));
        assert_eq!(read(b"# nothing yet\n"), Ok(0));
        let missing = read_blocked_keys(Path::new("/nowhere/blocked-keys.txt")).unwrap_err();
        assert!(missing.to_string().contains("cannot be read"), "{missing}");
    }

    #[test]
    fn what_is_not_a_whole_list_is_refused() {
        let entry = "ab".repeat(32);
        assert_eq!(read(format!("{entry}\n").as_bytes()), Ok(1));
        assert!(read(entry.as_bytes()).unwrap_err().contains("ends within a line"));
        assert!(read(b"\xff\xfe\n").unwrap_err().contains("cannot be read"));
        let told = read(format!("{entry}\nwrong\nalso wrong\n").as_bytes()).unwrap_err();
        assert!(told.contains("has 2 lines that are no entries; line 2: "), "{told}");
    }

    #[test]
    fn a_list_over_the_limit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blocked-keys.txt");
        fs::File::create(&path).unwrap().set_len(BLOCKED_KEYS_BYTES_MAX as u64 + 1).unwrap();
        let refused = read_blocked_keys(&path).unwrap_err();
        assert!(refused.to_string().contains("more than 64 MiB"), "{refused}");
    }
}
