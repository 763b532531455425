//! All commands, including `bench` and pictures.

fn main() -> std::process::ExitCode {
    xtask::main()
}
