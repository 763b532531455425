//! Draws files with uncompressed samples: legal ones, and ones with a few wrong fields.

use tests::signal::Lcg;

use super::field::Size;
use super::pcm_file::{Coding, Container, Foreign, PcmFile};

const RATES_HZ: [u32; 10] =
    [0, 1, 7_999, 8_000, 22_050, 44_100, 48_000, 192_000, 384_000, u32::MAX];
const CODINGS: [Coding; 8] = [
    Coding::Integer(1),
    Coding::Integer(2),
    Coding::Integer(3),
    Coding::Integer(4),
    Coding::Float32,
    Coding::Float64,
    Coding::ALaw,
    Coding::MuLaw,
];
const FOREIGN: [[u8; 4]; 6] = [*b"LIST", *b"bext", *b"JUNK", *b"LGWV", *b"ANNO", *b"free"];

fn pick<T: Copy>(random: &mut Lcg, from: &[T]) -> T {
    from[random.below(from.len())]
}

impl PcmFile {
    /// A legal file.
    pub fn draw_legal(random: &mut Lcg) -> Self {
        let container = pick(random, &Container::ALL);
        let mut coding = pick(random, &CODINGS);
        if container == Container::Aiff {
            coding = Coding::Integer(1 + random.below(4));
        }
        let channels = 1 + random.below(2);
        let mut file = Self {
            container,
            coding,
            channels,
            channels_field: channels as u16,
            rate_hz: pick(random, &RATES_HZ[3..8]),
            bits_field: 8 * coding.bytes() as u16,
            block_field: (channels * coding.bytes()) as u16,
            frames: 1 + length(random, 300),
            frames_size: Size::Right,
            outer_size: Size::Right,
            data_size: Size::Right,
            fmt_len: pick(random, &[16, 18, 40]),
            extension_field: 0,
            before: Vec::new(),
            after: Vec::new(),
            tail_len: 0,
            cut: None,
        };
        file.extension_field = if file.fmt_len == 40 { 22 } else { 0 };
        file.before = foreign(random);
        file.after = foreign(random);
        file
    }

    /// A file with up to four wrong fields.
    pub fn draw(random: &mut Lcg) -> Self {
        let mut file = Self::draw_legal(random);
        for _ in 0..random.below(5) {
            file.damage(random);
        }
        file
    }

    fn damage(&mut self, random: &mut Lcg) {
        match random.below(14) {
            0 | 1 => self.data_size = Size::draw(random),
            2 => self.outer_size = Size::draw(random),
            3 => self.frames_size = Size::draw(random),
            4 => {
                self.channels = random.below(10);
                self.channels_field = self.channels as u16;
                self.block_field = (self.channels * self.coding.bytes()) as u16;
            }
            5 => self.channels_field = pick(random, &[0, 1, 2, 3, 255, u16::MAX]),
            6 => self.rate_hz = pick(random, &RATES_HZ),
            7 => self.bits_field = random.below(65) as u16,
            8 => self.block_field = pick(random, &[0, 1, 2, 3, 5, 12, 1000, u16::MAX]),
            9 => {
                self.fmt_len = 14 + random.below(27);
                self.extension_field = pick(random, &[0, 1, 22, u16::MAX]);
            }
            10 => {
                let chunks = if random.below(2) == 0 { &mut self.before } else { &mut self.after };
                chunks.iter_mut().for_each(|foreign| foreign.padded = false);
            }
            11 => self.tail_len = random.below(300),
            12 => self.cut = Some(random.below(self.bytes().len() + 1)),
            _ => self.frames = 0,
        }
    }
}

/// A number below `usual`, and sometimes a larger one.
fn length(random: &mut Lcg, usual: usize) -> usize {
    let most = if random.below(8) == 0 { 5000 } else { usual };
    random.below(most)
}

fn foreign(random: &mut Lcg) -> Vec<Foreign> {
    let mut chunk =
        || Foreign { id: pick(random, &FOREIGN), len: length(random, 40), padded: true };
    let first = chunk();
    let count = first.len % 3;
    [first, chunk()][..count].to_vec()
}
