//! The manual of `ca.toml`, from the doc comments of its fields.

/// All tables and fields with their meaning, as text.
pub fn manual() -> String {
    let mut manual = String::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in include_str!("document.rs").lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            comment.push(text.trim());
        } else if line.starts_with("pub enum") {
            return manual;
        } else if line.starts_with("pub struct") {
            if comment.first().is_some_and(|first| first.starts_with("`[")) {
                manual += &format!("{}\n\n", comment.join(" ").replace('`', ""));
            }
            comment.clear();
        } else if let Some((name, _)) =
            line.strip_prefix("pub ").and_then(|field| field.split_once(": Option<"))
        {
            manual += &format!("  {}\n", name.replace('_', "-"));
            manual += &wrapped(&comment.join(" ").replace('`', ""));
            comment.clear();
        } else if line.starts_with("pub ") {
            comment.clear();
        }
    }
    manual
}

fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.len() + 1 + word.len() > COLUMNS {
            lines += &format!("      {line}\n");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    lines + &format!("      {line}\n\n")
}

/// Leaves room for the indentation on a terminal of 80 columns.
const COLUMNS: usize = 72;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_in_the_manual() {
        let manual = manual();
        for field in
            ["organization", "metrics-listen", "passphrase-file", "lifetime-days", "shutdown-seconds"]
        {
            assert!(manual.contains(&format!("  {field}\n      ")), "{field}\n{manual}");
        }
        for table in
            ["[log]", "[store]", "[issuers]", "[server]", "[profiles]", "[profiles.ldevid]", "[limits]"]
        {
            assert!(manual.contains(table), "{table}\n{manual}");
        }
        assert!(!manual.contains("\n  store\n"), "{manual}");
    }
}
