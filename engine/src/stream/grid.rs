//! The grid of windows: exact positions of frames, windows and wet segments in host samples.
//!
//! Model sample `m` is at host sample `m * host_rate / model_rate`. Every position is this fraction
//! of integers, rounded once. Rounded steps are never summed, so positions do not drift.

use std::ops::Range;

use crate::config::ModelConfig;
use crate::{Error, Result};

/// Maximum length of a crossfade between two windows, in frames (186 ms at the default hop length).
const MAX_OVERLAP_FRAMES: usize = 8;
/// Maximum number of frames after a window's last wet sample. Padding in the networks and the
/// vocoder's edges cause errors in them.
const MAX_MARGIN_FRAMES: usize = 4;

/// The grid of the windows at one host rate.
///
/// Window `k` reads frames `k * hop_frames - lead_frames ..` and produces the host samples
/// [`Grid::segment`]. Two neighbours share [`Grid::overlap`], near the end of the earlier window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    host_rate_hz: u32,
    model_rate_hz: u32,
    hop_length: u64,
    n_fft: u64,
    frames: u64,
    hop_frames: u64,
    lead_frames: u64,
    fade_start_frames: u64,
    fade_end_frames: u64,
    resampler_samples: u64,
}

impl Grid {
    /// The grid of `config` at `host_rate_hz`; `resampler_samples` is the resampler's look-ahead in
    /// host samples.
    ///
    /// Crossfades are near the *end* of the frames that two windows share. A short hop therefore
    /// has a short latency at any window length. Such a grid starts `lead_frames` before the
    /// stream, in silence. With the default window the lead is 0, and window `k` starts at model
    /// sample `k * hop`.
    ///
    /// # Errors
    /// If the config is not valid, its windows share fewer than 4 frames, or the host rate is not 8
    /// to 192 kHz.
    pub fn new(config: &ModelConfig, host_rate_hz: u32, resampler_samples: usize) -> Result<Self> {
        config.validate()?;
        if !(8_000..=192_000).contains(&host_rate_hz) {
            return Err(Error::invalid("sample rate", "8000 to 192000 Hz", host_rate_hz));
        }
        let window = &config.window;
        if window.overlap_frames < 4 {
            return Err(Error::checkpoint(
                "window.prefix_frames",
                "at least 4",
                window.overlap_frames,
            ));
        }
        let margin = MAX_MARGIN_FRAMES.min(window.overlap_frames / 4).min(window.hop_frames / 2);
        let overlap = MAX_OVERLAP_FRAMES.min(window.overlap_frames / 2).min(window.hop_frames);
        let fade_end = window.overlap_frames - margin;
        let fade_start = fade_end - overlap;
        let column = config.autoencoder.reduction();
        Ok(Self {
            host_rate_hz,
            model_rate_hz: config.mel.sample_rate_hz,
            hop_length: config.mel.hop_length as u64,
            n_fft: config.mel.n_fft as u64,
            frames: window.frames as u64,
            hop_frames: window.hop_frames as u64,
            lead_frames: if fade_start < column { 0 } else { fade_start as u64 },
            fade_start_frames: fade_start as u64,
            fade_end_frames: fade_end as u64,
            resampler_samples: resampler_samples as u64,
        })
    }

    /// The host's sample rate.
    pub fn host_rate_hz(&self) -> u32 {
        self.host_rate_hz
    }

    /// The model's sample rate.
    pub fn model_rate_hz(&self) -> u32 {
        self.model_rate_hz
    }

    /// Frames per window.
    pub fn frames(&self) -> usize {
        self.frames as usize
    }

    /// The first frame of window `k`. Negative only before the start of the stream.
    pub fn first_frame(&self, k: u64) -> i64 {
        (k * self.hop_frames) as i64 - self.lead_frames as i64
    }

    /// The model sample at the centre of frame 0 of window `k`.
    pub fn first_model_sample(&self, k: u64) -> i64 {
        self.first_frame(k) * self.hop_length as i64
    }

    /// The number of model samples that window `k` needs. Its last frame reads `n_fft / 2` beyond
    /// its centre.
    pub fn model_samples(&self, k: u64) -> u64 {
        let last_centre = self.first_model_sample(k) + ((self.frames - 1) * self.hop_length) as i64;
        last_centre.max(0) as u64 + self.n_fft / 2
    }

    /// The number of host samples that window `k` needs before it can be computed.
    pub fn required_samples(&self, k: u64) -> u64 {
        self.host_ceil(self.model_samples(k)) + self.resampler_samples
    }

    /// The host samples that window `k` produces.
    pub fn segment(&self, k: u64) -> Range<u64> {
        let start = if k == 0 {
            0
        } else {
            self.frame_position(k * self.hop_frames + self.fade_start_frames)
        };
        start..self.frame_position((k + 1) * self.hop_frames + self.fade_end_frames)
    }

    /// The host samples that window `k` shares with its predecessor; empty for the first.
    pub fn overlap(&self, k: u64) -> Range<u64> {
        match k {
            0 => 0..0,
            _ => self.segment(k).start..self.segment(k - 1).end,
        }
    }

    /// The longest overlap in host samples. Also the length of fades outside overlaps.
    pub fn fade_samples(&self) -> u64 {
        self.host_ceil((self.fade_end_frames - self.fade_start_frames) * self.hop_length)
    }

    /// Length of a fade into window `k` from `now` on, in host samples. It is the window's overlap,
    /// or [`Self::fade_samples`] if the window is late.
    pub fn fade_in_samples(&self, k: u64, now: u64) -> u64 {
        let overlap = self.overlap(k);
        if now <= overlap.start { overlap.end - overlap.start } else { self.fade_samples() }
    }

    /// Host samples between two windows, rounded up.
    pub fn hop_samples(&self) -> u64 {
        self.host_ceil(self.hop_frames * self.hop_length)
    }

    /// The largest number of new host samples of a window.
    pub fn max_input_samples(&self) -> usize {
        self.required_samples(0).max(self.hop_samples() + 1) as usize
    }

    /// The largest number of host samples that a window produces.
    pub fn max_segment_samples(&self) -> usize {
        let first = self.segment(0).end;
        let frames = self.hop_frames + self.fade_end_frames - self.fade_start_frames;
        first.max(self.host_ceil(frames * self.hop_length) + 1) as usize
    }

    /// Host samples from a window's first wet sample to the last input sample that it needs. The
    /// maximum over all windows.
    pub fn reach_samples(&self) -> u64 {
        let model = (self.frames - 1 - self.fade_start_frames) * self.hop_length + self.n_fft / 2;
        // ceil(a) - floor(b) exceeds ceil(a - b) by 1 at most.
        self.required_samples(0).max(self.host_ceil(model) + 1 + self.resampler_samples)
    }

    /// The host sample of a frame, counted with the lead and rounded down.
    fn frame_position(&self, frame: u64) -> u64 {
        let model = u128::from((frame - self.lead_frames) * self.hop_length);
        (model * u128::from(self.host_rate_hz) / u128::from(self.model_rate_hz)) as u64
    }

    fn host_ceil(&self, model_samples: u64) -> u64 {
        let scaled = u128::from(model_samples) * u128::from(self.host_rate_hz);
        scaled.div_ceil(u128::from(self.model_rate_hz)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WindowConfig;

    fn grids() -> Vec<Grid> {
        let mut live = ModelConfig::default();
        live.window.hop_frames = 16;
        live.window.overlap_frames = 112;
        let window = WindowConfig { frames: 16, hop_frames: 8, overlap_frames: 8 };
        let tiny = ModelConfig { window, ..ModelConfig::default() };
        let window = WindowConfig { frames: 64, hop_frames: 2, overlap_frames: 62 };
        let shortest = ModelConfig { window, ..ModelConfig::default() };
        let rates = [8_000, 22_050, 44_100, 47_999, 48_000, 96_000, 192_000];
        [ModelConfig::default(), live, tiny, shortest]
            .iter()
            .flat_map(|config| rates.map(|rate| Grid::new(config, rate, 77).expect("valid")))
            .collect()
    }

    #[test]
    fn segments_tile_the_stream_and_meet_in_the_overlap() {
        for grid in grids() {
            assert_eq!(grid.segment(0).start, 0);
            for k in (1..50).chain([1 << 20, (1 << 20) + 1]) {
                let (before, here) = (grid.segment(k - 1), grid.segment(k));
                assert!(
                    before.start < here.start && here.start < before.end && before.end < here.end
                );
                assert!(before.end <= grid.segment(k + 1).start, "never three at once");
                let overlap = grid.overlap(k);
                assert_eq!(overlap, here.start..before.end);
                assert!(overlap.end - overlap.start <= grid.fade_samples());
                assert!((here.end - here.start) as usize <= grid.max_segment_samples());
                assert!(
                    (grid.required_samples(k) - grid.required_samples(k - 1)) as usize
                        <= grid.max_input_samples()
                );
            }
        }
    }

    #[test]
    fn every_window_is_computable_one_reach_after_its_first_wet_sample() {
        for grid in grids() {
            for k in 0..2000 {
                assert!(grid.required_samples(k) <= grid.segment(k).start + grid.reach_samples());
            }
        }
    }

    #[test]
    fn the_default_window_starts_at_whole_hops_and_positions_never_drift() {
        let grid = Grid::new(&ModelConfig::default(), 48_000, 0).expect("valid");
        assert_eq!(grid.first_model_sample(3), 3 * 112 * 512);
        // 147 windows of 112 * 512 samples at 22050 Hz are a whole number of samples at 48 kHz.
        let whole = 112 * 512 * 147 * 48_000 / 22_050;
        for k in 1..100 {
            assert_eq!(grid.segment(k + 147 * 1000).start - grid.segment(k).start, whole * 1000);
        }
    }

    #[test]
    fn a_long_window_does_not_cost_latency() {
        let mut live = ModelConfig::default();
        live.window.hop_frames = 16;
        live.window.overlap_frames = 112;
        let grid = Grid::new(&live, 44_100, 0).expect("valid");
        assert_eq!(grid.first_frame(0), -100);
        // 27 frames and half an FFT at twice the model's rate.
        assert_eq!(grid.reach_samples(), 2 * (27 * 512 + 1024) + 1);
    }
}
