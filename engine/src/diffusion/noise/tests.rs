use super::quantile::natural_log;
use super::*;

const COUNT: usize = 200_000;

/// Returns the noise of one column.
type Draw<'a> = &'a dyn Fn(u64) -> Vec<f32>;

fn many() -> Vec<f64> {
    let mut values = Vec::with_capacity(COUNT);
    let mut column = 0;
    while values.len() < COUNT {
        values.extend(gaussian(7, column, 16, 32).into_iter().map(f64::from));
        column += 1;
    }
    values.truncate(COUNT);
    values
}

fn moment(values: &[f64], power: i32) -> f64 {
    values.iter().map(|v| v.powi(power)).sum::<f64>() / values.len() as f64
}

/// Normal distribution function by the complementary error function's series and continued fraction
/// (Abramowitz and Stegun 26.2.10 and 26.2.14): independent of AS 241.
fn normal_cdf(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if x.abs() < 3.0 {
        let (mut term, mut sum) = (x, x);
        for k in 1..100 {
            term *= x * x / f64::from(2 * k + 1);
            sum += term;
        }
        return 0.5 + density * sum;
    }
    let fraction = (1..100).rev().fold(0.0, |below, k| f64::from(k) / (x.abs() + below));
    let upper = density / (x.abs() + fraction);
    if x > 0.0 { 1.0 - upper } else { upper }
}

#[test]
fn moments_are_those_of_the_normal_distribution() {
    let values = many();
    // Four standard errors: 1/sqrt(n), sqrt(2/n), sqrt(15/n) (third moment), sqrt(96/n) (fourth).
    let four_errors = |variance: f64| 4.0 * (variance / COUNT as f64).sqrt();
    assert!(moment(&values, 1).abs() < four_errors(1.0));
    assert!((moment(&values, 2) - 1.0).abs() < four_errors(2.0));
    assert!(moment(&values, 3).abs() < four_errors(15.0));
    assert!((moment(&values, 4) - 3.0).abs() < four_errors(96.0));
}

#[test]
fn kolmogorov_smirnov_does_not_reject_normality() {
    let mut values = many();
    values.sort_by(f64::total_cmp);
    let n = COUNT as f64;
    let distance = values
        .iter()
        .enumerate()
        .map(|(i, &v)| {
            let p = normal_cdf(v);
            (p - i as f64 / n).abs().max((p - (i + 1) as f64 / n).abs())
        })
        .fold(0.0, f64::max);
    // 1.628 / sqrt(n) is the 1 % critical value.
    assert!(distance < 1.628 / n.sqrt(), "{distance}");
}

#[test]
fn neighbours_in_every_dimension_are_independent() {
    let (height, channels, columns) = (16, 32, 400);
    let correlation = |a: Draw, b: Draw| {
        let (mut sum, mut count) = (0.0, 0.0f64);
        for column in 0..columns {
            for (a, b) in a(column).iter().zip(b(column)) {
                sum += f64::from(a * b);
                count += 1.0;
            }
        }
        (sum / count) * count.sqrt()
    };
    let base = |column| gaussian(3, column, height, channels);
    let cases: [(&str, Draw); 6] = [
        ("next column", &|column| gaussian(3, column + 1, height, channels)),
        ("next seed", &|column| gaussian(4, column, height, channels)),
        ("distant seed", &|column| gaussian(3 | 1 << 63, column, height, channels)),
        ("independent", &|column| gaussian(independent_seed(3, 0), column, height, channels)),
        ("next row", &|column| gaussian(3, column, height + 1, channels)[channels..].to_vec()),
        ("next channel", &|column| {
            let mut values = gaussian(3, column, height, channels);
            values.rotate_left(1);
            values
        }),
    ];
    for (name, other) in cases {
        let deviations = correlation(&base, other);
        assert!(deviations.abs() < 4.0, "{name}: {deviations} standard deviations");
    }
}

#[test]
fn overlapping_windows_agree_bit_for_bit_and_keys_do_not_depend_on_sizes() {
    let (height, width, channels) = (16, 16, 32);
    let first = window(11, 100, height, width, channels);
    let second = window(11, 114, height, width, channels);
    for row in 0..height {
        let at = |w: usize| (row * width + w) * channels;
        assert_eq!(first[at(14)..at(16)], second[at(0)..at(2)]);
        let column = gaussian(11, 103, height, channels);
        assert_eq!(first[at(3)..at(4)], column[row * channels..(row + 1) * channels]);
    }
    let (wide, narrow) = (gaussian(11, 5, 4, 8), gaussian(11, 5, 2, 3));
    assert_eq!(wide[..3], narrow[..3]);
    assert_eq!(wide[8..11], narrow[3..]);
    assert!(window(11, 0, 0, 4, 0).is_empty());
    assert_eq!(window(11, u64::MAX, 1, 2, 4).len(), 8);
}

/// The bits that every machine must compute. Computed by this code on x86-64 and pinned, so that a
/// stream is the same on all machines.
#[test]
fn the_bits_are_pinned() {
    let bits: Vec<u32> = gaussian(2025, 42, 2, 2).iter().map(|v| v.to_bits()).collect();
    assert_eq!(bits, PINNED);
}

const PINNED: [u32; 4] = [1_051_506_414, 3_222_152_768, 3_218_809_306, 3_201_486_171];

#[test]
fn the_logarithm_is_exact_to_rounding() {
    for i in 0..4000 {
        let x = (-90.0 + f64::from(i) * 0.03).exp() * (1.0 + 1e-3 * f64::from(i % 7));
        let (ours, theirs) = (natural_log(x), x.ln());
        assert!((ours - theirs).abs() <= 4e-16 * theirs.abs().max(1.0), "{x}: {ours} {theirs}");
    }
}

#[test]
fn the_ends_of_the_hash_stay_finite() {
    for bits in [0, u64::MAX, 1 << 63, (1 << 63) - 1] {
        assert!(normal_quantile(uniform(bits)).abs() < 8.3);
    }
}

#[test]
fn temperature_scales() {
    let mut values = [1.0, -2.0];
    scale_noise(&mut values, 0.5);
    assert_eq!(values, [0.5, -1.0]);
}
