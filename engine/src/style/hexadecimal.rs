//! Numbers as the hexadecimal digits of their bytes: exact, and text as a project's JSON must be.

use std::fmt::Write;

/// Two digits a byte.
pub fn of_bytes(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// `None` if these are not two digits a byte.
pub fn bytes(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        let digits = pair.iter().all(u8::is_ascii_hexdigit).then_some(pair)?;
        u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

/// Eight digits a number, the highest first.
pub fn of_floats(numbers: &[f32]) -> String {
    of_bytes(&numbers.iter().flat_map(|number| number.to_bits().to_be_bytes()).collect::<Vec<u8>>())
}

/// `None` if these are not whole numbers of eight digits, or one of them is not finite.
pub fn floats(digits: &str) -> Option<Vec<f32>> {
    let bytes = bytes(digits)?;
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
    fn what_is_written_is_read_to_the_bit() {
        let numbers = [1.0, -0.1, f32::MIN_POSITIVE, 1e30, -0.0];
        let read = floats(&of_floats(&numbers)).expect("numbers");
        assert!(read.iter().zip(numbers).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert_eq!(of_floats(&[1.0]), "3f800000");
        assert_eq!(bytes(&of_bytes(&[0, 255, 16])), Some(vec![0, 255, 16]));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for digits in ["3f80000", "7fc00000", "ff800000", "+f800000", "\u{e4}\u{e4}\u{e4}\u{e4}"] {
            assert_eq!(floats(digits), None, "{digits}");
        }
    }
}
