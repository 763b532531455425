//! Time and memory of a transfer by the length of the file.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use engine::audio_file::{Audio, SampleFormat, Writer};

/// Interval between two measurements of the program's memory.
const POLL: Duration = Duration::from_millis(20);
/// Samples per written block.
const BLOCK: usize = 1 << 16;

/// Measures `cargo xtask transfer` for each length, in its own process. The input repeats the clip.
pub fn print(clip: &Audio, lengths_s: &[f64]) -> Result<()> {
    println!("\n`cargo xtask transfer`, the whole process (including model and style):\n");
    println!("| audio, s | s | real-time factor | peak memory, MB |");
    println!("|---|---|---|---|");
    let folder = tempfile::tempdir()?;
    let (input, output) = (folder.path().join("in.wav"), folder.path().join("out.wav"));
    for &length_s in lengths_s {
        write(clip, length_s, &input)?;
        let (seconds, peak_kb) = transfer(&input, &output)?;
        let peak = peak_kb.map_or("-".into(), |kb| format!("{:.0}", kb as f64 / 1024.0));
        println!("| {length_s} | {seconds:.2} | {:.3} | {peak} |", seconds / length_s);
    }
    Ok(())
}

/// Writes a recording of a length in blocks.
fn write(clip: &Audio, length_s: f64, path: &Path) -> Result<()> {
    let mut writer =
        Writer::create(path, clip.sample_rate_hz, clip.channels.len(), SampleFormat::Int24)?;
    let mut left = (length_s * f64::from(clip.sample_rate_hz)).round() as usize;
    let mut starts = (0..clip.frames()).step_by(BLOCK).cycle();
    while left > 0 {
        let start = starts.next().context("a clip with samples")?;
        let end = clip.frames().min(start + BLOCK).min(start + left);
        let block: Vec<&[f32]> = clip.channels.iter().map(|channel| &channel[start..end]).collect();
        writer.push(&block)?;
        left -= end - start;
    }
    Ok(writer.finish()?)
}

/// Duration of the command in seconds, and its peak memory in kB.
fn transfer(input: &Path, output: &Path) -> Result<(f64, Option<u64>)> {
    let start = Instant::now();
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["transfer", "--device", "cpu", "--style", "violin", "--out"])
        .args([output, input]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut peak_kb = None;
    while child.try_wait()?.is_none() {
        peak_kb = self::peak_kb(child.id()).or(peak_kb);
        std::thread::sleep(POLL);
    }
    let seconds = start.elapsed().as_secs_f64();
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "`cargo xtask transfer`: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok((seconds, peak_kb))
}

/// Peak memory of a running process in kB; `None` if the system has no `/proc`.
fn peak_kb(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
