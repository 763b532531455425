//! The latency of a stream, for reports, compensation and tests.

use super::grid::Grid;

/// The latency of a stream in host samples: constant for a grid and a deadline, exact to the
/// sample.
///
/// Wet sample `n` is output with input sample `n + latency`. Every window then has at least
/// `deadline_samples` for its computation. This time is from its last input sample to its first
/// output sample.
pub fn latency_samples(grid: &Grid, deadline_samples: u64) -> u64 {
    grid.reach_samples() + deadline_samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModelConfig;

    #[test]
    fn the_default_is_one_window_and_half_an_fft() {
        let grid = Grid::new(&ModelConfig::default(), 22_050, 5).expect("valid");
        assert_eq!(latency_samples(&grid, 100), 127 * 512 + 1024 + 5 + 100);
    }
}
