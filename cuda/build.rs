//! How the library is loaded.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        // Stays, as the plugin does (plugin/build.rs).
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        // A driver that lacks a function is told when the library is opened; it would end the
        // process when it is called.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,now");
        // CUDA's own libraries may lie beside it.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-rpath,$ORIGIN");
    }
}
