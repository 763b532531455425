//! Any bytes are a style or are refused with the file's name. An accepted style is written and read
//! without a change.
#![no_main]

use std::cell::LazyCell;
use std::fs;

use engine::style::file;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

thread_local! {
    static FOLDER: LazyCell<TempDir> = LazyCell::new(|| tempfile::tempdir().expect("a folder"));
}

fuzz_target!(|bytes: &[u8]| FOLDER.with(|folder| {
    let (path, again) = (folder.path().join("a.luthier"), folder.path().join("b.luthier"));
    fs::write(&path, bytes).expect("written");
    match file::read(&path) {
        Ok(style) => {
            file::write(&style, &again).expect("written");
            let read = file::read(&again).expect("its own file");
            assert_eq!((read.tokens, read.mels), (style.tokens, style.mels));
        }
        Err(error) => assert!(error.to_string().contains("a.luthier"), "{error}"),
    }
}));
