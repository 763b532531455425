//! `cargo xtask validate`: checks the plugin in every available host.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::bundle::{self, Bundles};
use crate::{test, workspace};

/// Check the plugin in the project's own hosts and in the public validators on the PATH
#[derive(clap::Args)]
pub struct Args {}

/// Shortens the model's windows (docs/validation.md): the validators process less audio than the
/// plugin's full latency.
const SHORT_WINDOWS: (&str, &str) = ("LUTHIER_WINDOW_FRAMES", "16");

/// Builds the bundles and checks them in every host, also after a failure.
pub fn run(_: &Args) -> Result<ExitCode> {
    let bundles = bundle::make()?;
    println!("== the project's own hosts");
    let mut own = workspace::cargo();
    own.args(["test", "--release", "--workspace", "--test", "plugin", "--", "--show-output"]);
    let mut passed = test::passes(&mut own)?;
    for mut validator in public(&bundles) {
        let name = validator.get_program().to_string_lossy().into_owned();
        if !is_on_path(&name) {
            println!("skipped: {name}: not on the PATH");
            continue;
        }
        println!("== {}", workspace::shown(&validator));
        validator.env(SHORT_WINDOWS.0, SHORT_WINDOWS.1);
        let ok = workspace::succeeds(&mut validator)?;
        println!("== {name}: {}", if ok { "ok" } else { "failed" });
        passed &= ok;
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Command lines of the public validators: clap-validator, Steinberg's and Tracktion's.
fn public(bundles: &Bundles) -> [Command; 3] {
    let mut clap = Command::new("clap-validator");
    clap.arg("validate").arg(&bundles.clap);
    let mut steinberg = Command::new("validator");
    steinberg.arg("-e").arg(&bundles.vst3);
    let mut pluginval = Command::new("pluginval");
    pluginval.args(["--strictness-level", "10", "--validate-in-process"]);
    if std::env::var_os("DISPLAY").is_none() && cfg!(target_os = "linux") {
        pluginval.arg("--skip-gui-tests");
    }
    pluginval.arg("--validate").arg(&bundles.vst3);
    [clap, steinberg, pluginval]
}

fn is_on_path(program: &str) -> bool {
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(&file).is_file())
}
