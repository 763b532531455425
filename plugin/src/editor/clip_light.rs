//! A light that shows that the output exceeded full scale.

use egui::{Align2, Rect, Sense, Ui};

use super::theme;
use crate::shared::AtomicLevel;

const TOOLTIP_OFF: &str = "Lights up when a sample of the output exceeds 0 dBFS.";
const TOOLTIP_ON: &str =
    "The output exceeded 0 dBFS. Lower Output gain or use the limiter. Click to reset.";

/// Lit from the first sample above full scale until the user clicks on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClipLight {
    lit: bool,
}

impl ClipLight {
    /// Lights up if a peak exceeds full scale. Does not reset the peaks.
    pub fn update(&mut self, peaks: &[AtomicLevel; 2]) {
        self.lit |= peaks.iter().any(|peak| peak.get() > 1.0);
    }

    /// Draws the light in `rect`.
    pub fn show(&mut self, ui: &mut Ui, rect: Rect) {
        let tooltip = if self.lit { TOOLTIP_ON } else { TOOLTIP_OFF };
        let response = ui.interact(rect, ui.scope_id().with("clip light"), Sense::click());
        if response.on_hover_text(tooltip).clicked() {
            self.lit = false;
        }
        let (fill, color) = match self.lit {
            true => (theme::WARNING, theme::BACKGROUND),
            false => (theme::RAISED, theme::FAINT),
        };
        ui.painter().rect_filled(rect, 3.0, fill);
        ui.painter().text(rect.center(), Align2::CENTER_CENTER, "Clip", theme::SMALL, color);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_lit_after_a_sample_above_full_scale() {
        let (mut light, peaks): (ClipLight, [AtomicLevel; 2]) = Default::default();
        peaks[1].raise(1.0);
        light.update(&peaks);
        assert!(!light.lit, "full scale is valid");
        peaks[1].raise(1.0001);
        light.update(&peaks);
        peaks[1].take();
        light.update(&peaks);
        assert!(light.lit);
    }
}
