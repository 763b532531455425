//! The operations of an executor, and the names and shapes of weights.
//!
//! ```
//! use engine::nn::ConvSpec;
//!
//! let spec = ConvSpec::conv(16, 32, 3, 2);
//! assert_eq!(spec.weight_shape(), [32, 16, 3, 3]);
//! assert_eq!(spec.output(128), 64);
//! ```

use crate::Result;

/// Initialisation of a weight before training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// Uniform in `±1/sqrt(fan_in)`, as in torch's `Conv2d` and `Linear`.
    Default,
    /// Zero, for the last layer of a residual branch.
    Zero,
}

/// One convolution or linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvSpec {
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Size of the square kernel, odd. The padding is `kernel / 2`.
    pub kernel: usize,
    /// Stride along both axes.
    pub stride: usize,
    /// Whether the layer has a bias.
    pub bias: bool,
    /// Whether the weight has the shape of torch's `Linear` (`[c_out, c_in]`) instead of `Conv2d`
    /// (`[c_out, c_in, k, k]`).
    pub linear: bool,
    /// Whether the input is first upsampled by two along both axes (nearest neighbour).
    pub upsampled: bool,
    /// Initialisation before training.
    pub init: Init,
}

impl ConvSpec {
    /// A convolution with bias.
    pub fn conv(c_in: usize, c_out: usize, kernel: usize, stride: usize) -> Self {
        let init = Init::Default;
        Self { c_in, c_out, kernel, stride, bias: true, linear: false, upsampled: false, init }
    }

    /// A 3 x 3 convolution with bias of its input upsampled by two. It replaces a transposed
    /// convolution, which causes checkerboard artefacts (Odena et al. 2016).
    pub fn upsampled(c_in: usize, c_out: usize) -> Self {
        Self { upsampled: true, ..Self::conv(c_in, c_out, 3, 1) }
    }

    /// A linear layer over channels, with bias.
    pub fn linear(c_in: usize, c_out: usize) -> Self {
        Self { linear: true, ..Self::conv(c_in, c_out, 1, 1) }
    }

    /// The same layer without bias.
    pub fn no_bias(self) -> Self {
        Self { bias: false, ..self }
    }

    /// The same layer, initialised to zero.
    pub fn zero(self) -> Self {
        Self { init: Init::Zero, ..self }
    }

    /// Shape of the stored weight.
    pub fn weight_shape(&self) -> Vec<usize> {
        if self.linear {
            vec![self.c_out, self.c_in]
        } else {
            vec![self.c_out, self.c_in, self.kernel, self.kernel]
        }
    }

    /// Upsampling factor of the input.
    pub fn zoom(&self) -> usize {
        if self.upsampled { 2 } else { 1 }
    }

    /// Output height or width for an input height or width.
    pub fn output(&self, size: usize) -> usize {
        (self.zoom() * size + 2 * (self.kernel / 2) - self.kernel) / self.stride + 1
    }

    /// Whether the input is its own patch matrix.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && !self.upsampled
    }
}

/// Number of groups of every normalisation; see `docs/decisions/004-group-normalisation.md`.
pub const GROUPS: usize = 8;

/// GroupNorm's epsilon, torch's default.
pub const NORM_EPS: f32 = 1e-5;

/// An executor of networks.
///
/// Shapes are `(B, H, W, C)`. Methods have `&mut self` because an executor may keep scratch memory.
pub trait Backend: Sized {
    /// An activation.
    type Tensor: Clone;
    /// A loaded convolution or linear layer.
    type Conv;
    /// A loaded group normalisation.
    type Norm;
    /// Source of weights: named tensors in torch's shapes.
    type Source<'s>;

    /// Loads `name.weight` (and `name.bias`).
    fn load_conv(source: &mut Self::Source<'_>, name: &str, spec: ConvSpec) -> Result<Self::Conv>;
    /// Loads `name.weight` and `name.bias`, both `[channels]`.
    fn load_norm(source: &mut Self::Source<'_>, name: &str, channels: usize) -> Result<Self::Norm>;

    /// An activation from row-major data.
    fn tensor(&mut self, dims: [usize; 4], data: &[f32]) -> Result<Self::Tensor>;
    /// The activation's data, row-major.
    fn data(&mut self, x: &Self::Tensor) -> Result<Vec<f32>>;
    /// `(B, H, W, C)`.
    fn dims(&self, x: &Self::Tensor) -> [usize; 4];

    /// Convolution with zero padding `kernel / 2`; `(B, H, W, c_in) -> (B, H', W', c_out)`.
    fn conv(&mut self, x: &Self::Tensor, conv: &Self::Conv) -> Result<Self::Tensor>;
    /// The convolution of `x`, added to `onto`, which has the shape of the result.
    fn conv_onto(
        &mut self,
        onto: &Self::Tensor,
        x: &Self::Tensor,
        conv: &Self::Conv,
    ) -> Result<Self::Tensor> {
        let y = self.conv(x, conv)?;
        self.add(onto, &y)
    }
    /// GroupNorm over [`GROUPS`], then `* (1 + scale) + shift`, then SiLU if `silu`. `modulation`
    /// is `(B, 1, 1, 2C)`: scale, then shift.
    fn norm(
        &mut self,
        x: &Self::Tensor,
        norm: &Self::Norm,
        modulation: Option<&Self::Tensor>,
        silu: bool,
    ) -> Result<Self::Tensor>;
    /// `x * sigmoid(x)`.
    fn silu(&mut self, x: &Self::Tensor) -> Result<Self::Tensor>;
    /// Elementwise sum of equal shapes. A batch, height or width of 1 in `b` is broadcast.
    fn add(&mut self, a: &Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor>;
    /// Concatenates channels. A batch of 1 is broadcast.
    fn concat(&mut self, parts: &[&Self::Tensor]) -> Result<Self::Tensor>;
    /// Scaled dot-product attention. `q (B, H, W, C)`, `k` and `v` `(B or 1, 1, N, C)` -> `(B, H,
    /// W, C)`.
    fn attention(
        &mut self,
        q: &Self::Tensor,
        k: &Self::Tensor,
        v: &Self::Tensor,
        heads: usize,
    ) -> Result<Self::Tensor>;
    /// Mean over positions; `(B, H, W, C) -> (B, 1, 1, C)`.
    fn mean(&mut self, x: &Self::Tensor) -> Result<Self::Tensor>;
    /// Positions as concatenated tokens: each `(B, H, W, C)` -> `(B, 1, sum of H*W, C)`.
    fn tokens(&mut self, parts: &[&Self::Tensor]) -> Result<Self::Tensor>;
    /// As torch's `pixel_unshuffle`: `(B, H, W, C) -> (B, H/r, W/r, C r r)`, channel `(c, dy, dx)`.
    fn space_to_depth(&mut self, x: &Self::Tensor, r: usize) -> Result<Self::Tensor>;
    /// As torch's `pixel_shuffle`: `(B, H, W, C r r) -> (B, H r, W r, C)`.
    fn depth_to_space(&mut self, x: &Self::Tensor, r: usize) -> Result<Self::Tensor>;
}
