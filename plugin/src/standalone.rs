//! The plugin without a host. It processes audio from the system's input to its output, through
//! JACK or the system's audio interface.

use std::process::ExitCode;

use nice_plug::prelude::nice_export_standalone;

fn main() -> ExitCode {
    if nice_export_standalone::<plugin::Luthier>() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
