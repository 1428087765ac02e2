use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{fcntl_setpipe_size, pipe};

use super::*;

/// Lines into a pipe of 4 KiB, and its reading end.
fn piped() -> (Lines, File) {
    let (reader, writer) = pipe().unwrap();
    fcntl_setpipe_size(&writer, 4096).unwrap();
    (to(writer), reader.into())
}

fn to(sink: OwnedFd) -> Lines {
    Lines::to("test", sink, Some(Box::new(|lost| format!("{lost} lost\n").into_bytes())))
}

fn line(number: usize) -> String {
    format!("line {number:06} {}\n", "x".repeat(80))
}

fn read(mut reader: File) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

/// Closes the sink, so that the reader sees the end.
fn read_until(reader: &mut File, word: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains(word) {
        let count = reader.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "the end came before {word}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    text
}

#[test]
fn a_reader_that_reads_gets_every_line_in_order() {
    let (lines, mut reader) = piped();
    let reading = std::thread::spawn(move || read_until(&mut reader, "line 002999"));
    for number in 0..3_000 {
        lines.put(line(number).as_bytes());
    }
    assert!(lines.flush(Duration::from_secs(20)));
    let text = reading.join().unwrap();
    let expected: String = (0..3_000).map(line).collect();
    assert!(expected.starts_with(&text), "in order, and none between");
    assert_eq!(lines.lost(), 0);
}

#[test]
fn a_reader_that_stalls_holds_up_nobody_and_is_told_what_it_missed() {
    let (lines, mut reader) = piped();
    let began = Instant::now();
    for number in 0..100_000 {
        lines.put(line(number).as_bytes());
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let lost = lines.lost();
    assert!(lost > 80_000, "{lost}");
    assert!(!lines.flush(Duration::from_millis(50)), "it gives up");
    let again = Instant::now();
    assert!(!lines.flush(Duration::from_secs(5)) && again.elapsed() < Duration::from_secs(1), "at once");
    let text = read_until(&mut reader, " lost\n");
    assert!(text.ends_with(&format!("\n{lost} lost\n")), "said after the lines that were kept");
    assert_eq!(text.lines().count() as u64, 100_000 - lost + 1);
    lines.put(b"after\n");
    assert_eq!(read_until(&mut reader, "after\n"), "after\n", "said once");
}

#[test]
fn a_full_disk_costs_lines_and_nothing_else() {
    let lines = to(File::options().write(true).open("/dev/full").unwrap().into());
    for number in 0..100 {
        lines.put(line(number).as_bytes());
    }
    assert!(lines.flush(Duration::from_secs(20)), "nothing waits");
    assert_eq!(lines.lost(), 100);
}

#[test]
fn a_reader_that_is_gone_costs_lines_and_nothing_else() {
    let (lines, reader) = piped();
    drop(reader);
    lines.put(b"to nobody\n");
    assert!(lines.flush(Duration::from_secs(20)));
    assert_eq!(lines.lost(), 1);
}

#[test]
fn a_sink_that_does_not_wait_for_us_is_waited_for() {
    let (reader, writer) = pipe().unwrap();
    fcntl_setpipe_size(&writer, 4096).unwrap();
    fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
    let lines = to(writer);
    for number in 0..200 {
        lines.put(line(number).as_bytes());
    }
    let mut reader = File::from(reader);
    let text = read_until(&mut reader, "line 000199");
    assert_eq!(lines.lost(), 0);
    assert!(text.contains(&line(100)), "no line is torn");
}

#[test]
fn a_line_that_was_torn_ends_before_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let file = File::options().create(true).append(true).open(&path).unwrap();
    let shared = Arc::new(Shared::default());
    let writer = Writer { shared: Arc::clone(&shared), sink: file, notice: None, torn: true };
    let lines = Lines { shared };
    lines.put(b"whole\n");
    std::thread::spawn(move || writer.run());
    assert!(lines.flush(Duration::from_secs(20)));
    assert_eq!(read(File::open(path).unwrap()), "\nwhole\n");
}

#[test]
fn a_very_long_line_is_cut() {
    let (lines, mut reader) = piped();
    lines.put("x".repeat(1 << 20).as_bytes());
    let text = read_until(&mut reader, "bytes more)\n");
    assert!(text.len() < 17 * 1024);
}
