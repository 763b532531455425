//! A style that can be used with other models: tokens and the mel images they were computed from.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::StyleTokens;
use super::hexadecimal::{from_floats, to_floats};
use super::reference_mels::{ReferenceMels, WrittenMels};

/// Widest tokens that are read.
const MAX_DIM: usize = 4096;

/// Tokens with a name. Only the model that computed the tokens can use them. Other models compute
/// theirs from the mel images.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedStyle {
    /// The style's display name.
    pub name: String,
    /// The recording that it was computed from; empty for a style captured from the sidechain.
    pub path: PathBuf,
    /// The style.
    pub tokens: Arc<StyleTokens>,
    /// The mel images that it was computed from; empty in files of old versions.
    pub mels: Arc<ReferenceMels>,
}

/// The serialised form.
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
    #[serde(default, rename = "heard")]
    mels: Option<WrittenMels>,
}

impl SavedStyle {
    /// The serialised form.
    pub fn write(&self) -> WrittenStyle {
        let StyleTokens { model, dim, tokens, pooled, profile, instruments } = &*self.tokens;
        WrittenStyle {
            name: self.name.clone(),
            path: self.path.clone(),
            model: model.clone(),
            dim: *dim,
            tokens: from_floats(tokens),
            pooled: from_floats(pooled),
            profile: from_floats(profile),
            instruments: from_floats(instruments),
            mels: (*self.mels != ReferenceMels::default()).then(|| self.mels.write()),
        }
    }

    /// Restores the style; `None` if it is damaged.
    pub fn read(written: WrittenStyle) -> Option<Self> {
        let WrittenStyle { name, path, model, dim, tokens, pooled, profile, instruments, mels } =
            written;
        let tokens = StyleTokens {
            model,
            dim,
            tokens: to_floats(&tokens)?,
            pooled: to_floats(&pooled)?,
            profile: to_floats(&profile)?,
            instruments: to_floats(&instruments)?,
        };
        let whole = (1..=MAX_DIM).contains(&dim)
            && tokens.tokens.len().is_multiple_of(dim)
            && tokens.count() > 0;
        // The tokens' own model can use a style without mel images.
        let mels = mels.and_then(ReferenceMels::read).unwrap_or_default();
        whole.then(|| Self { name, path, tokens: Arc::new(tokens), mels: Arc::new(mels) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MelConfig;
    use crate::image::MelImage;

    fn saved() -> SavedStyle {
        let tokens = StyleTokens {
            model: "abc".into(),
            dim: 2,
            tokens: vec![1.0, -0.1, f32::MIN_POSITIVE, 1e30],
            pooled: vec![0.3],
            profile: vec![0.4, 0.5],
            instruments: vec![],
        };
        let mels =
            ReferenceMels::from_images(&MelConfig::default(), &[MelImage::filled(128, 2, 0.5)]);
        SavedStyle {
            name: "Sax".into(),
            path: "/sax.wav".into(),
            tokens: Arc::new(tokens),
            mels: Arc::new(mels),
        }
    }

    #[test]
    fn a_style_is_preserved_exactly() {
        assert_eq!(SavedStyle::read(saved().write()), Some(saved()));
        let json = serde_json::to_value(saved().write()).expect("JSON");
        assert!(json["heard"]["levels"].is_string(), "the field name of existing files");
    }

    #[test]
    fn a_damaged_style_is_rejected() {
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
            let mut written = saved().write();
            damage(&mut written);
            assert_eq!(SavedStyle::read(written), None);
        }
    }
}
