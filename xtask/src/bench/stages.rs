//! Measures the networks on one window, stage by stage.

use std::time::Instant;

use anyhow::Result;
use engine::models::model::Model;
use engine::models::unet::StyleKv;
use engine::nn::Backend;
use engine::nn::packed::Packed;

use super::STEPS;
use super::chart::Chart;
use super::frameworks::Frameworks;
use super::stage::{Stage, StageInputs};

/// The networks on one executor.
pub struct Executor<'a, B: Backend> {
    model: &'a Model<B>,
    ops: B,
    inputs: &'a StageInputs,
    style: StyleKv<B>,
    guided_style: StyleKv<B>,
}

impl<'a, B: Backend> Executor<'a, B> {
    pub fn new(model: &'a Model<B>, mut ops: B, inputs: &'a StageInputs) -> Result<Self> {
        let conditionings = inputs.conditionings();
        let style = model.precompute_style(&mut ops, &conditionings[..1])?;
        let guided_style = model.precompute_style(&mut ops, &conditionings)?;
        Ok(Self { model, ops, inputs, style, guided_style })
    }

    /// Median time of the sequence of stages, in ms.
    pub fn median_ms(&mut self, stages: &[Stage], repeats: usize) -> Result<f64> {
        median_ms(repeats, || stages.iter().try_for_each(|stage| self.run(*stage)))
    }

    fn run(&mut self, stage: Stage) -> Result<()> {
        let StageInputs { image, noisy, content, dims, timestep, .. } = self.inputs;
        let (model, ops, conditionings) = (self.model, &mut self.ops, self.inputs.conditionings());
        match stage {
            Stage::Encode => model.encode(ops, image).map(drop),
            Stage::StyleTokens => model.style_tokens(ops, std::slice::from_ref(image)).map(drop),
            Stage::PrecomputeStyle => model.precompute_style(ops, &conditionings[..1]).map(drop),
            Stage::Step => {
                let conditionings = &conditionings[..1];
                model
                    .denoise_with_style(ops, noisy, *dims, *timestep, conditionings, &self.style)
                    .map(drop)
            }
            Stage::GuidedStep => model
                .denoise_with_style(
                    ops,
                    noisy,
                    *dims,
                    *timestep,
                    &conditionings,
                    &self.guided_style,
                )
                .map(drop),
            Stage::Decode => model.decode(ops, content, *dims).map(drop),
        }?;
        Ok(())
    }
}

/// Median duration in ms. A first run fills memory and caches, and is not measured.
pub fn median_ms(repeats: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    work()?;
    let mut times_ms = Vec::with_capacity(repeats);
    for _ in 0..repeats {
        let start = Instant::now();
        work()?;
        times_ms.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times_ms.sort_by(f64::total_cmp);
    Ok(times_ms[repeats / 2])
}

/// Every single stage, and whole windows with a precomputed style.
fn rows() -> impl Iterator<Item = (String, Vec<Stage>)> {
    let single = Stage::ALL.into_iter().map(|stage| (stage.name().to_string(), vec![stage]));
    let windows = STEPS.into_iter().map(|steps| {
        let stages = [vec![Stage::Encode], vec![Stage::Step; steps], vec![Stage::Decode]].concat();
        (format!("encode, {steps} steps, decode"), stages)
    });
    single.chain(windows)
}

/// Prints the table and returns it as a chart.
///
/// The executors alternate at every row, so that a slower machine affects all of them. The ratio is
/// the time of an executor divided by the time of the packed one.
pub fn print<B: Backend>(
    ours: &mut Executor<Packed>,
    stock: &mut Executor<B>,
    frameworks: &mut Option<Frameworks>,
    repeats: usize,
) -> Result<Chart> {
    let names = frameworks.iter().flat_map(|frameworks| frameworks.names());
    let names: Vec<&str> = ["stock candle"].into_iter().chain(names).collect();
    let columns: String = names.iter().map(|name| format!(" {name}, ms | ratio |")).collect();
    println!("| stage | packed, ms |{columns}");
    println!("|---|---|{}", "---|---|".repeat(names.len()));
    let executors = ["packed"].into_iter().chain(names).map(String::from).collect();
    let mut chart = Chart { executors, rows: Vec::new() };
    for (name, stages) in rows() {
        let ms = ours.median_ms(&stages, repeats)?;
        let mut others = vec![stock.median_ms(&stages, repeats)?];
        if let Some(frameworks) = frameworks {
            others.extend(frameworks.medians_ms(&stages)?);
        }
        let columns: String =
            others.iter().map(|theirs| format!(" {theirs:.2} | {:.1} |", theirs / ms)).collect();
        println!("| {name} | {ms:.2} |{columns}");
        chart.rows.push((name, [vec![ms], others].concat()));
    }
    Ok(chart)
}
