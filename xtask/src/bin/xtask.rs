//! `cargo xtask`: the commands that need only the engine. It builds faster than `xtask_full`.

fn main() -> std::process::ExitCode {
    xtask::main()
}
