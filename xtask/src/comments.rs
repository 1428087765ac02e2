//! Checks that comments in Rust and `.proto` files are no wider than code.

use anyhow::{Result, bail};

use crate::shell::root;
use crate::texts;

/// Fails with every comment line that is too long.
pub(crate) fn check() -> Result<()> {
    let mut wrong = Vec::new();
    texts::each(root(), &mut |path, text| wrong.extend(too_long(path, text)))?;
    if !wrong.is_empty() {
        bail!("comment lines have at most {COLUMNS_MAX} columns:\n    {}", wrong.join("\n    "));
    }
    Ok(())
}

/// `PATH:LINE` of every comment line that is too long.
fn too_long(path: &str, text: &str) -> Vec<String> {
    let is_checked = [".rs", ".proto"].iter().any(|ending| path.ends_with(ending));
    if !is_checked || path.contains("/generated/") {
        return Vec::new();
    }
    let lines = text.lines().enumerate();
    let long =
        lines.filter(|(_, line)| line.trim_start().starts_with("//") && line.chars().count() > COLUMNS_MAX);
    long.map(|(index, _)| format!("{path}:{}", index + 1)).collect()
}

/// As `max_width` in rustfmt.toml.
const COLUMNS_MAX: usize = 110;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_of_111_columns_is_told_with_its_line() {
        let text = |columns: usize| format!("fn f() {{}}\n    /// {}\n", "ü".repeat(columns - 8));
        assert_eq!(too_long("link/src/lib.rs", &text(111)), ["link/src/lib.rs:2"]);
        assert_eq!(too_long("proto/t.proto", &text(111)), ["proto/t.proto:2"]);
        assert_eq!(too_long("link/src/lib.rs", &text(110)), [""; 0]);
    }

    #[test]
    fn code_other_files_and_generated_code_are_not_measured() {
        let long = format!("// {}", "x".repeat(200));
        for path in ["README.md", "proto/src/generated/touchmark.v1.rs"] {
            assert_eq!(too_long(path, &long), [""; 0]);
        }
        assert_eq!(too_long("link/src/lib.rs", &long.replacen("//", "let", 1)), [""; 0]);
    }

    #[test]
    fn every_comment_of_this_repository_is_short_enough() {
        check().unwrap();
    }
}
