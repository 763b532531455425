//! Images, rounded, inside a margin of zeros: what a kernel sees beyond an edge is there.

use pulp::{Arch, Simd, WithSimd};

use super::memory::Aligned;
use super::rounded;

/// The shape of one image and its margin.
#[derive(Clone, Copy, Debug)]
pub struct Padded {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub margin: usize,
}

impl Padded {
    /// Values of a line with its margin.
    pub fn line(&self) -> usize {
        (self.width + 2 * self.margin) * self.channels
    }

    /// Values of an image with its margin.
    pub fn image(&self) -> usize {
        (self.height + 2 * self.margin) * self.line()
    }

    /// Rounds images into `memory`, which may hold anything before. A value follows the last image,
    /// so that pairs may begin with its last one.
    pub fn fill<'m>(&self, images: &[f32], memory: &'m mut Aligned) -> &'m [u16] {
        let count = images.len() / (self.height * self.width * self.channels);
        let out = memory.slice(count * self.image() + 1);
        out[count * self.image()..].fill(0);
        let (above, beside) = (self.margin * self.line(), self.margin * self.channels);
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
                line[..beside].fill(0);
                Arch::new().dispatch(Round { values, out: &mut line[beside..][..lines] });
                line[beside + lines..].fill(0);
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
