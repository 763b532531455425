//! The line at the foot: what computes, how fast, how late, with which model.

use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;

use egui::{Align2, Color32, Rect, Sense, Ui, pos2, vec2};

use super::theme;
use crate::shared::{Shared, Status};

/// Above this share of the time there is, windows are about to be late.
const BUSY: f32 = 0.7;

/// Between two items, in points.
const GAP: f32 = 22.0;

/// One item of the line.
struct Item {
    text: String,
    color: Color32,
    meaning: Cow<'static, str>,
}

/// Draws the line over `rect`.
pub fn show(ui: &mut Ui, rect: Rect, shared: &Shared) {
    let mut left = rect.left();
    for (i, item) in items(shared).into_iter().enumerate() {
        if i > 0 {
            let dot = pos2(left - GAP / 2.0, rect.center().y);
            ui.painter().text(dot, Align2::CENTER_CENTER, "\u{b7}", theme::SMALL, theme::FAINT);
        }
        let galley = ui.painter().layout_no_wrap(item.text, theme::SMALL, item.color);
        let place =
            Rect::from_min_size(pos2(left, rect.center().y - galley.size().y / 2.0), galley.size());
        left = place.right() + GAP;
        ui.painter().galley(place.min, galley, item.color);
        let id = ui.scope_id().with(("status", i));
        ui.interact(place.expand2(vec2(4.0, 4.0)), id, Sense::hover()).on_hover_text(item.meaning);
    }
}

fn items(shared: &Shared) -> Vec<Item> {
    let (status, words) = (&shared.status, shared.words.lock().clone());
    let item = |text: String, meaning: &'static str| Item {
        text,
        color: theme::FAINT,
        meaning: meaning.into(),
    };
    let model = if words.model.is_empty() { "no model".to_string() } else { words.model };
    let mut items = vec![item(model, "The model that plays.")];
    if !words.device.is_empty() {
        let meaning = match words.gpu_trouble.as_str() {
            "" => "Where the networks run.".into(),
            trouble => format!("Where the networks run. The GPU does not: {trouble}.").into(),
        };
        items.push(Item { text: words.device, color: theme::FAINT, meaning });
    }
    if !status.active.load(Relaxed) {
        items.push(item("not active".into(), "The host has not activated the plugin."));
        return items;
    }
    let factor = status.real_time_factor.get();
    items.push(Item {
        text: format!("real-time factor {factor:.2}"),
        color: if factor > BUSY { theme::WARNING } else { theme::FAINT },
        meaning: "Computing time over audio time of the last window: below 1 it keeps up.".into(),
    });
    items.push(item(
        latency(status),
        "The delay that the host compensates. It does not change while you play.",
    ));
    items.extend(troubles(status));
    if status.offline.load(Relaxed) {
        items
            .push(item("rendering offline".into(), "Every window is waited for: nothing is late."));
    }
    items
}

fn latency(status: &Status) -> String {
    let (samples, rate) =
        (status.latency_samples.load(Relaxed), status.sample_rate_hz.load(Relaxed));
    let ms = 1000.0 * f64::from(samples) / f64::from(rate.max(1));
    format!("latency {ms:.0} ms ({samples} samples)")
}

fn troubles(status: &Status) -> Vec<Item> {
    let counted = |count: u64, what: &str, meaning: &'static str| {
        let text = format!("{count} {what}");
        (count > 0).then(|| Item { text, color: theme::WARNING, meaning: meaning.into() })
    };
    let late = counted(
        status.late.load(Relaxed),
        "late",
        "Windows that were not there in time since activation: they played dry. Choose fewer steps, or bounce offline.",
    );
    let failed = counted(
        status.failed.load(Relaxed),
        "failed",
        "Windows that could not be computed since activation: they played dry.",
    );
    late.into_iter().chain(failed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_says_why_the_gpu_does_not_play() {
        let shared = Shared::default();
        assert!(
            items(&shared).iter().all(|item| !item.meaning.contains("GPU")),
            "no model, no device"
        );
        shared.words.lock().device = "CPU, 7 threads".into();
        let device = |shared: &Shared| items(shared).swap_remove(1);
        assert_eq!(device(&shared).meaning, "Where the networks run.");
        shared.words.lock().gpu_trouble = "out of memory".into();
        let item = device(&shared);
        assert_eq!(item.text, "CPU, 7 threads");
        assert_eq!(item.meaning, "Where the networks run. The GPU does not: out of memory.");
    }
}
