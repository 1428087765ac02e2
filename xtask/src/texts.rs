//! Walks the text files of the repository.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Calls `visit` with the path from `root` and the text of every file, in order. Skips hidden files, build
/// output and files that are not UTF-8.
pub(crate) fn each(root: &Path, visit: &mut dyn FnMut(&str, &str)) -> Result<()> {
    each_below(root, root, visit)
}

fn each_below(root: &Path, directory: &Path, visit: &mut dyn FnMut(&str, &str)) -> Result<()> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        paths.push(entry?.path());
    }
    paths.sort();
    for path in paths {
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if name.starts_with('.') || name == "target" || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            each_below(root, &path, visit)?;
        } else if let Ok(text) = fs::read_to_string(&path) {
            visit(&path.strip_prefix(root).unwrap_or(&path).to_string_lossy(), &text);
        }
    }
    Ok(())
}
