//! Which states are let in.

use serde::Deserialize;

use crate::project::VERSION;

/// The largest state that we could have written, with room to spare: styles are kept, recordings
/// are not.
pub const MAX_STATE_BYTES: usize = 16 << 20;

/// The part of a state that says what it is.
#[derive(Deserialize)]
struct Outline {
    fields: Fields,
}

#[derive(Deserialize)]
struct Fields {
    /// JSON inside of JSON, as nice-plug writes persistent fields.
    project: String,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Whether a state is one of ours, of this version or an older one.
pub fn is_ours(state: &[u8]) -> bool {
    let Ok(outline) = serde_json::from_slice::<Outline>(state) else { return false };
    serde_json::from_str::<Version>(&outline.fields.project)
        .is_ok_and(|found| found.version <= VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(version: &str) -> String {
        format!(
            r#"{{"version":"0.1.0","params":{{}},"fields":{{"project":"{{\"version\":{version}}}"}}}}"#
        )
    }

    #[test]
    fn only_ours_are_let_in() {
        assert!(is_ours(state("1").as_bytes()));
        for foreign in
            [state("2"), state("-1"), state("null"), "{}".into(), String::new(), "[1e999]".into()]
        {
            assert!(!is_ours(foreign.as_bytes()), "{foreign}");
        }
        let whole = state("1");
        assert!((0..whole.len()).all(|len| !is_ours(&whole.as_bytes()[..len])), "truncated");
    }
}
