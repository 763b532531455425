//! Any bytes are audio or are refused in one sentence.
#![no_main]

use std::io::Cursor;

use engine::audio_file::{Reader, SAMPLE_RATES_HZ};
use libfuzzer_sys::fuzz_target;

/// Decoded frames that are checked. A few bytes of some formats stand for minutes of silence.
const FRAMES_MAX: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    match Reader::from_source("input", Cursor::new(bytes.to_vec())) {
        Ok(reader) => read(reader),
        Err(error) => assert_sentence(&error.to_string()),
    }
});

fn read(mut reader: Reader) {
    assert!(SAMPLE_RATES_HZ.contains(&reader.sample_rate_hz()));
    let channels = reader.channels();
    assert!((1..=2).contains(&channels));
    let mut frames = 0;
    while frames < FRAMES_MAX {
        match reader.read() {
            Ok(Some(block)) => {
                assert!(block.len() == channels && block.iter().all(|c| c.len() == block[0].len()));
                assert!(!block[0].is_empty());
                assert!(block.iter().flatten().all(|sample| sample.is_finite()));
                frames += block[0].len() as u64;
            }
            Ok(None) => {
                let missing = reader.declared_frames().is_some_and(|declared| declared > frames);
                assert!(!missing || !reader.warnings().is_empty(), "a loss without a warning");
                return;
            }
            Err(error) => return assert_sentence(&error.to_string()),
        }
    }
}

fn assert_sentence(text: &str) {
    assert!(text.starts_with("input: ") && !text.contains('\n'), "{text}");
}
