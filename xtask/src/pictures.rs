//! Draws the pictures of the documents: `docs/pictures/*.dot` by graphviz, `docs/pictures/*.txt` as a
//! terminal's screen. Each picture contains the checksum of its text, so that a check finds outdated pictures
//! without drawing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{root, say};

/// Draws every picture, or with `check` fails if one is outdated.
pub(crate) fn run(check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for source in sources()? {
        let text = fs::read_to_string(&source).with_context(|| source.display().to_string())?;
        let mark = format!("<!-- drawn from text with checksum {:016x} -->", checksum(&text));
        let picture = source.with_extension("svg");
        if check {
            let drawn = fs::read_to_string(&picture).unwrap_or_default();
            if !drawn.contains(&mark) {
                stale.push(picture.display().to_string());
            }
            continue;
        }
        let drawn =
            if source.extension().is_some_and(|it| it == "dot") { graph(&source)? } else { screen(&text) };
        fs::write(&picture, format!("{}\n{mark}\n", drawn.trim_end()))?;
        say(&format!("    drew {}", picture.display()));
    }
    if !stale.is_empty() {
        bail!("{} are older than their text: run `cargo xtask pictures`", stale.join(", "));
    }
    Ok(())
}

fn sources() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("docs/pictures"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "dot" || it == "txt") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn graph(source: &Path) -> Result<String> {
    let output = Command::new("dot")
        .arg("-Tsvg")
        .arg(source)
        .output()
        .context("cannot run dot: install graphviz, for example: sudo apt-get install graphviz")?;
    if !output.status.success() {
        bail!("dot: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Draws the lines as on a terminal; `$ ` begins a line that was typed.
fn screen(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let columns = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let (width, height) =
        (columns * CHARACTER_TENTHS / 10 + 2 * MARGIN, lines.len() * LINE + 2 * MARGIN + BAR);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#1d2430\"/>\n\
         <circle cx=\"20\" cy=\"16\" r=\"5\" fill=\"#e06c5b\"/><circle cx=\"38\" cy=\"16\" r=\"5\" fill=\"#e0b75b\"/>\
         <circle cx=\"56\" cy=\"16\" r=\"5\" fill=\"#7bc275\"/>\n\
         <g font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"13\" fill=\"#d7dde6\" xml:space=\"preserve\">\n"
    );
    for (index, line) in lines.iter().enumerate() {
        let y = BAR + MARGIN + index * LINE + LINE / 2;
        let colour = if line.starts_with("$ ") { " fill=\"#8fc7ff\"" } else { "" };
        svg += &format!("<text x=\"{MARGIN}\" y=\"{y}\"{colour}>{}</text>\n", escaped(line));
    }
    svg + "</g>\n</svg>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// FNV-1a, 64 bits: detects changes, not forgery.
fn checksum(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Pixels: margin, line height, height of the title bar.
const MARGIN: usize = 16;
const LINE: usize = 18;
const BAR: usize = 24;

/// Width of a character, in tenths of a pixel.
const CHARACTER_TENTHS: usize = 79;
