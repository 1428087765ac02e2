//! A station sends anything to a new device: payloads of frames, separated by 0xff.
#![no_main]

use std::sync::Arc;

use agent::factory::Dialogue;
use agent::state::{State, Storage};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let home = tempfile::tempdir().expect("a temporary directory");
    let state = State::open_or_create(home.path(), Storage::default()).expect("a new device");
    let mut dialogue = Dialogue::new(state, Arc::new(identity::SystemClock));
    for payload in bytes.split(|byte| *byte == 0xff) {
        let answer = dialogue.answer(payload);
        assert!(provisioner::is_device_message(&answer), "a station understands every answer");
    }
});
