//! A dataset without a soundfont: four "instruments" with images of 32 x 32 pixels, which differ in
//! their partials.

use std::path::Path;

use engine::config::{MelConfig, WindowConfig};
use safetensors::tensor::{Dtype, TensorView};
use trainer::data::augment::chain::Chain;
use trainer::data::dataset::Split;
use trainer::data::dataset::description::{Description, FORMAT_VERSION};
use trainer::data::dataset::piece_entry::{PieceEntry, ScoreSource, tensor_name};
use trainer::data::dataset::setup::Setup;
use trainer::data::score::piece::PieceKind;
use trainer::data::score::piece_shape::PieceShape;
use trainer::data::soundfont::synth::SoundFontId;

/// Number of bands and of frames of an image.
pub const SIDE: usize = 32;
const INSTRUMENTS: [&str; 4] = ["piano", "guitar", "harp", "violin"];
const CHUNKS: usize = 4;

/// The dataset's mel config.
pub fn mel() -> MelConfig {
    MelConfig { n_fft: 512, hop_length: 128, n_mels: SIDE, ..MelConfig::default() }
}

/// Writes the dataset: five training, two validation and two test pieces, each in two setups.
pub fn write(folder: &Path) {
    let window = WindowConfig { frames: SIDE, hop_frames: 24, overlap_frames: 8 };
    let splits =
        [Split::Train; 5].into_iter().chain([Split::Validation; 2]).chain([Split::Test; 2]);
    let piece = |(id, split)| PieceEntry {
        id,
        split,
        kind: PieceKind::Isolated,
        chunks: CHUNKS,
        setups: [0, 1],
        instruments: Vec::new(),
        source: ScoreSource::Composed,
    };
    let setup = Setup { soundfont: 0, programs: vec![0, 24, 46, 40], chain: Chain::default() };
    let description = Description {
        format: FORMAT_VERSION,
        seed: 1,
        shape: PieceShape::new(&mel(), &window, (55, 88)),
        mel: mel(),
        window,
        instruments: INSTRUMENTS.map(String::from).to_vec(),
        soundfonts: vec![SoundFontId { file: "none".into(), sha256: String::new() }],
        setups: vec![setup.clone(), setup],
        pieces: (0..).zip(splits).map(piece).collect(),
    };
    description.write(folder).expect("description");
    for piece in &description.pieces {
        let tracks: Vec<_> = (0..2).flat_map(|setup| (0..4).map(move |i| (setup, i))).collect();
        let images: Vec<_> = tracks.iter().map(|&(setup, i)| track(piece.id, setup, i)).collect();
        let views = tracks.iter().zip(&images).map(|(&(setup, i), bytes)| {
            let view = TensorView::new(Dtype::U8, vec![CHUNKS, SIDE, SIDE], bytes).expect("view");
            (tensor_name(setup, INSTRUMENTS[i]), view)
        });
        safetensors::serialize_to_file(views, None, &piece.images_path(folder)).expect("piece");
    }
}

/// The windows of one piece, setup and instrument. The piece determines pitch and onset, the
/// instrument the spacing of partials and the decay, and the setup the level.
fn track(piece: u64, setup: usize, instrument: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(CHUNKS * SIDE * SIDE);
    for chunk in 0..CHUNKS as u64 {
        let (pitch, onset) =
            (2 + (piece * 5 + chunk * 3) as usize % 6, (piece * 7 + chunk * 5) as usize % 10);
        for mel in 0..SIDE {
            for frame in 0..SIDE {
                let partial = mel >= pitch && (mel - pitch) % (2 + instrument) == 0;
                let age = frame as f32 - onset as f32;
                let decay = [0.08, 0.04, 0.02, 0.0][instrument];
                let level = 0.9 - 0.1 * setup as f32 - 0.01 * mel as f32 - decay * age;
                let value = if partial && age >= 0.0 { level.max(0.05) } else { 0.05 };
                bytes.push((value * 255.0) as u8);
            }
        }
    }
    bytes
}
