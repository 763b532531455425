//! The plugin without a host: between an input and an output of the system, by JACK or the system's
//! own audio.

use std::process::ExitCode;

use nice_plug::prelude::nice_export_standalone;

fn main() -> ExitCode {
    if nice_export_standalone::<plugin::Luthier>() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
