//! `cargo xtask`: the commands that need the engine alone, so that the first one is built soon.

fn main() -> std::process::ExitCode {
    xtask::main()
}
