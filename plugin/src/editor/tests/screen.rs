//! A software screen: runs egui and rasterises its triangles into an image.

use std::collections::HashMap;
use std::sync::Arc;

use egui::epaint::{ImageData, Mesh, Primitive, Vertex};
use egui::{
    Color32, ColorImage, Context, Event, FullOutput, PointerButton, Pos2, RawInput, Rect,
    TextureId, Ui, Vec2, pos2, vec2,
};
use image::{Rgb, RgbImage};

/// The screen with its textures and clock.
pub struct Screen {
    pub context: Context,
    size: Vec2,
    pixels_per_point: f32,
    seconds: f64,
    textures: HashMap<TextureId, ColorImage>,
    output: Option<FullOutput>,
}

impl Screen {
    /// A screen of `size` points.
    pub fn new(size: [f32; 2], pixels_per_point: f32) -> Self {
        Self {
            context: Context::default(),
            size: vec2(size[0], size[1]),
            pixels_per_point,
            seconds: 0.0,
            textures: HashMap::new(),
            output: None,
        }
    }

    /// Runs one frame.
    pub fn frame(&mut self, events: Vec<Event>, draw: impl FnMut(&mut Ui)) {
        self.seconds += 1.0 / 60.0;
        let mut input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, self.size)),
            time: Some(self.seconds),
            events,
            focused: true,
            ..RawInput::default()
        };
        let viewport = input.viewports.entry(input.viewport_id).or_default();
        viewport.native_pixels_per_point = Some(self.pixels_per_point);
        let output = self.context.run_ui(input, draw);
        for (id, deltas) in &output.textures_delta.set {
            for delta in deltas {
                let ImageData::Color(image) = &delta.image;
                self.update(*id, delta.pos, image);
            }
        }
        self.output = Some(output);
    }

    fn update(&mut self, id: TextureId, place: Option<[usize; 2]>, image: &Arc<ColorImage>) {
        let Some([left, top]) = place else {
            self.textures.insert(id, (**image).clone());
            return;
        };
        let texture = self.textures.get_mut(&id).expect("a part of an existing texture");
        for y in 0..image.size[1] {
            for x in 0..image.size[0] {
                texture[(left + x, top + y)] = image[(x, y)];
            }
        }
    }

    /// All texts of the last frame, with their bounding and clip rectangles in points.
    pub fn texts(&self) -> Vec<(String, Rect, Rect)> {
        let mut texts = Vec::new();
        for shape in &self.output.as_ref().expect("a frame").shapes {
            if let egui::Shape::Text(text) = &shape.shape {
                texts.push((
                    text.galley.text().to_string(),
                    text.visual_bounding_rect(),
                    shape.clip_rect,
                ));
            }
        }
        texts
    }

    /// The centre of a text of the last frame.
    pub fn find(&self, text: &str) -> Pos2 {
        let texts = self.texts();
        let found = texts.iter().find(|(candidate, ..)| candidate == text);
        found.unwrap_or_else(|| panic!("`{text}` is not among {texts:?}")).1.center()
    }

    /// The last frame as an image.
    pub fn picture(&self) -> RgbImage {
        let output = self.output.as_ref().expect("a frame");
        let primitives = self.context.tessellate(output.shapes.clone(), output.pixels_per_point);
        let scale = self.pixels_per_point;
        let mut canvas =
            Canvas::new((self.size.x * scale) as usize, (self.size.y * scale) as usize);
        for primitive in &primitives {
            if let Primitive::Mesh(mesh) = &primitive.primitive {
                canvas.mesh(mesh, &self.textures[&mesh.texture_id], primitive.clip_rect, scale);
            }
        }
        canvas.image()
    }
}

/// Events that move the pointer to `place` and press the primary button.
pub fn press(place: Pos2) -> Vec<Event> {
    vec![Event::PointerMoved(place), button(place, true)]
}

/// Events that release the primary button.
pub fn release(place: Pos2) -> Vec<Event> {
    vec![button(place, false)]
}

fn button(pos: Pos2, pressed: bool) -> Event {
    Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Default::default(),
    }
}

/// An image: red, green and blue, 0 to 255.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<[f32; 3]>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![[0.0; 3]; width * height] }
    }

    fn mesh(&mut self, mesh: &Mesh, texture: &ColorImage, clip: Rect, scale: f32) {
        let clip = Rect::from_min_max(
            (clip.min.to_vec2() * scale).to_pos2(),
            (clip.max.to_vec2() * scale).to_pos2(),
        );
        for corners in mesh.indices.chunks_exact(3) {
            let corner = |i: usize| {
                let vertex = mesh.vertices[corners[i] as usize];
                Vertex { pos: (vertex.pos.to_vec2() * scale).to_pos2(), ..vertex }
            };
            self.triangle([corner(0), corner(1), corner(2)], texture, clip);
        }
    }

    fn triangle(&mut self, [a, b, c]: [Vertex; 3], texture: &ColorImage, clip: Rect) {
        let area = cross(b.pos - a.pos, c.pos - a.pos);
        if area == 0.0 {
            return;
        }
        let bounds = Rect::from_points(&[a.pos, b.pos, c.pos]).intersect(clip);
        let range = |from: f32, to: f32, most: usize| {
            (from.round().max(0.0) as usize)..(to.round().max(0.0) as usize).min(most)
        };
        for y in range(bounds.top(), bounds.bottom(), self.height) {
            for x in range(bounds.left(), bounds.right(), self.width) {
                let point = pos2(x as f32 + 0.5, y as f32 + 0.5);
                let share_b = cross(point - a.pos, c.pos - a.pos) / area;
                let share_c = cross(b.pos - a.pos, point - a.pos) / area;
                let shares = [1.0 - share_b - share_c, share_b, share_c];
                if shares.iter().all(|&share| share >= 0.0) {
                    self.blend(x, y, &shade([a, b, c], shares, texture));
                }
            }
        }
    }

    /// Draws a colour with premultiplied alpha over a pixel.
    fn blend(&mut self, x: usize, y: usize, color: &[f32; 4]) {
        let pixel = &mut self.pixels[y * self.width + x];
        for (pixel, channel) in pixel.iter_mut().zip(color) {
            *pixel = channel + *pixel * (1.0 - color[3] / 255.0);
        }
    }

    fn image(&self) -> RgbImage {
        RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            Rgb(self.pixels[y as usize * self.width + x as usize]
                .map(|v| v.round().clamp(0.0, 255.0) as u8))
        })
    }
}

fn cross(a: Vec2, b: Vec2) -> f32 {
    a.x * b.y - a.y * b.x
}

fn shade(corners: [Vertex; 3], shares: [f32; 3], texture: &ColorImage) -> [f32; 4] {
    let (mut uv, mut color) = (Vec2::ZERO, [0.0; 4]);
    for (corner, share) in corners.iter().zip(shares) {
        uv += corner.uv.to_vec2() * share;
        for (sum, channel) in color.iter_mut().zip(corner.color.to_array()) {
            *sum += f32::from(channel) * share;
        }
    }
    let texel = sample(texture, uv);
    std::array::from_fn(|i| color[i] * texel[i] / 255.0)
}

/// Bilinear interpolation, clamped at the edges.
fn sample(texture: &ColorImage, uv: Vec2) -> [f32; 4] {
    let [width, height] = texture.size;
    let (x, y) = (uv.x * width as f32 - 0.5, uv.y * height as f32 - 0.5);
    let at = |x: f32, y: f32| -> Color32 {
        texture[((x.max(0.0) as usize).min(width - 1), (y.max(0.0) as usize).min(height - 1))]
    };
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (x - x0, y - y0);
    let mut mixed = [0.0; 4];
    for (dx, dy, share) in [
        (0.0, 0.0, (1.0 - fx) * (1.0 - fy)),
        (1.0, 0.0, fx * (1.0 - fy)),
        (0.0, 1.0, (1.0 - fx) * fy),
        (1.0, 1.0, fx * fy),
    ] {
        for (sum, channel) in mixed.iter_mut().zip(at(x0 + dx, y0 + dy).to_array()) {
            *sum += f32::from(channel) * share;
        }
    }
    mixed
}
