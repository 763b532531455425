//! Colour map and line colours.

/// Nine points of matplotlib's `magma` (CC0), evenly spaced from 0 to 1. Colours between them are
/// interpolated linearly.
const MAGMA: [[u8; 3]; 9] = [
    [0, 0, 4],
    [28, 16, 68],
    [79, 18, 123],
    [129, 37, 129],
    [181, 54, 122],
    [229, 80, 100],
    [251, 135, 97],
    [254, 194, 135],
    [252, 253, 191],
];

/// The colour of a value in `[0, 1]`. Other values are clamped; NaN is white.
pub fn magma(value: f32) -> [u8; 3] {
    if value.is_nan() {
        return [255; 3];
    }
    let position = value.clamp(0.0, 1.0) * (MAGMA.len() - 1) as f32;
    let left = (position as usize).min(MAGMA.len() - 2);
    let share = position - left as f32;
    std::array::from_fn(|i| {
        let (from, to) = (f32::from(MAGMA[left][i]), f32::from(MAGMA[left + 1][i]));
        (from + share * (to - from)).round() as u8
    })
}

/// Colours of the lines of a chart.
pub const PALETTE: [[u8; 3]; 8] = [
    [31, 119, 180],
    [255, 127, 14],
    [44, 160, 44],
    [214, 39, 40],
    [148, 103, 189],
    [140, 86, 75],
    [227, 119, 194],
    [23, 190, 207],
];
