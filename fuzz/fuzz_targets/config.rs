#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = std::env::temp_dir().join(format!("touchmark-fuzz-{}.toml", std::process::id()));
    std::fs::write(&file, bytes).expect("a temporary file");
    drop(ca::config::Settings::read(&file, std::iter::empty()));
    std::fs::remove_file(&file).expect("it was there");
});
