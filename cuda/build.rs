//! Linker options that control how the library is loaded.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        // Never unloaded, as the plugin (plugin/build.rs).
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        // Reports a function that the driver lacks when the library is opened. Lazy binding would
        // end the
        // process at the first call.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,now");
        // Finds CUDA's libraries in the library's own folder.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-rpath,$ORIGIN");
    }
}
