//! The part of a latent that continues the previous window.

use crate::{Error, Result};

/// Leading columns of a latent with fixed clean values.
///
/// They replace the latent's values before every call of the network and in the result. They are
/// clean, not noised, because the network is trained with a clean prefix and a mask channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Prefix {
    /// Whether a place belongs to the prefix; as long as the latent.
    pub(super) fixed: Vec<bool>,
    /// The values there, 0 elsewhere; as long as the latent.
    clean: Vec<f32>,
}

impl Prefix {
    /// The first `columns` of a latent of shape `(H, W, C)`; `clean` is `(H, columns, C)`,
    /// row-major.
    ///
    /// # Errors
    /// If there are more columns than the latent has, or another number of values.
    pub fn columns(
        clean: &[f32],
        columns: usize,
        [height, width, channels]: [usize; 3],
    ) -> Result<Self> {
        if columns > width {
            return Err(Error::invalid("prefix", format!("at most {width} columns"), columns));
        }
        let (short, long) = (columns * channels, width * channels);
        if clean.len() != height * short {
            let expected = format!("{} values", height * short);
            return Err(Error::invalid("prefix", expected, clean.len()));
        }
        let mut prefix =
            Self { fixed: vec![false; height * long], clean: vec![0.0; height * long] };
        for row in 0..height {
            prefix.fixed[row * long..][..short].fill(true);
            prefix.clean[row * long..][..short].copy_from_slice(&clean[row * short..][..short]);
        }
        Ok(prefix)
    }

    /// Refuses a latent of another size.
    pub(super) fn require_len(&self, len: usize) -> Result<()> {
        if self.fixed.len() == len {
            return Ok(());
        }
        Err(Error::invalid("prefix", format!("{len} values"), self.fixed.len()))
    }

    /// Writes the prefix into a latent.
    pub(super) fn apply(&self, latent: &mut [f32]) {
        for ((value, &fixed), &clean) in latent.iter_mut().zip(&self.fixed).zip(&self.clean) {
            if fixed {
                *value = clean;
            }
        }
    }
}
