//! A style that outlives its model: tokens, and where they came from.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::StyleTokens;
use super::hexadecimal::{floats, of_floats};
use super::reference_mels::{ReferenceMels, WrittenHeard};

/// Widest tokens that are read.
const MAX_DIM: usize = 4096;

/// Tokens with a name. They mean something to the model that made them alone; any other reads what
/// was heard again.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedStyle {
    /// What it is called.
    pub name: String,
    /// The recording that it was read from; empty for one that was captured.
    pub path: PathBuf,
    /// The style itself.
    pub tokens: Arc<StyleTokens>,
    /// What it was read from, for other models.
    pub heard: Arc<ReferenceMels>,
}

/// How a style is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WrittenStyle {
    name: String,
    path: PathBuf,
    model: String,
    dim: usize,
    tokens: String,
    pooled: String,
    #[serde(default)]
    profile: String,
    instruments: String,
    #[serde(default)]
    heard: Option<WrittenHeard>,
}

impl SavedStyle {
    /// The style as it is written.
    pub fn write(&self) -> WrittenStyle {
        let StyleTokens { model, dim, tokens, pooled, profile, instruments } = &*self.tokens;
        WrittenStyle {
            name: self.name.clone(),
            path: self.path.clone(),
            model: model.clone(),
            dim: *dim,
            tokens: of_floats(tokens),
            pooled: of_floats(pooled),
            profile: of_floats(profile),
            instruments: of_floats(instruments),
            heard: (*self.heard != ReferenceMels::default()).then(|| self.heard.write()),
        }
    }

    /// The style that was written; `None` where it is damaged.
    pub fn read(written: WrittenStyle) -> Option<Self> {
        let WrittenStyle { name, path, model, dim, tokens, pooled, profile, instruments, heard } =
            written;
        let tokens = StyleTokens {
            model,
            dim,
            tokens: floats(&tokens)?,
            pooled: floats(&pooled)?,
            profile: floats(&profile)?,
            instruments: floats(&instruments)?,
        };
        let whole = (1..=MAX_DIM).contains(&dim)
            && tokens.tokens.len().is_multiple_of(dim)
            && tokens.count() > 0;
        // Without its evidence a style still plays with its own model.
        let heard = heard.and_then(ReferenceMels::read).unwrap_or_default();
        whole.then(|| Self { name, path, tokens: Arc::new(tokens), heard: Arc::new(heard) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MelConfig;
    use crate::image::MelImage;

    fn kept() -> SavedStyle {
        let tokens = StyleTokens {
            model: "abc".into(),
            dim: 2,
            tokens: vec![1.0, -0.1, f32::MIN_POSITIVE, 1e30],
            pooled: vec![0.3],
            profile: vec![0.4, 0.5],
            instruments: vec![],
        };
        let heard =
            ReferenceMels::from_images(&MelConfig::default(), &[MelImage::filled(128, 2, 0.5)]);
        SavedStyle {
            name: "Sax".into(),
            path: "/sax.wav".into(),
            tokens: Arc::new(tokens),
            heard: Arc::new(heard),
        }
    }

    #[test]
    fn what_is_written_is_read_to_the_bit() {
        assert_eq!(SavedStyle::read(kept().write()), Some(kept()));
    }

    #[test]
    fn damage_is_left_out() {
        let damages: [fn(&mut WrittenStyle); 7] = [
            |written| written.profile.truncate(7),
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
            assert_eq!(SavedStyle::read(written), None);
        }
    }
}
