//! How late the output is: one sum, asked by everybody who reports, compensates or tests latency.

use super::grid::Grid;

/// The parts of the latency in host samples; they add up to [`latency_samples`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyParts {
    /// From one window to the next.
    pub hop_samples: u64,
    /// Two windows are crossfaded.
    pub overlap_samples: u64,
    /// What the worker may take for one window; 0 where the caller waits for it.
    pub deadline_samples: u64,
    /// The resampler's look-ahead.
    pub resampler_samples: u64,
    /// Frames and half an FFT that a window reads before its first and beyond its last wet sample.
    pub look_ahead_samples: u64,
}

/// The latency of a stream in host samples: constant for a grid and a deadline, exact to the
/// sample.
///
/// Wet sample `n` leaves with input sample `n + latency`: the last moment at which the first sample
/// of *every* window's segment is still certain to have been computed `deadline_samples` after that
/// window's input was complete.
pub fn latency_samples(grid: &Grid, deadline_samples: u64) -> u64 {
    grid.reach_samples() + deadline_samples
}

/// Where [`latency_samples`] comes from.
pub fn latency_parts(grid: &Grid, deadline_samples: u64) -> LatencyParts {
    let (hop, overlap, resampler) =
        (grid.hop_samples(), grid.fade_samples(), grid.resampler_samples());
    LatencyParts {
        hop_samples: hop,
        overlap_samples: overlap,
        deadline_samples,
        resampler_samples: resampler,
        look_ahead_samples: grid.reach_samples() - hop - overlap - resampler,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModelConfig;

    #[test]
    fn the_default_is_one_window_and_half_an_fft() {
        let grid = Grid::new(&ModelConfig::default(), 22_050, 5).expect("valid");
        assert_eq!(latency_samples(&grid, 100), 127 * 512 + 1024 + 5 + 100);
        let parts = latency_parts(&grid, 100);
        assert_eq!((parts.hop_samples, parts.overlap_samples), (112 * 512, 8 * 512));
        // 4 frames before the fade, 4 after it less the last hop, half an FFT.
        assert_eq!(parts.look_ahead_samples, 7 * 512 + 1024);
    }
}
