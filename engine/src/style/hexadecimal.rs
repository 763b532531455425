//! Numbers as hexadecimal text: exact, and valid inside a project's JSON.

use std::fmt::Write;

/// Two digits per byte.
pub fn from_bytes(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// Decodes [`from_bytes`]. `None` if the text is not two digits per byte.
pub fn to_bytes(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        let digits = pair.iter().all(u8::is_ascii_hexdigit).then_some(pair)?;
        u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

/// Eight digits per number, most significant first.
pub fn from_floats(numbers: &[f32]) -> String {
    let bytes = numbers.iter().flat_map(|number| number.to_bits().to_be_bytes());
    from_bytes(&bytes.collect::<Vec<u8>>())
}

/// Decodes [`from_floats`]. `None` if the text is not eight digits per number, or a number is not
/// finite.
pub fn to_floats(digits: &str) -> Option<Vec<f32>> {
    let bytes = to_bytes(digits)?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    let number = |bytes: &[u8; 4]| {
        Some(f32::from_bits(u32::from_be_bytes(*bytes))).filter(|number| number.is_finite())
    };
    if rest.is_empty() { numbers.iter().map(number).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bytes_are_preserved_exactly() {
        let numbers = [1.0, -0.1, f32::MIN_POSITIVE, 1e30, -0.0];
        let read = to_floats(&from_floats(&numbers)).expect("numbers");
        assert!(read.iter().zip(numbers).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert_eq!(from_floats(&[1.0]), "3f800000");
        assert_eq!(to_bytes(&from_bytes(&[0, 255, 16])), Some(vec![0, 255, 16]));
    }

    #[test]
    fn invalid_numbers_are_none() {
        for digits in ["3f80000", "7fc00000", "ff800000", "+f800000", "\u{e4}\u{e4}\u{e4}\u{e4}"] {
            assert_eq!(to_floats(digits), None, "{digits}");
        }
    }
}
