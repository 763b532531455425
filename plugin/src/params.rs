//! The plugin's parameters.

use std::sync::Arc;

use engine::latency_mode::LatencyMode;
use engine::settings::Settings;
use nice_plug::plugin::ParamValue;
use nice_plug::prelude::*;

use crate::project::{Project, ProjectField};
use crate::style_slot;

/// Largest seed: short to type, and exact as a host's floating-point value.
const SEED_MAX: i32 = 9999;
/// The gains range from `-GAIN_MAX_DB` to `GAIN_MAX_DB`.
const GAIN_MAX_DB: f32 = 24.0;

/// DDIM steps of a window. Hosts store the index of a choice, so new choices go to the end.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// 4 steps.
    #[id = "draft"]
    #[name = "4"]
    Four,
    /// 10 steps.
    #[id = "standard"]
    #[name = "10"]
    Ten,
    /// 50 steps.
    #[id = "fine"]
    #[name = "50"]
    Fifty,
    /// 2 steps.
    #[id = "two"]
    #[name = "2"]
    Two,
}

impl Steps {
    /// The number of steps.
    pub fn count(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
            Self::Ten => 10,
            Self::Fifty => 50,
        }
    }
}

/// The latency mode. Hosts store the index of a choice, so new choices go to the end.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Whole windows with the hop of training.
    #[id = "quality"]
    Quality,
    /// Whole windows with a short hop.
    #[id = "balanced"]
    Balanced,
    /// Half windows with a hop below one latent column.
    #[id = "live"]
    Live,
}

impl Latency {
    /// The engine's mode.
    pub fn mode(self) -> LatencyMode {
        match self {
            Self::Quality => LatencyMode::Quality,
            Self::Balanced => LatencyMode::Balanced,
            Self::Live => LatencyMode::Live,
        }
    }
}

/// The parameters. An id is never reused with another meaning.
#[derive(Params)]
pub struct LuthierParams {
    /// The part of a project that is not a parameter.
    #[persist = "project"]
    pub project: ProjectField,
    /// The style, an index of [`style_slot`].
    #[id = "style"]
    pub style: IntParam,
    /// Fraction of the noise schedule at which sampling starts, 0 (returns the content) to 1.
    #[id = "strength"]
    pub strength: FloatParam,
    /// Whose level the output follows, 0 (the model's instrument) to 1 (the input).
    #[id = "dynamics"]
    pub dynamics: FloatParam,
    /// Classifier-free guidance scale, 0 to 10; 1 disables guidance.
    #[id = "guidance"]
    pub guidance: FloatParam,
    /// DDIM steps of a window.
    #[id = "steps"]
    pub steps: EnumParam<Steps>,
    /// The latency mode. It takes effect at the next activation, because the latency must be
    /// constant while the plugin is active.
    #[id = "latency"]
    pub latency: EnumParam<Latency>,
    /// 0 (delayed dry) to 1 (wet).
    #[id = "mix"]
    pub mix: FloatParam,
    /// Gain before the transfer, in dB.
    #[id = "ingain"]
    pub input_gain: FloatParam,
    /// Gain after the transfer, in dB.
    #[id = "outgain"]
    pub output_gain: FloatParam,
    /// Noise seed.
    #[id = "seed"]
    pub seed: IntParam,
    /// Whether a style from the sidechain stays unchanged.
    #[id = "freeze"]
    pub freeze: BoolParam,
    /// Whether the output is the unchanged input, delayed by the latency.
    #[id = "bypass"]
    pub bypass: BoolParam,
    /// Whether true peaks of the output are limited.
    #[id = "limiter"]
    pub limiter: BoolParam,
}

impl LuthierParams {
    /// The parameters at their defaults.
    pub fn new(project: Arc<Project>) -> Self {
        Self {
            project: ProjectField(project),
            style: style(),
            strength: percentage("Strength", 1.0),
            dynamics: percentage("Dynamics", 1.0),
            guidance: FloatParam::new("Guidance", 1.0, FloatRange::Linear { min: 0.0, max: 10.0 })
                // Without a step, the value 1 could change when a host converts it.
                .with_step_size(0.1)
                .with_value_to_string(formatters::v2s_f32_rounded(1)),
            steps: EnumParam::new("Steps", Steps::Two),
            latency: EnumParam::new("Latency", Latency::Quality).non_automatable(),
            mix: percentage("Mix", 1.0),
            input_gain: gain("Input gain"),
            output_gain: gain("Output gain"),
            seed: IntParam::new("Seed", 0, IntRange::Linear { min: 0, max: SEED_MAX }),
            freeze: BoolParam::new("Freeze", false),
            bypass: BoolParam::new("Bypass", false).make_bypass(),
            limiter: BoolParam::new("Limiter", false),
        }
    }

    /// The engine's settings for the current values. Does not allocate.
    pub fn settings(&self) -> Settings {
        Settings {
            steps: self.steps.value().count(),
            guidance_scale: number(&self.guidance),
            strength: number(&self.strength),
            dynamics: number(&self.dynamics),
            seed: self.seed.value().max(0) as u64,
            mix: number(&self.mix),
            style_slot: self.style.value().clamp(0, style_slot::COUNT - 1) as u16,
            style_held: self.freeze.value(),
            ..Settings::default()
        }
    }
}

/// Adds the defaults of later parameters to a state that an older version saved. nice-plug would keep
/// their present values.
pub fn complete(state: &mut PluginState) {
    let later = [
        ("dynamics", ParamValue::F32(1.0)),
        ("latency", ParamValue::String("quality".into())),
        ("limiter", ParamValue::Bool(false)),
    ];
    for (id, value) in later {
        state.params.entry(id.into()).or_insert(value);
    }
}

/// A parameter's value, or its default if a host has set NaN or infinity.
pub fn number(param: &FloatParam) -> f32 {
    let value = param.value();
    if value.is_finite() { value } else { param.default_plain_value() }
}

fn style() -> IntParam {
    IntParam::new("Style", 0, IntRange::Linear { min: 0, max: style_slot::COUNT - 1 })
        .with_value_to_string(Arc::new(style_slot::name))
        .with_string_to_value(Arc::new(style_slot::parse))
}

fn percentage(name: &str, default: f32) -> FloatParam {
    FloatParam::new(name, default, FloatRange::Linear { min: 0.0, max: 1.0 })
        .with_unit(" %")
        .with_value_to_string(formatters::v2s_f32_percentage(0))
        .with_string_to_value(formatters::s2v_f32_percentage())
}

fn gain(name: &str) -> FloatParam {
    FloatParam::new(name, 0.0, FloatRange::Linear { min: -GAIN_MAX_DB, max: GAIN_MAX_DB })
        .with_step_size(0.1)
        .with_unit(" dB")
        .with_value_to_string(formatters::v2s_f32_rounded(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_equal_the_engines_and_survive_normalisation() {
        let params = LuthierParams::new(Arc::default());
        assert_eq!(params.settings(), Settings::default());
        assert!(!params.limiter.value(), "a bounce equals the command line's file");
        for param in [
            &params.guidance,
            &params.strength,
            &params.dynamics,
            &params.mix,
            &params.input_gain,
            &params.output_gain,
        ] {
            let restored = param.preview_plain(param.preview_normalized(param.value()));
            assert_eq!(restored, param.value(), "{}", param.name());
        }
    }
}
