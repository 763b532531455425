//! What a training run does: the TOML that a user writes and that the run folder keeps.
//!
//! Every field has a default; a file and `key=value` overrides change some of them. A field that
//! does not exist is refused by its name.

use std::path::Path;

use anyhow::Context;
use engine::config::ModelConfig;
use engine::nn::candle::Bf16;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::losses::perceptual::ChannelWeights;
use crate::optim::{OptimizerConfig, ScheduleConfig};

/// The loss terms: their weights, and how the perceptual one is taken. A term of weight 0 is not
/// computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossWeights {
    /// Autoencoder: mean squared error of the image.
    pub mse: f64,
    /// Autoencoder: mean absolute error of the image.
    pub l1: f64,
    /// Autoencoder: distance of the feature network's features.
    pub perceptual: f64,
    /// How much each of their channels counts there.
    pub channel_weights: ChannelWeights,
    /// Autoencoder: pull of the latent's distribution towards N(0, 1).
    pub kl: f64,
    /// Diffusion: distance of the feature statistics (Gram matrices) of the decoded estimate and
    /// the target.
    pub style: f64,
    /// Diffusion: error of the prediction.
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

/// How batches of the diffusion are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffusionTraining {
    /// Share of the timesteps that are the last one, where the v target is the data alone.
    pub terminal_share: f64,
    /// Probability that a clean prefix of the target is given: as long as the window's own, or, as
    /// often, of any length.
    pub prefix_probability: f64,
    /// Probability that the style is dropped (classifier-free guidance).
    pub style_drop: f64,
    /// Probability that the content is dropped.
    pub content_drop: f64,
    /// Probability that style and target, and by itself the content, get a recording chain of
    /// chance ([`crate::data::augment::recolour`]).
    pub recolour: f64,
    /// Weighs timesteps by their signal-to-noise ratio up to this (min-SNR, Hang et al. 2023); 0
    /// weighs all alike. Under v-prediction at zero terminal SNR nothing is learnt at the last
    /// timestep then.
    pub min_snr_gamma: f64,
    /// Weight of a latent channel's error: its standard deviation to this power (0: all alike, 2:
    /// error of the image).
    pub channel_power: f64,
    /// Folders of more datasets beside the run's, rendered or built of recordings: every example
    /// is drawn from one of all, at equal chance.
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

/// New sounds while the diffusion trains on a rendered dataset ([`crate::data::dataset::online_rendering`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnlineRenderingConfig {
    /// The dataset's SF2 files.
    pub soundfonts: Vec<String>,
    /// Steps after which one of the dataset's setups is made anew; 0 is never.
    pub every: u64,
    /// Threads that render beside the training.
    pub threads: usize,
}

impl Default for OnlineRenderingConfig {
    fn default() -> Self {
        Self { soundfonts: Vec::new(), every: 0, threads: 1 }
    }
}

/// The instrument classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Channels after each stride-2 convolution, multiples of 8.
    pub channels: Vec<usize>,
    /// Largest random change of an image's level, dB (the judge must not listen to loudness).
    pub level_jitter_db: f32,
    /// Largest random tilt, dB at the lowest and the highest band.
    pub tilt_jitter_db: f32,
    /// Largest random noise on every pixel, dB.
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

/// How often things happen, in steps; 0 is never.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intervals {
    /// A line of the log (losses are means since the line before).
    pub log: u64,
    /// Validation.
    pub validate: u64,
    /// `last.safetensors` and `state.safetensors`.
    pub checkpoint: u64,
    /// Pictures.
    pub panels: u64,
}

impl Default for Intervals {
    fn default() -> Self {
        Self { log: 20, validate: 250, checkpoint: 250, panels: 500 }
    }
}

/// Examples a step, at most: a typing error would take all memory.
const BATCH_MAX: usize = 4096;

/// Everything that shapes a run. Two runs of equal configs, data and device give equal weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Folder of the dataset: rendered, or built of recordings.
    pub data: String,
    /// Model file to start from; empty for none. The ldm needs a trained autoencoder here.
    pub init: String,
    /// Every random number of the run comes from this and the step.
    pub seed: u64,
    /// Steps in all.
    pub steps: u64,
    /// Examples a step.
    pub batch: usize,
    /// Examples that one validation looks at.
    pub validation_items: usize,
    /// File of the network whose features the perceptual and the style loss compare, a classifier
    /// or VGGish (`trainer convert-vggish`); empty for none.
    pub feature_network: String,
    /// Whether convolutions and linear layers, forward and backward, and Muon's long products
    /// multiply values rounded to bf16, and sum in f32: up to twice the rate on a CPU with
    /// AVX512-BF16, some three times with AMX-BF16, where the frozen encoder does so too. Without,
    /// and on a GPU, they multiply f32. Weights, moments and everything else stay f32.
    pub bf16: bool,
    /// Whether checkpoints are kept in files of at most 15 MiB as well (f16, without the
    /// optimiser's moments).
    pub shards: bool,
    /// Decay of the weights' moving average, which is what is validated and exported; 0 is none.
    pub ema_decay: f64,
    /// Autoencoder: standard deviation of the noise on the latent, in pixels of a whole patch (the
    /// linear path is an isometry): the decoder will be given latents that no encoder made.
    pub latent_noise: f64,
    /// The model.
    pub model: ModelConfig,
    /// The optimiser.
    pub optimiser: OptimizerConfig,
    /// The learning rate.
    pub schedule: ScheduleConfig,
    /// The loss terms.
    pub loss: LossWeights,
    /// The diffusion's batches.
    pub diffusion: DiffusionTraining,
    /// New sounds while training.
    pub online_rendering: OnlineRenderingConfig,
    /// The classifier.
    pub classifier: ClassifierConfig,
    /// What happens when.
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
            online_rendering: OnlineRenderingConfig::default(),
            classifier: ClassifierConfig::default(),
            every: Intervals::default(),
        }
    }
}

impl RunConfig {
    /// Defaults, changed by a file, changed by `key=value` overrides
    /// (`schedule.learning_rate=1e-3`).
    pub fn load(file: Option<&Path>, overrides: &[String]) -> anyhow::Result<Self> {
        Self::over(Self::default(), file, overrides)
    }

    /// That products are to be of bf16, and this machine multiplies them.
    pub fn bf16_products(&self) -> Option<Bf16> {
        Bf16::detect().filter(|_| self.bf16)
    }

    /// The config of a run that stopped, which names all that there was: what has come since, it
    /// goes on without.
    pub fn stopped(file: &Path, overrides: &[String]) -> anyhow::Result<Self> {
        let mut then = Self::default();
        (then.model.style.frequency_channels, then.model.unet.profile_channels) = (0, 0);
        Self::over(then, Some(file), overrides)
    }

    fn over(base: Self, file: Option<&Path>, overrides: &[String]) -> anyhow::Result<Self> {
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

    /// The first field, by name, in which another config differs.
    pub fn differs_from(&self, other: &Self) -> anyhow::Result<Option<String>> {
        Ok(first_difference(&Value::try_from(self)?, &Value::try_from(other)?))
    }

    /// The whole config as TOML.
    pub fn to_toml(&self) -> anyhow::Result<String> {
        Ok(toml::to_string(self)?)
    }

    /// What is a share of something, and what a moving average keeps of itself.
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
        anyhow::ensure!(
            self.online_rendering.threads >= 1,
            "run config: online_rendering.threads: expected at least 1, found 0"
        );
        let channels = &self.classifier.channels;
        anyhow::ensure!(
            !channels.is_empty() && channels.iter().all(|&c| c > 0 && c % 8 == 0),
            "run config: classifier.channels: expected multiples of 8, found {channels:?}"
        );
        Ok(())
    }
}

/// Fields that were renamed: table, old name, current name. Old names are accepted for one release.
const RENAMED_FIELDS: [(&[&str], &str, &str); 3] = [
    (&[], "renewal", "online_rendering"),
    (&["diffusion"], "further_data", "extra_datasets"),
    (&["model", "window"], "overlap_frames", "prefix_frames"),
];

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
    changes
}

/// Lays `changes` over `base`, table by table. Numbers take the type of what they replace (`1` for
/// a float).
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

/// The path to the first value that differs; empty where both are no tables.
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

/// A TOML value, or else a string without its quotes.
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
        let config = load(&["diffusion.further_data=[\"b\"]", "renewal.every=7"]).unwrap();
        assert_eq!(config.diffusion.extra_datasets, ["b"]);
        assert_eq!(config.online_rendering.every, 7);
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
        assert_eq!(config.batch, RunConfig::default().batch, "what is not named stays");
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
    fn a_run_from_before_the_spectral_profile_goes_on_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let text = load(&["seed=9"]).unwrap().to_toml().unwrap();
        let old: Vec<&str> =
            text.lines().filter(|line| !line.starts_with("profile_channels")).collect();
        assert_eq!(old.len() + 1, text.lines().count());
        std::fs::write(&path, old.join("\n")).unwrap();
        assert_eq!(RunConfig::stopped(&path, &[]).unwrap().model.unet.profile_channels, 0);
        assert_eq!(RunConfig::load(Some(&path), &[]).unwrap(), load(&["seed=9"]).unwrap());
    }

    #[test]
    fn the_field_in_which_configs_differ_has_a_name() {
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
    fn bad_fields_are_refused_by_name() {
        for (change, word) in [
            ("schedule.lerning_rate=1", "lerning_rate"),
            ("bach=2", "bach"),
            ("diffusion.style_drop=2", "diffusion.style_drop"),
            ("model.unet.channels=[12]", "unet.channels[0]"),
            ("steps", "key=value"),
            ("diffusion.min_snr_gamma=-1", "min_snr_gamma"),
            ("online_rendering.threads=0", "online_rendering.threads"),
            ("classifier.channels=[]", "classifier.channels"),
        ] {
            let message = format!("{:#}", load(&[change]).unwrap_err());
            assert!(message.contains(word), "{change}: {message}");
        }
    }
}
