//! `cargo xtask inspect`: prints the description in a model file.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use engine::checkpoint::Checkpoint;
use serde_json::{Value, json};

use crate::model;

/// Show a model's config, sizes, latent statistics, provenance and metrics
#[derive(clap::Args)]
pub struct Args {
    /// Model file [default: the shipped model]
    model: Option<PathBuf>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// Prints the model's description.
pub fn run(args: &Args) -> Result<ExitCode> {
    let path = model::path(args.model.as_deref());
    let checkpoint = model::read(&path)?;
    let description = describe(&checkpoint);
    let text = match args.json {
        true => serde_json::to_string_pretty(&description)? + "\n",
        false => format!("{}\n{}", path.display(), text(&checkpoint, &description)?),
    };
    // A reader that needs only the first lines closes the pipe early. That is not an error.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn describe(checkpoint: &Checkpoint) -> Value {
    let parts = checkpoint.parts();
    let total: usize = parts.iter().map(|(_, count)| count).sum();
    let parts: std::collections::BTreeMap<_, _> = parts.into_iter().collect();
    json!({
        "sha256": checkpoint.sha256,
        "config": checkpoint.config,
        "parameters": { "parts": parts, "total": total },
        "latent": { "mean": checkpoint.latent.mean, "std": checkpoint.latent.std },
        "provenance": checkpoint.provenance,
        "metrics": checkpoint.metrics,
    })
}

fn text(checkpoint: &Checkpoint, description: &Value) -> Result<String> {
    let mut text = format!("sha256 {}\n\n{:<24}{:>14}\n", checkpoint.sha256, "part", "parameters");
    let parts = checkpoint.parts();
    for (part, count) in &parts {
        writeln!(text, "{part:<24}{count:>14}")?;
    }
    writeln!(text, "{:<24}{:>14}\n", "total", parts.iter().map(|(_, count)| count).sum::<usize>())?;
    let latent = &checkpoint.latent;
    if !latent.mean.is_empty() {
        writeln!(text, "latent, {} channels", latent.mean.len())?;
        writeln!(text, "  mean  {}\n  std   {}\n", range(&latent.mean), range(&latent.std))?;
    }
    for section in ["config", "provenance", "metrics"] {
        writeln!(
            text,
            "{section}\n{}\n",
            indent(&serde_json::to_string_pretty(&description[section])?)
        )?;
    }
    Ok(text)
}

fn range(values: &[f32]) -> String {
    let low = values.iter().copied().fold(f32::INFINITY, f32::min);
    let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    format!("{low:.4} to {high:.4}")
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
