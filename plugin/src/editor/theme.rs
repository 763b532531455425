//! Colours and sizes: dark, warm where something can be turned or is played.

use egui::{Color32, Context, CornerRadius, FontId, Stroke, Theme, Visuals};

/// Behind everything.
pub const GROUND: Color32 = Color32::from_rgb(19, 20, 23);
/// Behind groups of controls.
pub const PANEL: Color32 = Color32::from_rgb(30, 32, 37);
/// What can be pressed.
pub const RAISED: Color32 = Color32::from_rgb(46, 49, 56);
/// Lines between things.
pub const LINE: Color32 = Color32::from_rgb(62, 66, 75);
/// What is said.
pub const TEXT: Color32 = Color32::from_rgb(238, 234, 226);
/// What is said on the side.
pub const FAINT: Color32 = Color32::from_rgb(166, 170, 178);
/// What is chosen, turned or played.
pub const ACCENT: Color32 = Color32::from_rgb(236, 172, 96);
/// What goes wrong.
pub const WARNING: Color32 = Color32::from_rgb(247, 132, 106);
/// The signal that comes from the sidechain.
pub const SIDECHAIN: Color32 = Color32::from_rgb(112, 190, 178);

/// Round corners of cards and panels, in points.
pub const ROUNDING: CornerRadius = CornerRadius::same(6);
/// Space between groups, in points.
pub const GAP: f32 = 10.0;

/// Text of controls.
pub const BODY: FontId = FontId::proportional(13.0);
/// Names of styles.
pub const NAME: FontId = FontId::proportional(15.0);
/// Everything that explains.
pub const SMALL: FontId = FontId::proportional(11.5);

/// Spectrograms, from silence to full level: the ground, wood in the dark, wood in the light.
const SOUND: [[f32; 3]; 5] = [
    [19.0, 20.0, 23.0],
    [66.0, 36.0, 48.0],
    [150.0, 66.0, 52.0],
    [236.0, 148.0, 74.0],
    [255.0, 236.0, 190.0],
];

/// The colour of a level, 0 (silence) to 1.
pub fn sound(level: f32) -> Color32 {
    let level = if level.is_nan() { 0.0 } else { level.clamp(0.0, 1.0) };
    let place = level * (SOUND.len() - 1) as f32;
    let below = (place as usize).min(SOUND.len() - 2);
    let share = place - below as f32;
    let mixed =
        |i: usize| (SOUND[below][i] + (SOUND[below + 1][i] - SOUND[below][i]) * share) as u8;
    Color32::from_rgb(mixed(0), mixed(1), mixed(2))
}

/// Makes egui's own widgets look the same.
pub fn apply(context: &Context) {
    context.set_theme(Theme::Dark);
    let mut visuals = Visuals::dark();
    visuals.panel_fill = GROUND;
    visuals.window_fill = PANEL;
    visuals.extreme_bg_color = GROUND;
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
    fn every_text_can_be_read() {
        for ground in [GROUND, PANEL, RAISED] {
            for text in [TEXT, FAINT, ACCENT, WARNING, SIDECHAIN] {
                assert!(
                    contrast(text, ground) >= 4.5,
                    "{text:?} on {ground:?}: {}",
                    contrast(text, ground)
                );
            }
        }
    }

    #[test]
    fn louder_is_brighter() {
        let brightness = |level: f32| contrast(sound(level), Color32::BLACK);
        for step in 0..50 {
            assert!(brightness(step as f32 / 50.0) <= brightness((step + 1) as f32 / 50.0));
        }
        assert_eq!((sound(-1.0), sound(f32::NAN)), (GROUND, GROUND));
    }
}
