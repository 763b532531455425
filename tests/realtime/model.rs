//! The real networks with random weights in a stream. Their output must not depend on other streams
//! or on the block size.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use candle_core::Device;
use engine::config::{MelConfig, ModelConfig};
use engine::image::MelImage;
use engine::library::{Fallback, Fault};
use engine::models::model::{Conditioning, LatentDims, Model};
use engine::nn::candle::{Candle, ParamStore};
use engine::nn::packed::{Packed, TensorSource};
use engine::pipeline::{BackendModel, Pipeline, TransferModel};
use engine::settings::Settings;
use engine::stream::{OfflineStream, ParallelRender, WindowProcessor};
use engine::style::StyleTokens;
use engine::style::profile::BAND_STATISTICS;
use engine::{Error, Result};
use tests::signal::Lcg;

use crate::fakes::live;

struct Weights(BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl TensorSource for Weights {
    fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        self.0.get(name).map(|(shape, data)| (&shape[..], &data[..]))
    }
}

/// Small networks for live windows, with noise as weights.
fn model() -> Arc<Model<Packed>> {
    let mut config = ModelConfig { window: live().window, ..ModelConfig::default() };
    config.autoencoder.channels = vec![8, 16, 16];
    config.autoencoder.latent_channels = 8;
    config.style.channels = vec![8, 16, 16, 16, 24, 32];
    config.style.dim = 24;
    config.unet.channels = vec![16, 24, 32];
    config.unet.embedding = 32;
    let mut fresh = ParamStore::new(&Device::Cpu, 1);
    Model::<Candle>::load(&mut &mut fresh, config.clone(), vec![0.0; 8], vec![1.0; 8])
        .expect("a fresh model");
    let mut random = Lcg(1);
    let noise = |(name, (shape, data)): (String, (Vec<usize>, Vec<f32>))| {
        let scale = (1.0 / shape[1..].iter().product::<usize>().max(4) as f32).sqrt();
        let values = random.noise(data.len()).iter().map(|value| value * scale).collect();
        (name, (shape, values))
    };
    let weights = Weights(fresh.export().expect("weights").into_iter().map(noise).collect());
    let source: &dyn TensorSource = &weights;
    Arc::new(Model::load(&mut { source }, config, vec![0.0; 8], vec![1.0; 8]).expect("a model"))
}

fn style() -> StyleTokens {
    let mut random = Lcg(2);
    let profile = random.noise(MelConfig::default().n_mels * BAND_STATISTICS);
    StyleTokens {
        dim: 24,
        tokens: random.noise(48),
        pooled: random.noise(24),
        profile,
        ..StyleTokens::default()
    }
}

fn executed(model: &Arc<Model<Packed>>) -> Box<dyn TransferModel> {
    Box::new(BackendModel::new(Arc::clone(model), Packed::default()))
}

fn transfer(networks: Box<dyn TransferModel>, signal: &[f32], block: usize) -> Vec<f32> {
    let pipeline = Pipeline::new(networks, 44_100, 1, style()).expect("a pipeline");
    let settings = Settings { steps: 2, guidance_scale: 1.5, ..Settings::default() };
    let grid = pipeline.grid().clone();
    let mut stream = OfflineStream::new(grid, 1, Box::new(pipeline), &settings).expect("a stream");
    let mut out = vec![Vec::new()];
    for block in signal.chunks(block) {
        stream.push(&[block], &mut out).expect("pushed");
    }
    let report = stream.finish(&mut out).expect("finished");
    assert_eq!((report.first_error, report.samples), (None, signal.len() as u64));
    out.remove(0)
}

#[test]
fn a_transfer_does_not_depend_on_the_block_size_or_other_streams() {
    let model = model();
    let signal: Vec<f32> = Lcg(3).noise(88_200).iter().map(|x| x * 0.1).collect();
    let expected = transfer(executed(&model), &signal, 512);
    assert!(expected.iter().any(|x| *x != 0.0) && expected != signal, "something was transferred");
    std::thread::scope(|scope| {
        for block in [100, 88_200] {
            let (model, signal, expected) = (&model, &signal, &expected);
            scope.spawn(move || {
                let out = transfer(executed(model), signal, block);
                assert!(out == *expected, "blocks of {block}");
            });
        }
    });
}

/// Every stream receives the complete sidechain, also that of windows which other streams process.
/// So the style of a window is the same for all streams. The sidechain pauses, so that styles are
/// not computed in every window.
#[test]
fn parallel_streams_compute_equal_styles_of_the_sidechain() {
    let model = model();
    let [signal, mut sidechain] =
        [5, 6].map(|seed| Lcg(seed).noise(400_000).iter().map(|x| x * 0.1).collect::<Vec<_>>());
    for (i, sample) in sidechain.iter_mut().enumerate() {
        *sample *= f32::from(u8::from(i % 90_000 < 25_000));
    }
    let settings = Settings { steps: 1, ..Settings::default() };
    let rendered = |streams: usize| {
        let pipelines: Vec<Pipeline> = (0..streams)
            .map(|_| {
                Pipeline::with_sidechain_style(executed(&model), 44_100, 1).expect("a pipeline")
            })
            .collect();
        let grid = pipelines[0].grid().clone();
        let processors =
            pipelines.into_iter().map(|p| Box::new(p) as Box<dyn WindowProcessor>).collect();
        let mut stream = ParallelRender::new(grid, 1, true, processors, &settings, Some(400_000))
            .expect("streams");
        let mut out = vec![Vec::new()];
        for (main, sidechain) in signal.chunks(7_000).zip(sidechain.chunks(7_000)) {
            stream.push_with_sidechain(&[main], &[sidechain], &mut out).expect("pushed");
        }
        assert_eq!(stream.finish(&mut out).expect("finished").first_error, None);
        out
    };
    let alone = rendered(1);
    assert!(alone[0].iter().zip(&signal).any(|(a, b)| a != b), "something was transferred");
    assert!([2, 3].iter().all(|&streams| rendered(streams) == alone));
}

/// A device that has no more memory after `calls_left` calls.
struct Failing {
    networks: Box<dyn TransferModel>,
    calls_left: usize,
    /// Calls after the first failure.
    calls_after_failure: Arc<AtomicUsize>,
}

impl Failing {
    fn count_call(&mut self) -> Result<()> {
        match self.calls_left.checked_sub(1) {
            Some(left) => self.calls_left = left,
            None if self.calls_after_failure.fetch_add(1, Relaxed) > 0 => {
                panic!("called again after it had failed")
            }
            None => return Err(Error::Compute("out of memory".into())),
        }
        Ok(())
    }
}

impl TransferModel for Failing {
    fn config(&self) -> &ModelConfig {
        self.networks.config()
    }

    fn style_tokens(&mut self, images: &[MelImage]) -> Result<StyleTokens> {
        self.count_call()?;
        self.networks.style_tokens(images)
    }

    fn encode(&mut self, image: &MelImage) -> Result<Vec<f32>> {
        self.count_call()?;
        self.networks.encode(image)
    }

    fn decode(&mut self, latent: &[f32], dims: LatentDims) -> Result<MelImage> {
        self.count_call()?;
        self.networks.decode(latent, dims)
    }

    fn denoise(
        &mut self,
        noisy: &[f32],
        dims: LatentDims,
        timestep: usize,
        conditionings: &[Conditioning],
    ) -> Result<Vec<Vec<f32>>> {
        self.count_call()?;
        self.networks.denoise(noisy, dims, timestep, conditionings)
    }
}

/// A window has four calls (content, two steps, image). The device fails at each call of the first
/// two windows. No window may be dry or different.
#[test]
fn after_a_failure_of_the_device_the_cpu_computes_all_windows() {
    let model = model();
    let signal: Vec<f32> = Lcg(4).noise(60_000).iter().map(|x| x * 0.1).collect();
    let expected = transfer(executed(&model), &signal, 512);
    for calls_left in 0..8 {
        let (fault, calls_after_failure) = (Fault::default(), Arc::default());
        let device = Failing {
            networks: executed(&model),
            calls_left,
            calls_after_failure: Arc::clone(&calls_after_failure),
        };
        let networks = Fallback::new(Box::new(device), executed(&model), &fault);
        assert!(transfer(Box::new(networks), &signal, 512) == expected, "after {calls_left} calls");
        assert_eq!((fault.reason(), calls_after_failure.load(Relaxed)), (Some("out of memory"), 1));
        // Another stream on the same device does not call it.
        let device = Failing { networks: executed(&model), calls_left: 0, calls_after_failure };
        let networks = Fallback::new(Box::new(device), executed(&model), &fault);
        assert!(transfer(Box::new(networks), &signal, 512) == expected, "another stream");
    }
}

#[test]
fn an_error_on_both_is_not_a_fault_of_the_device() {
    let (model, fault) = (model(), Fault::default());
    let mut networks = Fallback::new(executed(&model), executed(&model), &fault);
    assert!(networks.encode(&MelImage::filled(3, 16, 0.5)).is_err() && fault.reason().is_none());
}
