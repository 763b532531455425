//! Means and their bootstrap intervals.

use std::collections::BTreeMap;

use rand::Rng;

use crate::data::random;

/// Resamples of the bootstrap.
const DRAWS: u64 = 1000;

/// The mean; NaN if there are no values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// 95 % interval of the ratio of two means, by resampling of pieces (Efron 1979).
pub fn ratio_interval(above: &[f64], below: &[f64], pieces: &[usize], seed: u64) -> (f64, f64) {
    let mut by_piece: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for ((a, b), piece) in above.iter().zip(below).zip(pieces) {
        let sums = by_piece.entry(*piece).or_default();
        *sums = (sums.0 + a, sums.1 + b);
    }
    let sums: Vec<(f64, f64)> = by_piece.into_values().collect();
    let mut ratios: Vec<f64> = (0..DRAWS)
        .map(|draw| {
            let mut rng = random::stream(seed, "bootstrap", draw);
            let picks = (0..sums.len()).map(|_| sums[rng.random_range(0..sums.len())]);
            let (a, b) = picks.fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
            a / b
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let quantile = |share: f64| ratios[((ratios.len() - 1) as f64 * share) as usize];
    (quantile(0.025), quantile(0.975))
}

/// 95 % interval of a mean, by resampling of pieces.
pub fn mean_interval(values: &[f64], pieces: &[usize], seed: u64) -> (f64, f64) {
    ratio_interval(values, &vec![1.0; values.len()], pieces, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ratios_have_an_empty_interval_and_others_one_around_the_mean() {
        let (low, high) = ratio_interval(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0], &[0, 1, 2], 1);
        assert_eq!((low, high), (0.5, 0.5));
        let (low, high) = mean_interval(&[0.5, 1.5, 1.0, 2.0], &[0, 1, 2, 3], 1);
        assert!(low < 1.25 && 1.25 < high);
    }
}
