//! How late the output is: one sum, asked by everybody who reports, compensates or tests latency.

use super::grid::Grid;

/// The latency of a stream in host samples: constant for a grid and a deadline, exact to the
/// sample.
///
/// Wet sample `n` leaves with input sample `n + latency`: the last moment at which the first sample
/// of *every* window's segment is still certain to have been computed `deadline_samples` after that
/// window's input was complete.
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
