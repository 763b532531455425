//! Colours and sizes: a dark theme with a warm accent colour.

use egui::{Color32, Context, CornerRadius, FontId, Stroke, Theme, Visuals};

/// Background of the window.
pub const BACKGROUND: Color32 = Color32::from_rgb(19, 20, 23);
/// Background of cards and of groups of controls.
pub const PANEL: Color32 = Color32::from_rgb(30, 32, 37);
/// Background of buttons.
pub const RAISED: Color32 = Color32::from_rgb(46, 49, 56);
/// Borders, and buttons under the pointer.
pub const LINE: Color32 = Color32::from_rgb(62, 66, 75);
/// Primary text.
pub const TEXT: Color32 = Color32::from_rgb(238, 234, 226);
/// Secondary text.
pub const FAINT: Color32 = Color32::from_rgb(166, 170, 178);
/// Selections, values of knobs, and levels.
pub const ACCENT: Color32 = Color32::from_rgb(236, 172, 96);
/// Warnings, and levels at or above full scale.
pub const WARNING: Color32 = Color32::from_rgb(247, 132, 106);
/// Level of the sidechain.
pub const SIDECHAIN: Color32 = Color32::from_rgb(112, 190, 178);

/// Corner radius of cards and panels, in points.
pub const ROUNDING: CornerRadius = CornerRadius::same(6);
/// Space between groups, in points.
pub const GAP: f32 = 10.0;

/// Labels of controls.
pub const BODY: FontId = FontId::proportional(13.0);
/// Names of styles, and titles.
pub const NAME: FontId = FontId::proportional(15.0);
/// Captions, values and the status line.
pub const SMALL: FontId = FontId::proportional(11.5);

/// Colour map of spectrograms, from silence to full level.
const COLOR_MAP: [[f32; 3]; 5] = [
    [19.0, 20.0, 23.0],
    [66.0, 36.0, 48.0],
    [150.0, 66.0, 52.0],
    [236.0, 148.0, 74.0],
    [255.0, 236.0, 190.0],
];

/// The colour of a level, 0 (silence) to 1. NaN has the colour of silence.
pub fn level_color(level: f32) -> Color32 {
    let level = if level.is_nan() { 0.0 } else { level.clamp(0.0, 1.0) };
    let position = level * (COLOR_MAP.len() - 1) as f32;
    let index = (position as usize).min(COLOR_MAP.len() - 2);
    let fraction = position - index as f32;
    let (low, high) = (COLOR_MAP[index], COLOR_MAP[index + 1]);
    let mixed = |i: usize| (low[i] + (high[i] - low[i]) * fraction) as u8;
    Color32::from_rgb(mixed(0), mixed(1), mixed(2))
}

/// Applies the theme to egui's widgets.
pub fn apply(context: &Context) {
    context.set_theme(Theme::Dark);
    let mut visuals = Visuals::dark();
    visuals.panel_fill = BACKGROUND;
    visuals.window_fill = PANEL;
    visuals.extreme_bg_color = BACKGROUND;
    visuals.override_text_color = Some(TEXT);
    visuals.selection.bg_fill = ACCENT.gamma_multiply(0.45);
    visuals.selection.stroke = Stroke::new(1.0, ACCENT);
    for (widget, fill) in [
        (&mut visuals.widgets.inactive, RAISED),
        (&mut visuals.widgets.hovered, LINE),
        (&mut visuals.widgets.active, LINE),
    ] {
        widget.bg_fill = fill;
        widget.weak_bg_fill = fill;
        widget.corner_radius = ROUNDING;
    }
    context.set_visuals_of(Theme::Dark, visuals);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance and contrast ratio of WCAG 2.1.
    fn contrast(a: Color32, b: Color32) -> f32 {
        let linear = |c: u8| {
            let c = f32::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        let luminance =
            |c: Color32| 0.2126 * linear(c.r()) + 0.7152 * linear(c.g()) + 0.0722 * linear(c.b());
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn every_text_has_enough_contrast() {
        for fill in [ACCENT, WARNING] {
            assert!(contrast(BACKGROUND, fill) >= 4.5, "on a lit button: {fill:?}");
        }
        for background in [BACKGROUND, PANEL, RAISED] {
            for text in [TEXT, FAINT, ACCENT, WARNING, SIDECHAIN] {
                assert!(
                    contrast(text, background) >= 4.5,
                    "{text:?} on {background:?}: {}",
                    contrast(text, background)
                );
            }
        }
    }

    #[test]
    fn louder_is_brighter() {
        let brightness = |level: f32| contrast(level_color(level), Color32::BLACK);
        for step in 0..50 {
            assert!(brightness(step as f32 / 50.0) <= brightness((step + 1) as f32 / 50.0));
        }
        assert_eq!((level_color(-1.0), level_color(f32::NAN)), (BACKGROUND, BACKGROUND));
    }
}
