//! Compares the kernels with f64 sums of the rounded values, in many geometries.

use super::conv::{forward, input_gradient};
use super::weight_gradient::weight_gradient;
use super::*;
use engine::nn::ConvSpec;
use engine::nn::kernels::Matrix;

fn values(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
}

fn widened(x: f32) -> f64 {
    f64::from(f32::from_bits(u32::from(rounded(x)) << 16))
}

/// Calls `visit(output, weight, input)` with the indices of every product in `batch` images.
fn for_each_product(shape: &ConvShape, batch: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let (spec, (height, width)) = (shape.spec, shape.output());
    let (k, margin) = (spec.kernel, spec.kernel / 2);
    for position in 0..batch * height * width {
        let (image, y, x) =
            (position / (height * width), position / width % height, position % width);
        for tap in 0..k * k {
            let row = (y * spec.stride + tap / k).wrapping_sub(margin);
            let column = (x * spec.stride + tap % k).wrapping_sub(margin);
            if row >= shape.h || column >= shape.w {
                continue;
            }
            for (to, from) in
                (0..spec.c_out).flat_map(|to| (0..spec.c_in).map(move |from| (to, from)))
            {
                let input = ((image * shape.h + row) * shape.w + column) * spec.c_in + from;
                visit(position * spec.c_out + to, (to * k * k + tap) * spec.c_in + from, input);
            }
        }
    }
}

fn assert_close(found: &[f32], expected: &[f64], name: &str) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let close = (f64::from(*found) - expected).abs() < 2e-4 * (1.0 + expected.abs());
        assert!(close, "{name} at {i}: {found}, {expected}");
    }
}

#[test]
fn a_value_is_rounded_to_the_nearest() {
    for (x, expected) in [
        (1.0, 0x3f80),
        (-2.5, 0xc020),
        (1.003_906_3, 0x3f80),
        (1.011_718_8, 0x3f82),
        (f32::MAX, 0x7f80),
    ] {
        assert_eq!(rounded(x), expected, "{x}");
    }
    assert!(f32::from_bits(u32::from(rounded(f32::from_bits(0x7fff_ffff))) << 16).is_nan());
}

/// All bf16 units of this CPU.
fn units() -> Vec<Bf16> {
    let units = Bf16::all();
    if units.is_empty() {
        println!("skipped: this CPU has no bf16 instructions");
    }
    units
}

#[test]
fn a_convolution_and_its_gradients_are_those_of_the_rounded_values() {
    for bf16 in units() {
        check_convolutions(bf16);
    }
}

fn check_convolutions(bf16: Bf16) {
    let geometries = [
        (ConvSpec::conv(1, 40, 3, 2), 9, 6, 2),
        (ConvSpec::conv(3, 5, 3, 1), 5, 7, 3),
        (ConvSpec::conv(33, 70, 3, 2), 8, 8, 2),
        (ConvSpec::conv(32, 64, 3, 1), 4, 4, 40),
        (ConvSpec::conv(6, 4, 5, 2), 7, 8, 2),
        (ConvSpec::conv(4, 8, 3, 4), 9, 10, 1),
        (ConvSpec::conv(8, 8, 1, 2), 6, 5, 2),
        (ConvSpec::linear(37, 21), 1, 1, 9),
        (ConvSpec::linear(64, 128), 1, 33, 2),
        (ConvSpec::conv(64, 48, 3, 1), 2, 16, 2),
        (ConvSpec::conv(64, 32, 3, 2), 4, 32, 1),
    ];
    for (spec, h, w, batch) in geometries {
        let shape = ConvShape { spec, h, w };
        let outputs = batch * shape.positions() * spec.c_out;
        let (x, weight) =
            (values(batch * h * w * spec.c_in, 1), values(spec.c_out * shape.patch(), 2));
        let (bias, dy) = (values(spec.c_out, 3), values(outputs, 4));
        let mut y: Vec<f64> = (0..outputs).map(|i| f64::from(bias[i % spec.c_out])).collect();
        let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
        for_each_product(&shape, batch, |to, by, from| {
            y[to] += widened(weight[by]) * widened(x[from]);
            dx[from] += widened(weight[by]) * widened(dy[to]);
            dw[by] += widened(x[from]) * widened(dy[to]);
        });
        // Old content of the reused memory must not change the results.
        for images in [batch, batch + 1] {
            let [x, dy] = [&x, &dy].map(|values| vec![f32::NAN; values.len() / batch * images]);
            forward(bf16, shape, &x, &weight, &bias);
            input_gradient(bf16, shape, &dy, &weight);
            weight_gradient(bf16, shape, &x, &dy);
        }
        assert_close(&forward(bf16, shape, &x, &weight, &bias), &y, &format!("{shape:?}"));
        assert_close(&input_gradient(bf16, shape, &dy, &weight), &dx, &format!("{shape:?}: input"));
        let (of_weight, of_bias) = weight_gradient(bf16, shape, &x, &dy);
        assert_close(&of_weight, &dw, &format!("{shape:?}: weight"));
        let db = (0..spec.c_out)
            .map(|c| dy.iter().skip(c).step_by(spec.c_out).map(|v| f64::from(*v)).sum());
        assert_close(&of_bias, &db.collect::<Vec<f64>>(), &format!("{shape:?}: bias"));
    }
}

#[test]
fn a_product_is_that_of_the_rounded_values_in_all_layouts() {
    for bf16 in units() {
        check_products(bf16);
    }
}

fn check_products(bf16: Bf16) {
    for [m, n, k] in [[8, 32, 64], [1, 1, 1], [13, 70, 37], [70, 70, 33], [3, 128, 2]] {
        let (a, b) = (values(m * k, 1), values(k * n, 2));
        let lefts = [Matrix::rows(&a, k), Matrix::transposed(&a, m)];
        let rights = [Matrix::rows(&b, n), Matrix::transposed(&b, k)];
        for (a, b) in lefts.into_iter().flat_map(|left| rights.map(|right| (left, right))) {
            let at = |x: &Matrix, r: usize, c: usize| {
                widened(x.data[r * x.row_stride + c * x.col_stride])
            };
            let sum = |i: usize| (0..k).map(|j| at(&a, i / n, j) * at(&b, j, i % n)).sum::<f64>();
            let expected: Vec<f64> = (0..m * n).map(sum).collect();
            let mut whole = vec![3.0; m * n];
            product(bf16, [m, n, k], a, b, &mut whole, Part::Whole);
            assert_close(&whole, &expected, &format!("{m}x{n}x{k}"));
            let mut lower = vec![f32::NAN; m * n];
            product(bf16, [m, n, k], a, b, &mut lower, Part::Lower);
            for (i, found) in lower.iter().enumerate().filter(|(i, _)| i % n <= i / n) {
                assert_eq!(*found, whole[i], "{m}x{n}x{k} at {i}");
            }
        }
    }
}
