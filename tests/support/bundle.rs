//! Path of the plugin that this test run has built.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

/// The plugin's library, which cargo writes next to the test programs.
pub fn library() -> PathBuf {
    let programs = std::env::current_exe().expect("this program's path");
    let folder = programs.parent().expect("a folder");
    let name = format!("{}plugin{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = folder.join(name);
    assert!(
        library.is_file(),
        "{}: expected the plugin; build with `--workspace`",
        library.display()
    );
    library
}

/// A `.vst3` bundle of the library in the layout for Linux hosts.
pub fn vst3() -> &'static Path {
    static BUNDLE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, bundle) = BUNDLE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let bundle = folder.path().join("Luthier.vst3");
        let binaries = bundle.join("Contents").join(format!("{}-linux", std::env::consts::ARCH));
        std::fs::create_dir_all(&binaries).expect("created");
        std::fs::copy(library(), binaries.join("Luthier.so")).expect("copied");
        (folder, bundle)
    });
    bundle
}
