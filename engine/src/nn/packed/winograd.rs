//! 3 x 3 convolutions with 2.25 times fewer products: Winograd's F(2 x 2, 3 x 3) (Lavin and Gray,
//! "Fast Algorithms for Convolutional Neural Networks", arXiv 1509.09308, equations 10 to 12); see
//! `docs/decisions/047-winograd.md`.
//!
//! A tile of 2 x 2 outputs depends on 4 x 4 inputs. The input transform and the weight transform
//! reduce the 36 products of a tile to 16, one per point. For all tiles these are 16 matrix
//! products (tiles by channels). The output transform computes the tile from them. Tiles are
//! independent, so that the bits do not depend on the batch.

use pulp::{Arch, Simd, WithSimd};

use super::panels::{PackedMatrix, RowRuns};
use super::to_channels_last;
use crate::nn::backend::ConvSpec;

/// Points per tile.
const POINTS: usize = 16;
/// Tiles that are computed together, so that their transformed inputs stay in the L2 cache.
const BLOCK_TILES: usize = 64;
/// Largest smaller side (`c_in` or `c_out`) of a layer. Wider layers have few tiles, and reading
/// 16/9 as many weights dominates.
const CHANNELS_MAX: usize = 128;
/// Smallest side. With fewer channels the transforms cost more than the saved products.
const CHANNELS_MIN: usize = 16;

/// A layer's transformed weights, a matrix `[c_in, c_out]` per point.
#[derive(Debug)]
pub(super) struct Winograd {
    c_in: usize,
    c_out: usize,
    points: Vec<PackedMatrix>,
}

/// Scratch memory shared by the layers of an executor.
#[derive(Debug, Default)]
pub(super) struct WinogradScratch {
    /// Four lines between the transforms along the two axes.
    lines: Vec<f32>,
    /// `[point, tile, c_in]`: the transformed inputs.
    inputs: Vec<f32>,
    /// `[point, tile, c_out]`.
    products: Vec<f32>,
    starts: Vec<usize>,
    to: Vec<usize>,
}

/// A block of consecutive lines of tiles.
#[derive(Clone, Copy)]
struct Block {
    /// Height of an output image.
    height: usize,
    width: usize,
    /// The first line of tiles, counted over all images.
    first: usize,
    lines: usize,
}

impl Block {
    /// Lines of tiles per image.
    fn down(&self) -> usize {
        self.height.div_ceil(2)
    }

    fn across(&self) -> usize {
        self.width.div_ceil(2)
    }

    fn tiles(&self) -> usize {
        self.lines * self.across()
    }

    /// The image and the upper output line of every line of tiles.
    fn positions(self) -> impl Iterator<Item = (usize, usize)> {
        (self.first..self.first + self.lines)
            .map(move |line| (line / self.down(), line % self.down() * 2))
    }
}

impl Winograd {
    /// Whether a layer uses this algorithm.
    pub fn suits(spec: &ConvSpec) -> bool {
        let (fewest, most) = (spec.c_in.min(spec.c_out), CHANNELS_MAX);
        let plain = spec.kernel == 3 && spec.stride == 1 && !spec.upsampled;
        plain && (CHANNELS_MIN..=most).contains(&fewest)
    }

    /// Transforms and packs weights `[c_out, c_in, 3, 3]`.
    pub fn new(spec: &ConvSpec, stored: &[f32]) -> Self {
        let (c_in, c_out) = (spec.c_in, spec.c_out);
        let mut points = vec![vec![0.0; c_in * c_out]; POINTS];
        for (o, kernel) in to_channels_last(stored, spec).chunks_exact(9 * c_in).enumerate() {
            for c in 0..c_in {
                let rows = std::array::from_fn::<_, 3, _>(|y| {
                    [0, 1, 2].map(|x| kernel[(y * 3 + x) * c_in + c])
                });
                let down: [[f32; 4]; 3] =
                    std::array::from_fn(|x| transform_weights(rows.map(|row| row[x])));
                for y in 0..4 {
                    let across = transform_weights(down.map(|column| column[y]));
                    across
                        .iter()
                        .enumerate()
                        .for_each(|(x, v)| points[y * 4 + x][c * c_out + o] = *v);
                }
            }
        }
        Self {
            c_in,
            c_out,
            points: points.iter().map(|values| PackedMatrix::new(values, c_out)).collect(),
        }
    }

    /// Height and width of the padded input for an output size. There is one line of zeros before
    /// it, and the rest of the last tiles' receptive field after it.
    pub fn padded([height, width]: [usize; 2]) -> [usize; 2] {
        [height, width].map(|positions| positions.div_ceil(2) * 2 + 2)
    }

    /// Adds the convolution of padded images to `y (batch, height, width, c_out)`.
    pub fn add(
        &self,
        padded: &[f32],
        [batch, height, width]: [usize; 3],
        y: &mut [f32],
        scratch: &mut WinogradScratch,
    ) {
        let most = (BLOCK_TILES / width.div_ceil(2)).max(1);
        let all = batch * height.div_ceil(2);
        for first in (0..all).step_by(most) {
            let block = Block { height, width, first, lines: most.min(all - first) };
            scratch.fit(&block, self);
            Arch::new().dispatch(InputTransform { block, c: self.c_in, padded, scratch });
            self.multiply(block.tiles(), scratch);
            Arch::new().dispatch(OutputTransform { block, c: self.c_out, scratch, y });
        }
    }

    /// Computes the matrix product of every point.
    fn multiply(&self, tiles: usize, scratch: &mut WinogradScratch) {
        let WinogradScratch { inputs, products, starts, to, .. } = scratch;
        let points = inputs
            .chunks_exact(tiles * self.c_in)
            .zip(products.chunks_exact_mut(tiles * self.c_out));
        for (weights, (data, out)) in self.points.iter().zip(points) {
            weights.multiply(
                RowRuns { data, starts, runs: 1, run: self.c_in, stride: self.c_in },
                to,
                out,
            );
        }
    }
}

/// Transforms a line of three weights to four points: `G` of the paper.
fn transform_weights([a, b, c]: [f32; 3]) -> [f32; 4] {
    [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c]
}

impl WinogradScratch {
    fn fit(&mut self, block: &Block, layer: &Winograd) {
        let (tiles, [_, width]) = (block.tiles(), Winograd::padded([block.height, block.width]));
        self.lines.resize(4 * width * layer.c_in.max(layer.c_out), 0.0);
        self.inputs.resize(POINTS * tiles * layer.c_in, 0.0);
        self.products.clear();
        self.products.resize(POINTS * tiles * layer.c_out, 0.0);
        self.starts.clear();
        self.starts.extend((0..tiles).map(|tile| tile * layer.c_in));
        self.to.clear();
        self.to.extend((0..tiles).map(|tile| tile * layer.c_out));
    }
}

/// The input transform: `B` of the paper, along both axes.
struct InputTransform<'a> {
    block: Block,
    c: usize,
    padded: &'a [f32],
    scratch: &'a mut WinogradScratch,
}

impl WithSimd for InputTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { block, c, padded, scratch: WinogradScratch { lines, inputs, .. } } = self;
        let [height, width] = Winograd::padded([block.height, block.width]);
        let (tiles, across, line_len) = (block.tiles(), block.across(), width * c);
        for (number, (image, line)) in block.positions().enumerate() {
            let from = &padded[(image * height + line) * line_len..][..4 * line_len];
            let [p, q, r, s] = quarters(from);
            let at = |point| point * line_len..(point + 1) * line_len;
            subtract(&mut lines[at(0)], p, r);
            add(&mut lines[at(1)], q, r);
            subtract(&mut lines[at(2)], r, q);
            subtract(&mut lines[at(3)], q, s);
            for (down, line) in lines[..4 * line_len].chunks_exact(line_len).enumerate() {
                for x in 0..across {
                    let [p, q, r, s] = quarters(&line[2 * x * c..][..4 * c]);
                    let at = |point| ((down * 4 + point) * tiles + number * across + x) * c;
                    subtract(&mut inputs[at(0)..][..c], p, r);
                    add(&mut inputs[at(1)..][..c], q, r);
                    subtract(&mut inputs[at(2)..][..c], r, q);
                    subtract(&mut inputs[at(3)..][..c], q, s);
                }
            }
        }
    }
}

/// The output transform, added to `y`: `A` of the paper, along both axes.
struct OutputTransform<'a> {
    block: Block,
    c: usize,
    scratch: &'a mut WinogradScratch,
    y: &'a mut [f32],
}

impl WithSimd for OutputTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { block, c, scratch: WinogradScratch { lines, products, .. }, y } = self;
        let (tiles, across) = (block.tiles(), block.across());
        let (line_len, out_len) = (2 * across * c, block.width * c);
        for (number, (image, top)) in block.positions().enumerate() {
            for (down, line) in lines[..4 * line_len].chunks_exact_mut(line_len).enumerate() {
                for (x, pair) in line.chunks_exact_mut(2 * c).enumerate() {
                    let at = |point| ((down * 4 + point) * tiles + number * across + x) * c;
                    let [p, q, r, s] = [0, 1, 2, 3].map(|point| &products[at(point)..][..c]);
                    let (left, right) = pair.split_at_mut(c);
                    combine(left, p, q, r, 1.0);
                    combine(right, q, r, s, -1.0);
                }
            }
            let [p, q, r, s] = quarters(&lines[..4 * line_len]);
            let out = &mut y[(image * block.height + top) * out_len..];
            let (upper, lower) = out.split_at_mut(out_len);
            add_combination(upper, p, q, r, 1.0);
            if top + 1 < block.height {
                add_combination(&mut lower[..out_len], q, r, s, -1.0);
            }
        }
    }
}

/// Four parts of equal length.
#[inline(always)]
fn quarters(values: &[f32]) -> [&[f32]; 4] {
    let len = values.len() / 4;
    [0, 1, 2, 3].map(|i| &values[i * len..][..len])
}

// Loops instead of closures, see `docs/decisions/041-simd-dispatch-by-type.md`.

#[inline(always)]
fn add(out: &mut [f32], a: &[f32], b: &[f32]) {
    for ((y, a), b) in out.iter_mut().zip(a).zip(b) {
        *y = a + b;
    }
}

#[inline(always)]
fn subtract(out: &mut [f32], a: &[f32], b: &[f32]) {
    for ((y, a), b) in out.iter_mut().zip(a).zip(b) {
        *y = a - b;
    }
}

/// Combines three products for a left or upper position (`sign` 1) or a right or lower one (-1).
#[inline(always)]
fn combine(out: &mut [f32], a: &[f32], b: &[f32], c: &[f32], sign: f32) {
    for (((y, a), b), c) in out.iter_mut().zip(a).zip(b).zip(c) {
        *y = a + sign * (b + c);
    }
}

/// As [`combine`], added to `out`.
#[inline(always)]
fn add_combination(out: &mut [f32], a: &[f32], b: &[f32], c: &[f32], sign: f32) {
    for (((y, a), b), c) in out.iter_mut().zip(a).zip(b).zip(c) {
        *y += a + sign * (b + c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::noise;

    /// Zero-pads images as a layer does.
    fn padded(x: &[f32], [batch, height, width]: [usize; 3], c: usize) -> Vec<f32> {
        let [tall, wide] = Winograd::padded([height, width]);
        let mut out = vec![0.0; batch * tall * wide * c];
        for (line, values) in x.chunks_exact(width * c).enumerate() {
            let at = ((line / height * tall + line % height + 1) * wide + 1) * c;
            out[at..at + width * c].copy_from_slice(values);
        }
        out
    }

    fn convolved(
        layer: &Winograd,
        x: &[f32],
        dims: [usize; 3],
        scratch: &mut WinogradScratch,
    ) -> Vec<f32> {
        let mut y = vec![0.5; dims.iter().product::<usize>() * layer.c_out];
        layer.add(&padded(x, dims, layer.c_in), dims, &mut y, scratch);
        y
    }

    /// The sum over the receptive field of a position.
    fn expected(
        x: &[f32],
        [_, h, w]: [usize; 3],
        weights: &[f32],
        spec: &ConvSpec,
        at: [usize; 4],
    ) -> f64 {
        let ([image, y, x_, o], c_in) = (at, spec.c_in);
        let mut sum = 0.5;
        for (ky, kx) in (0..3).flat_map(|ky| (0..3).map(move |kx| (ky, kx))) {
            let (line, column) = ((y + ky).wrapping_sub(1), (x_ + kx).wrapping_sub(1));
            if line < h && column < w {
                let pixel = &x[((image * h + line) * w + column) * c_in..][..c_in];
                let weight = |c: usize| weights[((o * c_in + c) * 3 + ky) * 3 + kx];
                sum += pixel
                    .iter()
                    .enumerate()
                    .map(|(c, v)| f64::from(*v) * f64::from(weight(c)))
                    .sum::<f64>();
            }
        }
        sum
    }

    /// Even and odd sizes, several images, blocks of one and of several lines of tiles that end
    /// inside an image. The scratch memory is reused from another layer.
    #[test]
    fn it_is_the_convolution() {
        let (mut scratch, sizes) =
            (WinogradScratch::default(), [[1, 16, 16], [2, 5, 7], [1, 1, 1], [3, 10, 32]]);
        for (dims, c_in, c_out) in sizes
            .map(|dims| (dims, 24, 40))
            .into_iter()
            .chain([([1, 3, 150], 17, 16), ([1, 4, 4], 16, 33)])
        {
            let spec = ConvSpec::conv(c_in, c_out, 3, 1);
            assert!(Winograd::suits(&spec));
            let weights = noise::gaussian(1, 0, 9 * c_in * c_out, 1);
            let [b, h, w] = dims;
            let x = noise::gaussian(2, 0, b * h * w * c_in, 1);
            let layer = Winograd::new(&spec, &weights);
            let found = convolved(&layer, &x, dims, &mut scratch);
            assert_eq!(
                found,
                convolved(&layer, &x, dims, &mut WinogradScratch::default()),
                "{dims:?}"
            );
            for (i, found) in found.iter().enumerate() {
                let (position, o) = (i / c_out, i % c_out);
                let at = [position / (h * w), position / w % h, position % w, o];
                let expected = expected(&x, dims, &weights, &spec, at);
                assert!(
                    (f64::from(*found) - expected).abs() < 1e-4,
                    "{dims:?}, {at:?}: {found}, {expected}"
                );
            }
        }
    }

    /// A single image is divided into other blocks.
    #[test]
    fn the_bits_do_not_depend_on_the_batch() {
        let (spec, dims, scratch) =
            (ConvSpec::conv(16, 32, 3, 1), [3, 10, 32], &mut WinogradScratch::default());
        let layer = Winograd::new(&spec, &noise::gaussian(1, 0, 9 * 16 * 32, 1));
        let x = noise::gaussian(2, 0, 3 * 10 * 32 * 16, 1);
        let together = convolved(&layer, &x, dims, scratch);
        for (x, expected) in x.chunks_exact(10 * 32 * 16).zip(together.chunks_exact(10 * 32 * 32)) {
            assert_eq!(convolved(&layer, x, [1, 10, 32], scratch), expected);
        }
    }

    #[test]
    fn unsuitable_layers_are_not_transformed() {
        let others = [
            ConvSpec::conv(64, 64, 3, 2),
            ConvSpec::conv(64, 64, 1, 1),
            ConvSpec::upsampled(64, 64),
            ConvSpec::conv(15, 64, 3, 1),
            ConvSpec::conv(129, 129, 3, 1),
        ];
        assert!(!others.iter().any(Winograd::suits));
        assert!(
            [ConvSpec::conv(16, 64, 3, 1), ConvSpec::conv(128, 256, 3, 1)]
                .iter()
                .all(Winograd::suits)
        );
    }
}
