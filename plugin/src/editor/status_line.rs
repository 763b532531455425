//! The status line at the bottom: model, device, load, latency, and late and failed windows.

use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;

use egui::{Align2, Color32, Rect, Sense, Ui, pos2, vec2};

use super::theme;
use crate::shared::{Shared, Status};

/// A real-time factor above this value is highlighted.
const BUSY: f32 = 0.7;

/// Space between two items, in points.
const GAP: f32 = 16.0;

/// One item of the line.
struct Item {
    text: String,
    color: Color32,
    tooltip: Cow<'static, str>,
}

impl Item {
    fn new(text: impl Into<String>, tooltip: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), color: theme::FAINT, tooltip: tooltip.into() }
    }

    fn warning(text: impl Into<String>, tooltip: impl Into<Cow<'static, str>>) -> Self {
        Self { color: theme::WARNING, ..Self::new(text, tooltip) }
    }
}

/// Draws the line in `rect`.
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
        ui.interact(place.expand2(vec2(4.0, 4.0)), id, Sense::hover()).on_hover_text(item.tooltip);
    }
}

fn items(shared: &Shared) -> Vec<Item> {
    let (status, texts) = (&shared.status, shared.texts.lock().clone());
    let mut items = vec![match texts.model.as_str() {
        "" => {
            Item::new("No model", "The plugin plays dry. Choose a model in the Model\u{2026} menu.")
        }
        model => Item::new(model, "The model in use."),
    }];
    if !texts.device.is_empty() {
        let tooltip = match texts.gpu_problem.as_str() {
            "" => "The device that runs the model.".into(),
            trouble => format!("The device that runs the model. The GPU is not used: {trouble}."),
        };
        items.push(Item::new(texts.device, tooltip));
    }
    if !status.active.load(Relaxed) {
        let tooltip = "The host has not activated the plugin. Enable it in the host.";
        items.push(Item::new("Not active", tooltip));
        return items;
    }
    items.push(load(status.real_time_factor.get()));
    let tooltip = "The delay that the host compensates. It is constant while the plugin is active.";
    items.push(Item::new(latency(status), tooltip));
    items.extend(problems(status));
    if status.offline.load(Relaxed) {
        let tooltip = "The host renders offline. The plugin waits for every window.";
        items.push(Item::new("Rendering offline", tooltip));
    }
    items
}

fn load(factor: f32) -> Item {
    let text = format!("Real-time factor {factor:.2}");
    let tooltip =
        "Computing time per second of audio. If it exceeds 1, use fewer steps or Quality latency.";
    if factor > BUSY { Item::warning(text, tooltip) } else { Item::new(text, tooltip) }
}

fn latency(status: &Status) -> String {
    let (samples, rate) =
        (status.latency_samples.load(Relaxed), status.sample_rate_hz.load(Relaxed));
    let seconds = f64::from(samples) / f64::from(rate.max(1));
    format!("Latency {seconds:.2} s ({samples} samples)")
}

/// Late and failed windows, if there are any.
fn problems(status: &Status) -> Vec<Item> {
    let counted = |count: u64, what: &str, tooltip: &'static str| {
        (count > 0).then(|| Item::warning(format!("{count} {what}"), tooltip))
    };
    let late = counted(
        status.late.load(Relaxed),
        "late",
        "Sections that were not computed in time since activation. They play dry. \
         Use fewer steps or Quality latency, or bounce offline.",
    );
    let failed = counted(
        status.failed.load(Relaxed),
        "failed",
        "Failed windows since activation. Each one plays dry. \
         The message at the top states the reason.",
    );
    late.into_iter().chain(failed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_states_why_the_gpu_is_not_used() {
        let shared = Shared::default();
        assert!(
            items(&shared).iter().all(|item| !item.tooltip.contains("GPU")),
            "no model, no device"
        );
        shared.texts.lock().device = "CPU, 7 threads".into();
        let device = |shared: &Shared| items(shared).swap_remove(1);
        assert_eq!(device(&shared).tooltip, "The device that runs the model.");
        shared.texts.lock().gpu_problem = "out of memory".into();
        let item = device(&shared);
        assert_eq!(item.text, "CPU, 7 threads");
        let tooltip = "The device that runs the model. The GPU is not used: out of memory.";
        assert_eq!(item.tooltip, tooltip);
    }
}
