//! Checks that a state was written by the plugin.

use serde::Deserialize;

use crate::project::VERSION;

/// Upper bound on the size of a state. Projects contain styles but no audio, so real states are
/// much smaller.
pub const MAX_STATE_BYTES: usize = 16 << 20;

/// The part of a state that contains its version.
#[derive(Deserialize)]
struct Outline {
    fields: Fields,
}

#[derive(Deserialize)]
struct Fields {
    /// JSON in a JSON string, which is nice-plug's format of persistent fields.
    project: String,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Whether the plugin wrote a state, in this version or an older one.
pub fn is_ours(state: &[u8]) -> bool {
    let Ok(outline) = serde_json::from_slice::<Outline>(state) else { return false };
    serde_json::from_str::<Version>(&outline.fields.project)
        .is_ok_and(|found| found.version <= VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(version: &str) -> String {
        let project = format!(r#"{{\"version\":{version}}}"#);
        format!(r#"{{"version":"0.1.0","params":{{}},"fields":{{"project":"{project}"}}}}"#)
    }

    #[test]
    fn only_own_states_are_accepted() {
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
