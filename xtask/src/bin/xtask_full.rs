//! The commands with `bench` and pictures.

fn main() -> std::process::ExitCode {
    xtask::main()
}
