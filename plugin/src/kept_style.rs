//! A style that a project keeps: tokens, and where they came from.

use std::path::PathBuf;
use std::sync::Arc;

use engine::style::StyleTokens;
use serde::{Deserialize, Serialize};

/// Widest tokens that are read.
const MAX_DIM: usize = 4096;

/// Tokens with a name. They mean something to the model that made them alone.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptStyle {
    /// What the editor calls it.
    pub name: String,
    /// The recording that it was read from; empty for one that was captured.
    pub path: PathBuf,
    /// The style itself.
    pub tokens: Arc<StyleTokens>,
}

/// How a style is written: numbers as the hexadecimal digits of their bytes, short and exact.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WrittenStyle {
    name: String,
    path: PathBuf,
    model: String,
    dim: usize,
    tokens: String,
    pooled: String,
    instruments: String,
}

impl KeptStyle {
    /// The style as it is written.
    pub fn write(&self) -> WrittenStyle {
        let StyleTokens { model, dim, tokens, pooled, instruments } = &*self.tokens;
        WrittenStyle {
            name: self.name.clone(),
            path: self.path.clone(),
            model: model.clone(),
            dim: *dim,
            tokens: digits(tokens),
            pooled: digits(pooled),
            instruments: digits(instruments),
        }
    }

    /// The style that was written; `None` where it is damaged.
    pub fn read(written: WrittenStyle) -> Option<Self> {
        let WrittenStyle { name, path, model, dim, tokens, pooled, instruments } = written;
        let tokens = StyleTokens {
            model,
            dim,
            tokens: numbers(&tokens)?,
            pooled: numbers(&pooled)?,
            instruments: numbers(&instruments)?,
        };
        let whole =
            (1..=MAX_DIM).contains(&dim) && tokens.tokens.len().is_multiple_of(dim) && tokens.count() > 0;
        whole.then(|| Self { name, path, tokens: Arc::new(tokens) })
    }
}

fn digits(numbers: &[f32]) -> String {
    numbers.iter().map(|number| format!("{:08x}", number.to_bits())).collect()
}

/// `None` if these are not whole numbers of eight digits, or one of them is not finite.
fn numbers(digits: &str) -> Option<Vec<f32>> {
    let (digits, rest) = digits.as_bytes().as_chunks::<8>();
    let number = |digits: &[u8; 8]| {
        let bits = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        Some(f32::from_bits(bits)).filter(|number| number.is_finite())
    };
    if rest.is_empty() { digits.iter().map(number).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> KeptStyle {
        let tokens = StyleTokens {
            model: "abc".into(),
            dim: 2,
            tokens: vec![1.0, -0.1, f32::MIN_POSITIVE, 1e30],
            pooled: vec![0.3],
            instruments: vec![],
        };
        KeptStyle { name: "Sax".into(), path: "/sax.wav".into(), tokens: Arc::new(tokens) }
    }

    #[test]
    fn what_is_written_is_read_to_the_bit() {
        assert_eq!(KeptStyle::read(kept().write()), Some(kept()));
    }

    #[test]
    fn damage_is_left_out() {
        let damages: [fn(&mut WrittenStyle); 6] = [
            |written| written.dim = 0,
            |written| written.dim = 3,
            |written| written.tokens.clear(),
            |written| written.pooled.truncate(7),
            |written| written.pooled = "7fc00000".into(),
            |written| written.tokens = "ääää".into(),
        ];
        for damage in damages {
            let mut written = kept().write();
            damage(&mut written);
            assert_eq!(KeptStyle::read(written), None);
        }
    }
}
