//! The real networks in the stream, with weights that nobody trained: what they compute must not depend on who else
//! computes, or how the blocks are cut.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::Device;
use engine::config::ModelConfig;
use engine::models::model::Model;
use engine::nn::candle::{Candle, ParamStore};
use engine::nn::packed::{Packed, TensorSource};
use engine::pipeline::{Executed, Pipeline};
use engine::settings::Settings;
use engine::stream::OfflineStream;
use engine::style::StyleTokens;
use tests::signal::Lcg;

use crate::fakes::live;

struct Weights(BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl TensorSource for Weights {
    fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        self.0.get(name).map(|(shape, data)| (&shape[..], &data[..]))
    }
}

/// Small networks for live windows, every weight noise.
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
    StyleTokens { dim: 24, tokens: random.noise(48), pooled: random.noise(24), ..StyleTokens::default() }
}

fn transfer(model: &Arc<Model<Packed>>, signal: &[f32], block: usize) -> Vec<f32> {
    let executed = Executed::new(Arc::clone(model), Packed::default());
    let pipeline = Pipeline::new(Box::new(executed), 44_100, 1, style()).expect("a pipeline");
    let settings = Settings { steps: 2, guidance_scale: 1.5, eta: 0.5, ..Settings::default() };
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
fn a_transfer_is_the_same_for_every_block_size_and_beside_others() {
    let model = model();
    let signal: Vec<f32> = Lcg(3).noise(88_200).iter().map(|x| x * 0.1).collect();
    let expected = transfer(&model, &signal, 512);
    assert!(expected.iter().any(|x| *x != 0.0) && expected != signal, "something was transferred");
    std::thread::scope(|scope| {
        for block in [100, 88_200] {
            let (model, signal, expected) = (&model, &signal, &expected);
            scope.spawn(move || assert!(transfer(model, signal, block) == *expected, "blocks of {block}"));
        }
    });
}
