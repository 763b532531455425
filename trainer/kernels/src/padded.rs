//! Rounded images with a margin of zeros, so that kernels need no special case at the edges.

use pulp::{Arch, Simd, WithSimd};

use super::memory::Aligned;
use super::rounded;

/// Shape of one image `(height, width, channels)`, and its margin in pixels.
#[derive(Clone, Copy, Debug)]
pub struct Padded {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub margin: usize,
}

impl Padded {
    /// Number of values in a line, including the margin.
    pub fn line(&self) -> usize {
        (self.width + 2 * self.margin) * self.channels
    }

    /// Number of values in an image, including the margin.
    pub fn image(&self) -> usize {
        (self.height + 2 * self.margin) * self.line()
    }

    /// Rounds images into `memory` and overwrites its content. One zero follows the last image,
    /// so that a pair can start at its last value.
    pub fn fill<'m>(&self, images: &[f32], memory: &'m mut Aligned) -> &'m [u16] {
        let count = images.len() / (self.height * self.width * self.channels);
        let out = memory.slice(count * self.image() + 1);
        out[count * self.image()..].fill(0);
        let (above, left) = (self.margin * self.line(), self.margin * self.channels);
        let lines = self.width * self.channels;
        for (image, padded) in
            images.chunks_exact(self.height * lines).zip(out.chunks_exact_mut(self.image()))
        {
            let (top, rest) = padded.split_at_mut(above);
            let (middle, bottom) = rest.split_at_mut(self.height * self.line());
            top.fill(0);
            bottom.fill(0);
            for (values, line) in
                image.chunks_exact(lines).zip(middle.chunks_exact_mut(self.line()))
            {
                line[..left].fill(0);
                Arch::new().dispatch(Round { values, out: &mut line[left..][..lines] });
                line[left + lines..].fill(0);
            }
        }
        out
    }
}

struct Round<'a> {
    values: &'a [f32],
    out: &'a mut [u16],
}

impl WithSimd for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.out.iter_mut().zip(self.values).for_each(|(out, x)| *out = rounded(*x));
    }
}
