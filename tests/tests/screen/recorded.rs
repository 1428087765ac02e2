//! Pictures of screens that were looked at, with what differs from run to run masked.

use std::path::Path;

/// Compares what is to be seen with the recorded picture; with SNAPSHOTS=overwrite it becomes that picture.
pub(crate) fn is_as_recorded(name: &str, picture: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/screen/pictures/{name}.txt"));
    let picture = masked(picture) + "\n";
    if std::env::var("SNAPSHOTS").is_ok_and(|value| value == "overwrite") {
        std::fs::write(&path, &picture).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        recorded == picture,
        "{} differs; to be seen is:\n{picture}\nrecorded is:\n{recorded}",
        path.display()
    );
}

/// The number before a unit of time becomes `#`; a frame behind it is made longer instead.
fn masked(picture: &str) -> String {
    let mut lines = Vec::new();
    for line in picture.lines() {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for index in 1..words.len() {
            let is_time = ["s", "min", "h"].contains(&words[index].as_str())
                && words[index - 1].starts_with(|c: char| c.is_ascii_digit());
            if !is_time {
                continue;
            }
            let surplus = words[index - 1].len() - 1;
            words[index - 1] = "#".to_owned();
            let frame = words.get(index + 1).and_then(|word| word.chars().next());
            if let Some(frame @ ('─' | '━')) = frame {
                words[index + 1].insert_str(0, &String::from(frame).repeat(surplus));
            }
        }
        lines.push(words.join(" "));
    }
    lines.join("\n")
}
