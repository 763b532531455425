//! One front door: `cargo xtask <command>`.

fn main() {}
