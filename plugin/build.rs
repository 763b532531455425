//! Links the plugin so that the loader never unmaps it.
//!
//! A host's thread that has called the plugin runs destructors of the plugin's thread-local values
//! when it ends. This can be after the host has unloaded the plugin. See
//! `docs/decisions/016-library-stays-loaded.md`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
