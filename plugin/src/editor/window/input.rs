//! Converts the events since the last frame to egui's input.

use baseview::{MouseButton, MouseEvent, ScrollDelta, WindowSize};
use egui::{
    Event, Key, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, Pos2, RawInput, Rect,
    TouchPhase, ViewportId, ViewportInfo, pos2, vec2,
};
use keyboard_types::{Code, KeyState, KeyboardEvent};

/// Collects events between frames.
pub struct Input {
    raw: RawInput,
    /// Pixels per point.
    scale: f64,
    pointer: Option<Pos2>,
    modifiers: Modifiers,
}

impl Input {
    /// The input of a new, focused window. `max_texture_side` is in pixels.
    pub fn new(size: WindowSize, max_texture_side: usize) -> Self {
        let raw = RawInput { max_texture_side: Some(max_texture_side), ..Default::default() };
        let mut input =
            Self { raw, scale: size.scale_factor, pointer: None, modifiers: Modifiers::NONE };
        input.set_size(size);
        input.focus(true);
        input
    }

    fn viewport(&mut self) -> &mut ViewportInfo {
        self.raw.viewports.entry(ViewportId::ROOT).or_default()
    }

    fn set_size(&mut self, size: WindowSize) {
        self.scale = size.scale_factor;
        let whole = Rect::from_min_size(
            Pos2::ZERO,
            vec2(size.logical.width as f32, size.logical.height as f32),
        );
        self.raw.screen_rect = Some(whole);
        let viewport = self.viewport();
        viewport.native_pixels_per_point = Some(size.scale_factor as f32);
        viewport.inner_rect = Some(whole);
    }

    /// Removes and returns the input of the next frame, drawn `seconds` after the window opened.
    pub fn take(&mut self, size: WindowSize, seconds: f64) -> RawInput {
        self.set_size(size);
        self.raw.time = Some(seconds);
        self.raw.take()
    }

    /// The window has received (`true`) or lost the keyboard focus.
    pub fn focus(&mut self, focused: bool) {
        self.raw.focused = focused;
        self.raw.events.push(Event::WindowFocused(focused));
        self.viewport().focused = Some(focused);
    }

    /// Adds a mouse event.
    pub fn mouse(&mut self, event: &MouseEvent) {
        match event {
            MouseEvent::CursorMoved { position, modifiers } => {
                self.set_modifiers(*modifiers);
                let place = position.to_logical::<f32>(self.scale);
                let place = pos2(place.x, place.y);
                self.pointer = Some(place);
                self.raw.events.push(Event::PointerMoved(place));
            }
            MouseEvent::ButtonPressed { button, modifiers } => {
                self.button(*button, true, *modifiers)
            }
            MouseEvent::ButtonReleased { button, modifiers } => {
                self.button(*button, false, *modifiers)
            }
            MouseEvent::WheelScrolled { delta, modifiers } => {
                self.set_modifiers(*modifiers);
                self.wheel(*delta);
            }
            MouseEvent::CursorLeft => {
                self.pointer = None;
                self.raw.events.push(Event::PointerGone);
            }
            _ => (),
        }
    }

    fn button(&mut self, button: MouseButton, pressed: bool, modifiers: keyboard_types::Modifiers) {
        self.set_modifiers(modifiers);
        let button = match button {
            MouseButton::Left => PointerButton::Primary,
            MouseButton::Right => PointerButton::Secondary,
            MouseButton::Middle => PointerButton::Middle,
            _ => return,
        };
        if let Some(pos) = self.pointer {
            self.raw.events.push(Event::PointerButton {
                pos,
                button,
                pressed,
                modifiers: self.modifiers,
            });
        }
    }

    fn wheel(&mut self, delta: ScrollDelta) {
        let (unit, delta) = match delta {
            ScrollDelta::Lines { x, y } => (MouseWheelUnit::Line, vec2(x, y)),
            ScrollDelta::Pixels { x, y } => (MouseWheelUnit::Point, vec2(x, y) / self.scale as f32),
        };
        self.raw.events.push(Event::MouseWheel {
            unit,
            delta,
            modifiers: self.modifiers,
            phase: TouchPhase::Move,
            source: MouseWheelSource::Unknown,
        });
    }

    /// Adds a keyboard event. `paste` returns the clipboard's text.
    pub fn key(&mut self, event: &KeyboardEvent, paste: impl FnOnce() -> Option<String>) {
        self.set_modifiers(event.modifiers);
        let (pressed, modifiers) = (event.state == KeyState::Down, self.modifiers);
        if let Some(key) = Key::from_name(&event.key.to_string()) {
            let repeat = event.repeat;
            self.raw.events.push(Event::Key {
                key,
                physical_key: None,
                pressed,
                repeat,
                modifiers,
            });
        }
        if !pressed {
            return;
        }
        let derived = match (modifiers.command, event.code) {
            (true, Code::KeyX) => Some(Event::Cut),
            (true, Code::KeyC) => Some(Event::Copy),
            (true, Code::KeyV) => paste().map(Event::Paste),
            _ => match &event.key {
                keyboard_types::Key::Character(text) if !modifiers.ctrl && !modifiers.command => {
                    Some(Event::Text(text.clone()))
                }
                _ => None,
            },
        };
        self.raw.events.extend(derived);
    }

    fn set_modifiers(&mut self, held: keyboard_types::Modifiers) {
        let mac_cmd = cfg!(target_os = "macos") && held.meta();
        let command = if cfg!(target_os = "macos") { mac_cmd } else { held.ctrl() };
        let modifiers =
            Modifiers { alt: held.alt(), ctrl: held.ctrl(), shift: held.shift(), mac_cmd, command };
        if self.modifiers != modifiers {
            self.modifiers = modifiers;
            self.raw.events.push(Event::ModifiersChanged(modifiers));
        }
    }
}

#[cfg(test)]
mod tests {
    use baseview::dpi::{PhysicalPosition, PhysicalSize};
    use keyboard_types::NamedKey;

    use super::*;

    const SCALE: f64 = 2.0;

    fn size() -> WindowSize {
        WindowSize::from_physical(PhysicalSize::new(1840, 1200), SCALE)
    }

    fn input() -> Input {
        let mut input = Input::new(size(), 4096);
        input.take(size(), 0.0);
        input
    }

    fn events(input: &mut Input) -> Vec<Event> {
        input.take(size(), 1.0).events
    }

    fn key(
        key: keyboard_types::Key,
        code: Code,
        modifiers: keyboard_types::Modifiers,
    ) -> KeyboardEvent {
        KeyboardEvent { state: KeyState::Down, key, code, modifiers, ..Default::default() }
    }

    #[test]
    fn a_click_has_the_pointers_position_in_points() {
        let (mut input, none) = (input(), keyboard_types::Modifiers::empty());
        let position = PhysicalPosition::new(100.0, 50.0);
        input.mouse(&MouseEvent::CursorMoved { position, modifiers: none });
        input.mouse(&MouseEvent::ButtonPressed { button: MouseButton::Left, modifiers: none });
        let (pos, button, modifiers) = (pos2(50.0, 25.0), PointerButton::Primary, Modifiers::NONE);
        let pressed = Event::PointerButton { pos, button, pressed: true, modifiers };
        assert_eq!(events(&mut input), [Event::PointerMoved(pos), pressed]);
        assert!(events(&mut input).is_empty(), "a frame consumes its events");
        input.mouse(&MouseEvent::CursorLeft);
        input.mouse(&MouseEvent::ButtonReleased { button: MouseButton::Left, modifiers: none });
        assert_eq!(events(&mut input), [Event::PointerGone], "no click outside the window");
    }

    #[test]
    fn keys_are_text_or_commands() {
        let (mut input, none) = (input(), keyboard_types::Modifiers::empty());
        let clipboard = || Some("4.5".to_string());
        input.key(&key(keyboard_types::Key::Character("-".into()), Code::Minus, none), clipboard);
        let typed = events(&mut input);
        assert!(matches!(typed[0], Event::Key { key: Key::Minus, pressed: true, .. }), "{typed:?}");
        assert_eq!(typed[1], Event::Text("-".into()));
        input.key(&key(keyboard_types::Key::Named(NamedKey::Enter), Code::Enter, none), clipboard);
        assert!(matches!(events(&mut input)[..], [Event::Key { key: Key::Enter, .. }]));
        let command = match cfg!(target_os = "macos") {
            true => keyboard_types::Modifiers::META,
            false => keyboard_types::Modifiers::CONTROL,
        };
        input.key(&key(keyboard_types::Key::Character("v".into()), Code::KeyV, command), clipboard);
        let pasted = events(&mut input);
        assert_eq!(pasted.last(), Some(&Event::Paste("4.5".into())));
        assert!(!pasted.iter().any(|event| matches!(event, Event::Text(_))), "{pasted:?}");
        assert!(matches!(pasted[0], Event::ModifiersChanged(held) if held.command));
    }

    #[test]
    fn the_frame_is_as_large_as_the_window() {
        let raw = Input::new(size(), 4096).take(size(), 3.0);
        assert_eq!(raw.screen_rect, Some(Rect::from_min_size(Pos2::ZERO, vec2(920.0, 600.0))));
        assert_eq!(raw.viewports[&ViewportId::ROOT].native_pixels_per_point, Some(2.0));
        assert_eq!((raw.time, raw.max_texture_side), (Some(3.0), Some(4096)));
    }
}
