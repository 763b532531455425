//! The convolutions of VGGish on candle, with a gradient to the examples.
//!
//! The three linear layers after them (67 of the 72 million weights) are left out. Their output is
//! one vector for 0.96 s, without the positions that the losses compare.

use candle_core::Tensor;
use engine::nn::candle::{Candle, CandleConv, ParamStore};
use engine::nn::{Backend, ConvSpec};
use engine::{Error, Result};

use super::{BANDS, FRAMES};

/// The 3 x 3 convolutions before each pooling: index in torchvggish's `features`, output channels.
const STAGES: [&[(usize, usize)]; 4] =
    [&[(0, 64)], &[(3, 128)], &[(6, 256), (8, 256)], &[(11, 512), (13, 512)]];

/// Name and layer of every convolution, stage by stage.
fn layers() -> [Vec<(String, ConvSpec)>; 4] {
    let mut c_in = 1;
    STAGES.map(|stage| {
        let layer = |&(index, c_out): &(usize, usize)| {
            let spec = ConvSpec::conv(c_in, c_out, 3, 1);
            c_in = c_out;
            (format!("features.{index}"), spec)
        };
        stage.iter().map(layer).collect()
    })
}

/// The network.
pub struct Vggish {
    stages: Vec<Vec<CandleConv>>,
}

impl Vggish {
    /// Name and shape of every weight, like in torchvggish's state dict.
    pub fn parameters() -> Vec<(String, Vec<usize>)> {
        let layer_parameters = |(name, spec): (String, ConvSpec)| {
            [
                (format!("{name}.weight"), spec.weight_shape()),
                (format!("{name}.bias"), vec![spec.c_out]),
            ]
        };
        layers().into_iter().flatten().flat_map(layer_parameters).collect()
    }

    /// Builds the network from a store that contains [`Vggish::parameters`].
    ///
    /// # Errors
    /// If a weight is missing or has another shape.
    pub fn load(weights: &mut ParamStore) -> Result<Self> {
        let mut source = weights;
        let mut load =
            |(name, spec): (String, ConvSpec)| Candle::load_conv(&mut source, &name, spec);
        let mut stage =
            |layers: Vec<_>| layers.into_iter().map(&mut load).collect::<Result<Vec<_>>>();
        Ok(Self { stages: layers().into_iter().map(&mut stage).collect::<Result<Vec<_>>>()? })
    }

    /// The activations after each of the four poolings, finest first. Log-mel
    /// `examples (N, 96, 64, 1)` -> `(N, 48, 32, 64)`, `(N, 24, 16, 128)`, `(N, 12, 8, 256)`,
    /// `(N, 6, 4, 512)`.
    ///
    /// # Errors
    /// If the examples have another shape.
    pub fn features(&self, ops: &mut Candle, examples: &Tensor) -> Result<Vec<Tensor>> {
        match *examples.dims() {
            [_, FRAMES, BANDS, 1] => {}
            ref found => {
                let expected = format!("(N, {FRAMES}, {BANDS}, 1)");
                return Err(Error::invalid("examples for VGGish", expected, format!("{found:?}")));
            }
        }
        let (mut h, mut features) = (examples.clone(), Vec::with_capacity(self.stages.len()));
        for stage in &self.stages {
            let (last, before) = stage.split_last().expect("every stage has a convolution");
            for conv in before {
                h = ops.conv(&h, conv)?.relu()?;
            }
            // ReLU and maximum commute. With pooling first, ReLU processes only a quarter of the
            // values.
            h = max_pool2(&ops.conv(&h, last)?)?.relu()?;
            features.push(h.clone());
        }
        Ok(features)
    }
}

/// Maximum of 2 x 2 blocks; `(B, H, W, C) -> (B, H / 2, W / 2, C)`, with even height and width.
///
/// It uses pairwise maxima, because candle's pooling is channels-first and slow on the CPU. The
/// gradient is passed to the larger value, and in halves to equal values.
fn max_pool2(x: &Tensor) -> Result<Tensor> {
    let (b, h, w, c) = x.dims4()?;
    let halve = |x: Tensor| -> candle_core::Result<Tensor> {
        x.narrow(1, 0, 1)?.maximum(&x.narrow(1, 1, 1)?)
    };
    let rows = halve(x.reshape((b * h / 2, 2, w * c))?)?;
    Ok(halve(rows.reshape((b * h / 2 * w / 2, 2, c))?)?.reshape((b, h / 2, w / 2, c))?)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn pooling_returns_the_maximum_and_passes_the_gradient_to_it() {
        let values: Vec<f32> =
            [1, 5, 2, 0, 3, 4, 9, 8, 7, 7, 0, 1, 6, 7, 2, 3].map(|v| v as f32).to_vec();
        let x = Var::from_vec(values, (1, 4, 4, 1), &Device::Cpu).unwrap();
        let y = max_pool2(&x).unwrap();
        assert_eq!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [5.0, 9.0, 7.0, 3.0]);
        let weights =
            Tensor::new(&[1f32, 2.0, 3.0, 4.0], &Device::Cpu).unwrap().reshape(y.shape()).unwrap();
        let gradients = y.mul(&weights).unwrap().sum_all().unwrap().backward().unwrap();
        let dx = gradients.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let expected = [0, 1, 0, 0, 0, 0, 2, 0].map(|v| v as f32);
        assert_eq!(dx[..8], expected);
        // The gradient of 3 is divided among three equal values.
        assert_eq!(dx[8] + dx[9] + dx[13], 3.0);
        assert_eq!(dx[15], 4.0);
    }

    #[test]
    fn other_shapes_are_refused() {
        let mut weights = ParamStore::new(&Device::Cpu, 1);
        let network = Vggish::load(&mut weights).unwrap();
        let image = Tensor::zeros((1, 95, 64, 1), candle_core::DType::F32, &Device::Cpu).unwrap();
        let error =
            network.features(&mut Candle::new(Device::Cpu), &image).unwrap_err().to_string();
        assert!(error.contains("[1, 95, 64, 1]"), "{error}");
    }
}
