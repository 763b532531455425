//! Two scrolling spectrograms, of the input and of the output. A fixed line marks the playback
//! position. To its right is audio that is computed but not played yet.

use egui::{
    Align2, Color32, ColorImage, Context, Rect, Stroke, TextureHandle, TextureOptions, Ui, pos2,
    vec2,
};

use super::theme;
use crate::shared::{Picture, Pictures};

/// Duration from the left to the right edge.
const SPAN_SECONDS: f64 = 9.0;
/// The playback position, from the left (0) to the right edge (1).
const PLAYHEAD: f32 = 0.78;
/// Columns of a texture.
const COLUMNS: usize = 400;

/// One of the two spectrograms.
#[derive(Clone, Copy)]
enum Side {
    Before,
    After,
}

impl Side {
    fn pixels(self, picture: &Picture) -> &[f32] {
        match self {
            Self::Before => &picture.before,
            Self::After => &picture.after,
        }
    }
}

/// The textures of both spectrograms.
#[derive(Default)]
pub struct Spectrograms {
    textures: Vec<TextureHandle>,
    /// Version of the textures: generation of the pictures, and first column since the start of the
    /// stream.
    drawn: Option<(u64, i64)>,
}

/// Width of a column in samples at the host's rate.
fn column_samples(sample_rate_hz: u32) -> f64 {
    SPAN_SECONDS * f64::from(sample_rate_hz.max(1)) / COLUMNS as f64
}

impl Spectrograms {
    /// Draws both spectrograms in `rect`. `position` is the playback position in samples; `after`
    /// labels the lower spectrogram.
    pub fn show(
        &mut self,
        ui: &Ui,
        rect: Rect,
        pictures: &Pictures,
        position: i64,
        sample_rate_hz: u32,
        after: &str,
    ) {
        let samples = column_samples(sample_rate_hz);
        let left = position as f64 / samples - f64::from(PLAYHEAD) * COLUMNS as f64;
        self.update_textures(ui.ctx(), pictures, left.floor() as i64, samples);
        let height = (rect.height() - theme::GAP) / 2.0;
        for (i, name) in ["Before", after].into_iter().enumerate() {
            let top = rect.top() + i as f32 * (height + theme::GAP);
            let panel = Rect::from_min_size(pos2(rect.left(), top), vec2(rect.width(), height));
            self.panel(ui, panel, i, (left - left.floor()) as f32, name);
        }
    }

    fn panel(&self, ui: &Ui, rect: Rect, texture: usize, shift_columns: f32, name: &str) {
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, theme::ROUNDING, theme::level_color(0.0));
        if let Some(texture) = self.textures.get(texture) {
            let column = rect.width() / (COLUMNS - 1) as f32;
            let place = Rect::from_min_size(
                pos2(rect.left() - shift_columns * column, rect.top()),
                vec2(column * COLUMNS as f32, rect.height()),
            );
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            painter.image(texture.id(), place, whole, Color32::WHITE);
        }
        let playhead = rect.left() + PLAYHEAD * rect.width();
        painter.rect_filled(rect.with_min_x(playhead), 0.0, theme::BACKGROUND.gamma_multiply(0.55));
        painter.vline(playhead, rect.y_range(), Stroke::new(1.0, theme::TEXT.gamma_multiply(0.7)));
        let corner = rect.left_top() + vec2(10.0, 8.0);
        let galley = painter.layout_no_wrap(name.to_string(), theme::BODY, theme::TEXT);
        let backdrop = Rect::from_min_size(corner, galley.size()).expand2(vec2(5.0, 2.0));
        painter.rect_filled(backdrop, theme::ROUNDING, theme::BACKGROUND.gamma_multiply(0.8));
        painter.galley(corner, galley, theme::TEXT);
        painter.text(
            pos2(playhead + 6.0, rect.top() + 8.0),
            Align2::LEFT_TOP,
            "Not played yet",
            theme::SMALL,
            theme::FAINT,
        );
    }

    /// Redraws the textures if the pictures have changed or scrolled by a column.
    fn update_textures(
        &mut self,
        context: &Context,
        pictures: &Pictures,
        first_column: i64,
        column_samples: f64,
    ) {
        let version = Some((pictures.generation, first_column));
        if self.drawn == version {
            return;
        }
        self.drawn = version;
        for (i, side) in [Side::Before, Side::After].into_iter().enumerate() {
            let image = image(pictures, side, first_column, column_samples);
            match self.textures.get_mut(i) {
                Some(texture) => texture.set(image, TextureOptions::LINEAR),
                None => {
                    self.textures.push(context.load_texture(
                        "spectrogram",
                        image,
                        TextureOptions::LINEAR,
                    ));
                }
            }
        }
    }
}

/// [`COLUMNS`] columns from `first_column` on; columns without a window have the colour of silence.
fn image(pictures: &Pictures, side: Side, first_column: i64, column_samples: f64) -> ColorImage {
    let n_mels = pictures.windows.front().map_or(1, |picture| picture.n_mels);
    let mut image = ColorImage::filled([COLUMNS, n_mels], theme::level_color(0.0));
    for column in 0..COLUMNS {
        let position = (first_column + column as i64) as f64 * column_samples;
        let Some((picture, frame)) = column_of(pictures, position) else { continue };
        if picture.n_mels != n_mels {
            continue;
        }
        let data = side.pixels(picture);
        for mel in 0..n_mels {
            let level = data[mel * picture.frames + frame];
            image.pixels[(n_mels - 1 - mel) * COLUMNS + column] = theme::level_color(level);
        }
    }
    image
}

/// The window at a sample position and its nearest frame. Of two overlapping windows the later one
/// is drawn.
fn column_of(pictures: &Pictures, position: f64) -> Option<(&Picture, usize)> {
    if position < 0.0 {
        return None;
    }
    let picture = pictures.windows.iter().rev().find(|p| p.segment.contains(&(position as u64)))?;
    let frame = (position - picture.first_frame_position as f64) / picture.frame_samples;
    Some((picture, (frame.round().max(0.0) as usize).min(picture.frames.checked_sub(1)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(segment: std::ops::Range<u64>, level: f32) -> Picture {
        Picture {
            first_frame_position: segment.start as i64,
            frame_samples: 100.0,
            segment,
            n_mels: 2,
            frames: 10,
            before: (0..20).map(|i| i as f32 / 20.0).collect(),
            after: vec![level; 20],
        }
    }

    #[test]
    fn a_position_shows_its_latest_window() {
        let mut pictures = Pictures::default();
        pictures.windows.extend([picture(0..1000, 0.25), picture(900..1900, 0.75)]);
        assert!(column_of(&pictures, -1.0).is_none());
        assert!(column_of(&pictures, 1900.0).is_none());
        let at = |position| column_of(&pictures, position).map(|(p, frame)| (p.after[0], frame));
        assert_eq!(
            (at(0.0), at(449.0), at(950.0)),
            (Some((0.25, 0)), Some((0.25, 4)), Some((0.75, 1)))
        );
        // One column per frame, with the lowest band at the bottom.
        let image = image(&pictures, Side::Before, 0, 100.0);
        assert_eq!(image.size, [COLUMNS, 2]);
        assert_eq!(image.pixels[COLUMNS + 3], theme::level_color(3.0 / 20.0));
        assert_eq!(image.pixels[3], theme::level_color(13.0 / 20.0));
        assert_eq!(image.pixels[COLUMNS - 1], theme::level_color(0.0));
    }
}
