//! The operations, and how weights are named and shaped.

use crate::Result;

/// How a weight starts before training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// Uniform in `±1/sqrt(fan_in)`, as torch's `Conv2d` and `Linear`.
    Default,
    /// Zero: a residual branch that starts as nothing.
    Zero,
}

/// One convolution or linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvSpec {
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Square kernel, odd; padding is `kernel / 2`.
    pub kernel: usize,
    /// Stride along both axes.
    pub stride: usize,
    /// Whether a bias is added.
    pub bias: bool,
    /// Stored as torch's `Linear` (`[c_out, c_in]`) instead of `Conv2d` (`[c_out, c_in, k, k]`).
    pub linear: bool,
    /// Whether it sees its input doubled along both axes (nearest neighbour).
    pub upsampled: bool,
    /// Start of training.
    pub init: Init,
}

impl ConvSpec {
    /// A convolution with bias.
    pub fn conv(c_in: usize, c_out: usize, kernel: usize, stride: usize) -> Self {
        let init = Init::Default;
        Self { c_in, c_out, kernel, stride, bias: true, linear: false, upsampled: false, init }
    }

    /// A convolution, 3 x 3 with bias, of its input doubled along both axes: no transposed
    /// convolution, no checkerboard (Odena et al. 2016).
    pub fn upsampled(c_in: usize, c_out: usize) -> Self {
        Self { upsampled: true, ..Self::conv(c_in, c_out, 3, 1) }
    }

    /// A linear layer over channels with bias.
    pub fn linear(c_in: usize, c_out: usize) -> Self {
        Self { linear: true, ..Self::conv(c_in, c_out, 1, 1) }
    }

    /// The same without bias.
    pub fn no_bias(self) -> Self {
        Self { bias: false, ..self }
    }

    /// The same, starting at zero.
    pub fn zero(self) -> Self {
        Self { init: Init::Zero, ..self }
    }

    /// The stored weight's shape.
    pub fn weight_shape(&self) -> Vec<usize> {
        if self.linear {
            vec![self.c_out, self.c_in]
        } else {
            vec![self.c_out, self.c_in, self.kernel, self.kernel]
        }
    }

    /// How often the input's height and width are seen.
    pub fn zoom(&self) -> usize {
        if self.upsampled { 2 } else { 1 }
    }

    /// The output's height or width for an input's.
    pub fn output(&self, size: usize) -> usize {
        (self.zoom() * size + 2 * (self.kernel / 2) - self.kernel) / self.stride + 1
    }

    /// Whether the input itself already is the matrix of patches.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && !self.upsampled
    }
}

/// Group size of every normalisation: channels divide into eight groups (as in the reports'
/// successors and torch).
pub const GROUPS: usize = 8;

/// GroupNorm's epsilon (torch's default).
pub const NORM_EPS: f32 = 1e-5;

/// An executor of networks.
///
/// Shapes are `(B, H, W, C)`. Methods take `&mut self` so that an executor can keep scratch memory.
pub trait Backend: Sized {
    /// An activation.
    type Tensor: Clone;
    /// A loaded convolution or linear layer.
    type Conv;
    /// A loaded group normalisation.
    type Norm;
    /// Where weights come from: named tensors in torch's shapes.
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
    /// GroupNorm over [`GROUPS`], then `* (1 + scale) + shift` where `modulation` is `(B, 1, 1,
    /// 2C)` = scale then shift, then SiLU where asked.
    fn norm(
        &mut self,
        x: &Self::Tensor,
        norm: &Self::Norm,
        modulation: Option<&Self::Tensor>,
        silu: bool,
    ) -> Result<Self::Tensor>;
    /// `x * sigmoid(x)`.
    fn silu(&mut self, x: &Self::Tensor) -> Result<Self::Tensor>;
    /// Elementwise sum of equal shapes; a batch, height or width of 1 in `b` repeats.
    fn add(&mut self, a: &Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor>;
    /// Joins along channels; a batch of 1 repeats.
    fn concat(&mut self, parts: &[&Self::Tensor]) -> Result<Self::Tensor>;
    /// Scaled dot-product attention; `q (B, H, W, C)`, `k` and `v` `(B or 1, 1, N, C)` -> `(B, H,
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
    /// Positions as tokens, joined: each `(B, H, W, C)` -> `(B, 1, sum of H*W, C)`.
    fn tokens(&mut self, parts: &[&Self::Tensor]) -> Result<Self::Tensor>;
    /// torch's `pixel_unshuffle`: `(B, H, W, C) -> (B, H/r, W/r, C r r)`, channel `(c, dy, dx)`.
    fn space_to_depth(&mut self, x: &Self::Tensor, r: usize) -> Result<Self::Tensor>;
    /// torch's `pixel_shuffle`: `(B, H, W, C r r) -> (B, H r, W r, C)`.
    fn depth_to_space(&mut self, x: &Self::Tensor, r: usize) -> Result<Self::Tensor>;
}
