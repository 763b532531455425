//! Has the loader keep the plugin's library in memory once it was loaded.
//!
//! A thread of the host that has called the plugin runs destructors of ours (thread-local values)
//! when it ends, which may be after the host has unloaded the plugin: they must still be there.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
