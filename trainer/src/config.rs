//! The config of a training run: the TOML file that a user writes and that the run folder stores.
//!
//! Every field has a default. A file and `key=value` overrides replace some of them. An undefined
//! field is an error that names the field.

use std::path::Path;

use anyhow::Context;
use engine::config::ModelConfig;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use training_kernels::Bf16;

use crate::losses::perceptual::ChannelWeights;
use crate::optim::{OptimizerConfig, ScheduleConfig};

/// Weights and options of the loss terms. A term of weight 0 is not computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossWeights {
    /// Autoencoder: mean squared error of the image.
    pub mse: f64,
    /// Autoencoder: mean absolute error of the image.
    pub l1: f64,
    /// Autoencoder: distance of the feature network's activations.
    pub perceptual: f64,
    /// Weights of the activations' channels in the perceptual loss.
    pub channel_weights: ChannelWeights,
    /// Autoencoder: KL divergence of the latent's distribution from N(0, 1).
    pub kl: f64,
    /// Diffusion: distance of the feature statistics (Gram matrices) of the decoded estimate and
    /// the target.
    pub style: f64,
    /// Diffusion: error of the denoiser's prediction.
    pub diffusion: f64,
    /// Cross-entropy of the instrument label.
    pub label: f64,
}

impl Default for LossWeights {
    fn default() -> Self {
        Self {
            mse: 1.0,
            l1: 0.1,
            perceptual: 0.0,
            channel_weights: ChannelWeights::default(),
            kl: 1e-5,
            style: 0.0,
            diffusion: 1.0,
            label: 0.1,
        }
    }
}

/// How examples and timesteps of the diffusion are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffusionTraining {
    /// Share of the timesteps that are the last one. There the v target contains only the data.
    pub terminal_share: f64,
    /// Probability of a clean prefix of the target. Half of the prefixes are as long as the
    /// window's overlap, the others have a random length.
    pub prefix_probability: f64,
    /// Probability that the style is dropped (classifier-free guidance).
    pub style_drop: f64,
    /// Probability that the content is dropped.
    pub content_drop: f64,
    /// Probability of a random recording chain ([`crate::data::augment::recolour`]), drawn for style
    /// and target together and for the content.
    pub recolour: f64,
    /// Upper limit of the weight of a timestep by its signal-to-noise ratio (min-SNR, Hang et al.
    /// 2023). 0 is equal weights. With v-prediction and zero terminal SNR, the last timestep has
    /// weight 0.
    pub min_snr_gamma: f64,
    /// Weight of a latent channel's error: its standard deviation to this power. 0 is equal
    /// weights; 2 is the error of the image.
    pub channel_power: f64,
    /// Folders of additional datasets, rendered or built from recordings. Every example is drawn
    /// from one of all datasets with equal probability.
    pub extra_datasets: Vec<String>,
}

impl Default for DiffusionTraining {
    fn default() -> Self {
        Self {
            terminal_share: 0.25,
            prefix_probability: 0.5,
            style_drop: 0.1,
            content_drop: 0.05,
            recolour: 0.0,
            min_snr_gamma: 0.0,
            channel_power: 1.0,
            extra_datasets: Vec::new(),
        }
    }
}

/// The instrument classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Channels after each stride-2 convolution, multiples of 8.
    pub channels: Vec<usize>,
    /// Largest random change of an image's level, dB. It keeps the judge independent of loudness.
    pub level_jitter_db: f32,
    /// Largest random spectral tilt, dB at the lowest and the highest band.
    pub tilt_jitter_db: f32,
    /// Largest random noise of every pixel, dB.
    pub noise_db: f32,
}

impl Default for ClassifierConfig {
    fn default() -> Self {
        Self {
            channels: vec![16, 32, 64, 96],
            level_jitter_db: 6.0,
            tilt_jitter_db: 6.0,
            noise_db: 3.0,
        }
    }
}

/// Intervals in steps; 0 is never.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intervals {
    /// Log lines. Their losses are means since the previous line.
    pub log: u64,
    /// Validation.
    pub validate: u64,
    /// Checkpoints: `last.safetensors` and `state.safetensors`.
    pub checkpoint: u64,
    /// Pictures.
    pub panels: u64,
}

impl Default for Intervals {
    fn default() -> Self {
        Self { log: 20, validate: 250, checkpoint: 250, panels: 500 }
    }
}

/// Upper limit of the batch size. A typing error would exhaust the memory.
const BATCH_MAX: usize = 4096;

/// Config of a run. Two runs of equal config, data and device compute equal weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Folder of the dataset, rendered or built from recordings.
    pub data: String,
    /// Model file to start from; empty for none. The ldm needs a trained autoencoder.
    pub init: String,
    /// Seed. Random numbers depend only on the seed and the step.
    pub seed: u64,
    /// Total steps.
    pub steps: u64,
    /// Batch size.
    pub batch: usize,
    /// Examples of a validation.
    pub validation_items: usize,
    /// Model file of the feature network of the perceptual and the style loss: a classifier or
    /// VGGish (`trainer convert-vggish`); empty for none.
    pub feature_network: String,
    /// Whether matrix products round their inputs to bf16 and accumulate in f32. It applies to
    /// convolutions and linear layers, forward and backward, and to the long products of Muon. With
    /// AMX the frozen encoder uses bf16 too. A new run sets it to false on a machine whose f32
    /// products are faster. GPUs ignore it. Weights, moments and all other values stay f32
    /// (`docs/decisions/045-bf16-kernels.md`).
    pub bf16: bool,
    /// Whether checkpoints are also written as files of at most 15 MiB (f16, without the
    /// optimiser's moments).
    pub shards: bool,
    /// Decay of the moving average of the weights, which is validated and exported; 0 is none.
    pub ema_decay: f64,
    /// Autoencoder: standard deviation of the noise on the latent. The unit is pixels of a whole
    /// patch, because the linear path is an isometry. The noise prepares the decoder for latents
    /// that the denoiser predicts.
    pub latent_noise: f64,
    /// The model.
    pub model: ModelConfig,
    /// The optimiser.
    pub optimiser: OptimizerConfig,
    /// The learning rate.
    pub schedule: ScheduleConfig,
    /// The loss terms.
    pub loss: LossWeights,
    /// Examples and timesteps of the diffusion.
    pub diffusion: DiffusionTraining,
    /// The classifier.
    pub classifier: ClassifierConfig,
    /// Intervals.
    pub every: Intervals,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            data: String::new(),
            init: String::new(),
            seed: 1,
            steps: 3000,
            batch: 32,
            validation_items: 128,
            feature_network: String::new(),
            bf16: false,
            shards: false,
            ema_decay: 0.999,
            latent_noise: 0.005,
            model: ModelConfig::default(),
            optimiser: OptimizerConfig::default(),
            schedule: ScheduleConfig::default(),
            loss: LossWeights::default(),
            diffusion: DiffusionTraining::default(),
            classifier: ClassifierConfig::default(),
            every: Intervals::default(),
        }
    }
}

impl RunConfig {
    /// The defaults, with the fields of a file and of `key=value` overrides
    /// (`schedule.learning_rate=1e-3`).
    ///
    /// # Errors
    /// If the file cannot be read, or a field does not exist or has an invalid value.
    pub fn load(file: Option<&Path>, overrides: &[String]) -> anyhow::Result<Self> {
        Self::load_over(Self::default(), file, overrides)
    }

    /// The config of a new run: f32 products if this machine measures them as faster. The run's
    /// folder keeps the choice, so that a resumed run computes the same products.
    pub fn with_measured_products(self) -> Self {
        Self { bf16: self.bf16 && Bf16::faster_than_f32().is_some(), ..self }
    }

    /// The bf16 kernels, if `bf16` is set and this machine supports them.
    pub fn bf16_products(&self) -> Option<Bf16> {
        Bf16::detect().filter(|_| self.bf16)
    }

    /// The config of a run to resume. Network parts that its file does not contain stay disabled,
    /// because the run started before they existed.
    ///
    /// # Errors
    /// As [`RunConfig::load`].
    pub fn load_resumed(file: &Path, overrides: &[String]) -> anyhow::Result<Self> {
        let mut base = Self::default();
        (base.model.style.frequency_channels, base.model.unet.profile_channels) = (0, 0);
        Self::load_over(base, Some(file), overrides)
    }

    fn load_over(base: Self, file: Option<&Path>, overrides: &[String]) -> anyhow::Result<Self> {
        let mut table = Table::try_from(base).context("default config")?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("run config {}", path.display()))?;
            let changes =
                text.parse::<Table>().with_context(|| format!("run config {}", path.display()))?;
            merge(&mut table, with_current_names(changes));
        }
        for change in overrides {
            let (key, value) = change
                .split_once('=')
                .with_context(|| format!("override: expected key=value, found `{change}`"))?;
            assign(&mut table, key, literal(value))
                .with_context(|| format!("override `{change}`"))?;
        }
        let config: Self = Value::Table(table).try_into().context("run config")?;
        config.validate()?;
        Ok(config)
    }

    /// The name of the first field in which another config differs.
    pub fn differs_from(&self, other: &Self) -> anyhow::Result<Option<String>> {
        Ok(first_difference(&Value::try_from(self)?, &Value::try_from(other)?))
    }

    /// The whole config as TOML.
    pub fn to_toml(&self) -> anyhow::Result<String> {
        Ok(toml::to_string(self)?)
    }

    /// Checks shares (0 to 1) and decays (0 to below 1).
    fn check_shares(&self) -> anyhow::Result<()> {
        let shares = [
            ("diffusion.terminal_share", self.diffusion.terminal_share),
            ("diffusion.prefix_probability", self.diffusion.prefix_probability),
            ("diffusion.style_drop", self.diffusion.style_drop),
            ("diffusion.content_drop", self.diffusion.content_drop),
            ("diffusion.recolour", self.diffusion.recolour),
            ("schedule.floor", self.schedule.floor),
            ("schedule.plateau.factor", self.schedule.plateau.factor),
        ];
        for (field, share) in shares {
            anyhow::ensure!(
                (0.0..=1.0).contains(&share),
                "run config: {field}: expected 0 to 1, found {share}"
            );
        }
        let decays = [
            ("ema_decay", self.ema_decay),
            ("optimiser.beta1", self.optimiser.beta1),
            ("optimiser.beta2", self.optimiser.beta2),
            ("optimiser.muon_momentum", self.optimiser.muon_momentum),
        ];
        for (field, decay) in decays {
            anyhow::ensure!(
                (0.0..1.0).contains(&decay),
                "run config: {field}: expected 0 to below 1, found {decay}"
            );
        }
        Ok(())
    }

    fn validate(&self) -> anyhow::Result<()> {
        self.model.validate().context("run config, section model")?;
        self.check_shares()?;
        for (field, value) in [
            ("schedule.learning_rate", self.schedule.learning_rate),
            ("optimiser.clip_norm", self.optimiser.clip_norm),
        ] {
            anyhow::ensure!(
                value.is_finite() && value > 0.0,
                "run config: {field}: expected above 0, found {value}"
            );
        }
        anyhow::ensure!(
            (1..=BATCH_MAX).contains(&self.batch),
            "run config: batch: expected 1 to {BATCH_MAX}, found {}",
            self.batch
        );
        anyhow::ensure!(self.steps >= 1, "run config: steps: expected at least 1, found 0");
        anyhow::ensure!(
            self.validation_items >= 1,
            "run config: validation_items: expected at least 1, found 0"
        );
        let gamma = self.diffusion.min_snr_gamma;
        anyhow::ensure!(
            gamma.is_finite() && gamma >= 0.0,
            "run config: diffusion.min_snr_gamma: expected at least 0, found {gamma}"
        );
        let channels = &self.classifier.channels;
        anyhow::ensure!(
            !channels.is_empty() && channels.iter().all(|&c| c > 0 && c % 8 == 0),
            "run config: classifier.channels: expected multiples of 8, found {channels:?}"
        );
        Ok(())
    }
}

/// Renamed fields: table, old name, current name. Old names are accepted for one release.
const RENAMED_FIELDS: [(&[&str], &str, &str); 2] = [
    (&["diffusion"], "further_data", "extra_datasets"),
    (&["model", "window"], "overlap_frames", "prefix_frames"),
];

/// Former names of online rendering. Configs of older runs contain the section, usually unused. If
/// it is used, it is refused as an undefined field.
/// See `docs/decisions/055-no-online-rendering.md`.
const REMOVED_SECTIONS: [&str; 2] = ["renewal", "online_rendering"];

/// Renames the fields of [`RENAMED_FIELDS`].
fn with_current_names(mut changes: Table) -> Table {
    for (path, old, current) in RENAMED_FIELDS {
        let table = path
            .iter()
            .try_fold(&mut changes, |table, key| table.get_mut(*key).and_then(Value::as_table_mut));
        if let Some(table) = table
            && let Some(value) = table.remove(old)
        {
            table.insert(current.to_string(), value);
        }
    }
    for name in REMOVED_SECTIONS {
        let is_unused = |section: &Value| {
            section.get("every").is_none_or(|every| every.as_integer() == Some(0))
        };
        if changes.get(name).is_some_and(is_unused) {
            changes.remove(name);
        }
    }
    changes
}

/// Merges `changes` into `base`, table by table. An integer that replaces a float becomes a float.
fn merge(base: &mut Table, changes: Table) {
    for (key, change) in changes {
        match (base.get_mut(&key), change) {
            (Some(Value::Table(inner)), Value::Table(changes)) => merge(inner, changes),
            (Some(slot @ Value::Float(_)), Value::Integer(number)) => {
                *slot = Value::Float(number as f64)
            }
            (_, change) => {
                base.insert(key, change);
            }
        }
    }
}

/// The path of the first value that differs; empty if both are values.
fn first_difference(a: &Value, b: &Value) -> Option<String> {
    match (a, b) {
        (Value::Table(a), Value::Table(b)) => a.iter().find_map(|(key, value)| {
            let rest =
                b.get(key).map_or(Some(String::new()), |other| first_difference(value, other))?;
            Some(if rest.is_empty() { key.clone() } else { format!("{key}.{rest}") })
        }),
        _ => (a != b).then(String::new),
    }
}

fn assign(table: &mut Table, path: &str, value: Value) -> anyhow::Result<()> {
    let change = path
        .rsplit('.')
        .fold(value, |value, key| Value::Table(Table::from_iter([(key.to_string(), value)])));
    match change {
        Value::Table(change) if !path.is_empty() => merge(table, with_current_names(change)),
        _ => anyhow::bail!("expected a field's name before `=`"),
    }
    Ok(())
}

/// A TOML value, or a string without quotes.
fn literal(text: &str) -> Value {
    let parsed =
        format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(overrides: &[&str]) -> anyhow::Result<RunConfig> {
        RunConfig::load(None, &overrides.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn renamed_fields_keep_their_old_names_for_one_release() {
        let config = load(&["diffusion.further_data=[\"b\"]", "renewal.every=0"]).unwrap();
        assert_eq!(config.diffusion.extra_datasets, ["b"]);
        assert!(load(&["renewal.every=7"]).is_err(), "online rendering was removed");
        let window = load(&["model.window.overlap_frames=8", "model.window.hop_frames=120"]);
        assert_eq!(window.unwrap().model.window.overlap_frames, 8);
    }

    #[test]
    fn overrides_change_nested_fields_and_keep_their_types() {
        let config = load(&[
            "schedule.learning_rate=1",
            "model.unet.channels=[32, 64]",
            "model.unet.attention=[false, true]",
            "data=some/where",
        ])
        .unwrap();
        assert_eq!(config.schedule.learning_rate, 1.0);
        assert_eq!(config.model.unet.channels, [32, 64]);
        assert_eq!(config.data, "some/where");
        assert_eq!(config.batch, RunConfig::default().batch, "other fields keep their defaults");
    }

    #[test]
    fn a_written_config_reads_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let config = load(&["seed=9", "schedule.rule=plateau"]).unwrap();
        std::fs::write(&path, config.to_toml().unwrap()).unwrap();
        assert_eq!(RunConfig::load(Some(&path), &[]).unwrap(), config);
    }

    #[test]
    fn products_are_measured_only_where_bf16_is_requested() {
        let requested = load(&["bf16=true"]).unwrap();
        let chosen = requested.clone().with_measured_products();
        assert_eq!(RunConfig { bf16: true, ..chosen.clone() }, requested, "all else stays");
        assert_eq!(chosen.bf16, chosen.bf16_products().is_some());
        assert!(!load(&["bf16=false"]).unwrap().with_measured_products().bf16);
    }

    #[test]
    fn a_run_without_a_spectral_profile_resumes_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let text = load(&["seed=9"]).unwrap().to_toml().unwrap();
        let old: Vec<&str> =
            text.lines().filter(|line| !line.starts_with("profile_channels")).collect();
        assert_eq!(old.len() + 1, text.lines().count());
        std::fs::write(&path, old.join("\n")).unwrap();
        assert_eq!(RunConfig::load_resumed(&path, &[]).unwrap().model.unet.profile_channels, 0);
        assert_eq!(RunConfig::load(Some(&path), &[]).unwrap(), load(&["seed=9"]).unwrap());
    }

    #[test]
    fn the_first_different_field_is_named() {
        let config = load(&["seed=9"]).unwrap();
        assert_eq!(config.differs_from(&config).unwrap(), None);
        for (change, field) in [
            ("seed=8", "seed"),
            ("model.diffusion.train_timesteps=500", "model.diffusion.train_timesteps"),
            ("model.unet.channels=[64,128,512]", "model.unet.channels"),
        ] {
            let other = load(&["seed=9", change]).unwrap();
            assert_eq!(config.differs_from(&other).unwrap().as_deref(), Some(field), "{change}");
        }
    }

    #[test]
    fn invalid_fields_are_refused_by_name() {
        for (change, word) in [
            ("schedule.lerning_rate=1", "lerning_rate"),
            ("bach=2", "bach"),
            ("diffusion.style_drop=2", "diffusion.style_drop"),
            ("model.unet.channels=[12]", "unet.channels[0]"),
            ("steps", "key=value"),
            ("diffusion.min_snr_gamma=-1", "min_snr_gamma"),
            ("online_rendering.every=9", "online_rendering"),
            ("classifier.channels=[]", "classifier.channels"),
        ] {
            let message = format!("{:#}", load(&[change]).unwrap_err());
            assert!(message.contains(word), "{change}: {message}");
        }
    }
}
