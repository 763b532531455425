//! Measures the transfer of a recording, from samples to samples.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use candle_core::Device;
use engine::audio_file::Audio;
use engine::models::model::Model;
use engine::nn::candle::Candle;
use engine::nn::packed::Packed;
use engine::pipeline::{BackendModel, Pipeline, TransferModel};
use engine::settings::Settings;
use engine::stream::{Report, Stage, render};
use engine::style::StyleTokens;

use super::STEPS;

/// The recording and the style of the transfer.
pub struct WholeChain<'a> {
    pub audio: &'a Audio,
    pub style: &'a StyleTokens,
}

impl WholeChain<'_> {
    /// Measures both executors and prints the tables.
    pub fn print(&self, packed: &Arc<Model<Packed>>, stock: &Arc<Model<Candle>>) -> Result<()> {
        println!(
            "\nWhole chain on {:.1} s of {} Hz audio, {} channel(s):\n",
            self.audio.seconds(),
            self.audio.sample_rate_hz,
            self.audio.channels.len()
        );
        println!(
            "| steps | packed, s | real-time factor | stock candle, s | real-time factor | ratio |"
        );
        println!("|---|---|---|---|---|---|");
        let mut last = None;
        for steps in STEPS {
            let (ours, report) = self.render(
                Box::new(BackendModel::new(Arc::clone(packed), Packed::default())),
                steps,
            )?;
            let candle = Candle::stock(Device::Cpu);
            let (theirs, _) =
                self.render(Box::new(BackendModel::new(Arc::clone(stock), candle)), steps)?;
            let factor = |seconds: f64| seconds / self.audio.seconds();
            println!(
                "| {steps} | {ours:.2} | {:.3} | {theirs:.2} | {:.3} | {:.1} |",
                factor(ours),
                factor(theirs),
                theirs / ours
            );
            last = (steps == Settings::default().steps).then_some(report).or(last);
        }
        if let Some(report) = last {
            print_shares(&report);
        }
        Ok(())
    }

    /// Transfers the recording. Returns the seconds and the stream's report.
    fn render(&self, model: Box<dyn TransferModel>, steps: usize) -> Result<(f64, Report)> {
        let settings = Settings { steps, ..Settings::default() };
        let (rate, channels) = (self.audio.sample_rate_hz, &self.audio.channels);
        let pipeline = Pipeline::new(model, rate, channels.len(), self.style.clone())?;
        let start = Instant::now();
        let (_, report) =
            render(pipeline.grid().clone(), channels, Box::new(pipeline), &settings, &mut |_| ())?;
        ensure!(report.first_error.is_none(), "{}", report.first_error.unwrap_or_default());
        Ok((start.elapsed().as_secs_f64(), report))
    }
}

/// Prints the packed executor's time for each stage, with the default settings.
fn print_shares(report: &Report) {
    let windows = report.stats.wet.max(1) as f64;
    println!("\nThe packed executor's {} windows with the default settings:\n", report.stats.wet);
    println!("| stage | ms per window | share |");
    println!("|---|---|---|");
    let total = report.timings.total().as_secs_f64();
    for stage in Stage::ALL {
        let seconds = report.timings.stage(stage).as_secs_f64();
        println!(
            "| {} | {:.2} | {:.0} % |",
            stage.name(),
            seconds * 1e3 / windows,
            100.0 * seconds / total
        );
    }
}
