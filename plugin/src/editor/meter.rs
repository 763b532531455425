//! A peak meter that rises at once and falls by 24 dB per second.

use egui::{Align2, Color32, Rect, Ui, pos2, vec2};

use super::theme;
use crate::shared::AtomicLevel;

const FALL_DB_PER_SECOND: f32 = 24.0;
const FLOOR_DB: f32 = -60.0;

/// The shown levels of two channels, in dB relative to full scale.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    shown_db: [f32; 2],
}

impl Default for Meter {
    fn default() -> Self {
        Self { shown_db: [FLOOR_DB; 2] }
    }
}

impl Meter {
    /// Updates the levels with the peaks of the last `seconds` and resets the peaks.
    pub fn update(&mut self, peaks: &[AtomicLevel; 2], seconds: f32) {
        for (shown, peak) in self.shown_db.iter_mut().zip(peaks) {
            let fallen = *shown - FALL_DB_PER_SECOND * seconds;
            *shown = (20.0 * peak.take().log10()).max(fallen).max(FLOOR_DB);
        }
    }

    /// Whether a channel is above the floor by more than 1 dB.
    pub fn has_signal(&self) -> bool {
        self.shown_db.iter().any(|&db| db > FLOOR_DB + 1.0)
    }

    /// Draws the name, and right of it one bar per channel.
    pub fn show(&self, ui: &Ui, rect: Rect, name: &str, color: Color32) {
        let painter = ui.painter();
        let label = pos2(rect.left(), rect.center().y);
        painter.text(label, Align2::LEFT_CENTER, name, theme::SMALL, theme::FAINT);
        let left = rect.left() + 58.0;
        let height = (rect.height() - 2.0) / 2.0;
        for (channel, &db) in self.shown_db.iter().enumerate() {
            let top = rect.top() + channel as f32 * (height + 2.0);
            let bar = Rect::from_min_size(pos2(left, top), vec2(rect.right() - left, height));
            painter.rect_filled(bar, 1.0, theme::RAISED);
            let share = ((db - FLOOR_DB) / -FLOOR_DB).clamp(0.0, 1.0);
            let lit = Rect::from_min_size(bar.min, vec2(bar.width() * share, height));
            painter.rect_filled(lit, 1.0, if db >= 0.0 { theme::WARNING } else { color });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_at_once_and_falls_slowly() {
        let peaks: [AtomicLevel; 2] = Default::default();
        let mut meter = Meter::default();
        peaks[0].raise(1.0);
        meter.update(&peaks, 0.01);
        assert_eq!(meter.shown_db, [0.0, FLOOR_DB]);
        meter.update(&peaks, 0.5);
        assert_eq!(meter.shown_db, [-12.0, FLOOR_DB]);
        assert!(meter.has_signal());
        meter.update(&peaks, 60.0);
        assert!(!meter.has_signal());
    }
}
