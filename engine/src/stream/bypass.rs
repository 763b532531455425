//! The bypass: replaces the output by the input, delayed by the latency.

use super::delay_line::DelayLine;
use super::ramp::Ramp;

/// Fades between the output and the delayed input.
///
/// Its delay line contains the input before the input gain. The dry signal of
/// [`super::overlap_add::OverlapAdd`] is delayed after that gain. The gain may change at any
/// sample, so neither line can be derived from the other.
#[derive(Debug)]
pub(super) struct Bypass {
    input: DelayLine,
    /// 0 (the output) to 1 (the delayed input).
    share: Ramp,
    delayed: Vec<f32>,
}

impl Bypass {
    /// A bypass for `latency` and pieces of at most `max_piece` samples, switched off.
    pub fn new(channels: usize, latency: u64, max_piece: usize, sample_rate_hz: f32) -> Self {
        Self {
            input: DelayLine::new(channels, latency as usize + max_piece),
            share: Ramp::new(0.0, sample_rate_hz),
            delayed: vec![0.0; max_piece],
        }
    }

    /// Clears the delay line.
    pub fn reset(&mut self) {
        self.input.reset();
    }

    /// Switches the bypass, with a ramp.
    pub fn set(&mut self, bypassed: bool) {
        self.share.set(if bypassed { 1.0 } else { 0.0 });
    }

    /// Ends a ramp at once.
    pub fn settle(&mut self) {
        self.share.settle();
    }

    /// Appends one piece of the input (channels x samples).
    pub fn write(&mut self, piece: &[Vec<f32>]) {
        self.input.write(piece);
    }

    /// Mixes the input from `position` on into one piece of the output.
    pub fn mix(&mut self, position: i64, output: &mut [Vec<f32>]) {
        if self.share.settled() == Some(0.0) {
            return;
        }
        let share = self.share;
        for (c, channel) in output.iter_mut().enumerate() {
            self.share = share;
            let delayed = &mut self.delayed[..channel.len()];
            self.input.read(c, position, delayed);
            for (out, &input) in channel.iter_mut().zip(&*delayed) {
                let share = self.share.next();
                *out = if share == 1.0 { input } else { *out + (input - *out) * share };
            }
        }
    }
}
