//! Reads a file from memory and checks what must be true for every file.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use engine::Result;
use engine::audio_file::{Reader, SAMPLE_RATES_HZ};
use tests::allocations::peak_bytes;

/// Most memory of a reader, apart from [`MEMORY_PER_BYTE`]. Codec tables and FLAC's largest block
/// need the most.
const MEMORY_BYTES: usize = 12 << 20;
/// As [`MEMORY_BYTES`] for each byte of the file: indices of M4A files are read as a whole.
const MEMORY_PER_BYTE: usize = 64;
/// Most bytes that are read for each byte of the file. MPEG audio is read twice, and every search
/// reads a part again.
const READS_PER_BYTE: u64 = 32;
/// As [`READS_PER_BYTE`] for the whole file: the head and the end are read several times.
const READ_BYTES: u64 = 1 << 20;
/// Most frames for each byte: a FLAC frame of 10 bytes has up to 65,535.
const FRAMES_PER_BYTE: usize = 6554;

/// A file that was read.
#[derive(Debug)]
pub struct Sound {
    pub sample_rate_hz: u32,
    pub channels: Vec<Vec<f32>>,
    /// What the reader declared at the end.
    pub declared_frames: Option<u64>,
    pub warnings: Vec<String>,
}

impl Sound {
    pub fn frames(&self) -> usize {
        self.channels[0].len()
    }
}

/// Reads `bytes`. `Err` is the sentence of a refusal. `case` describes the file in a failure.
pub fn read(bytes: &[u8], case: &dyn std::fmt::Debug) -> std::result::Result<Sound, String> {
    let work = Arc::new(AtomicU64::new(0));
    let source = Counted { bytes: Cursor::new(bytes.to_vec()), work: work.clone() };
    let read = || catch_unwind(AssertUnwindSafe(|| sound(source)));
    let (read, peak) = peak_bytes(read);
    let Ok((read, sound_bytes)) = read else { panic!("a panic: {case:?} {}", kept(bytes)) };
    let memory = MEMORY_BYTES + MEMORY_PER_BYTE * bytes.len() + sound_bytes;
    assert!(peak <= memory, "{peak} bytes of memory: {case:?} {}", kept(bytes));
    let work = work.load(Relaxed);
    let most = READ_BYTES + READS_PER_BYTE * bytes.len() as u64;
    assert!(work <= most, "{work} bytes read of {}: {case:?} {}", bytes.len(), kept(bytes));
    let sound = read.map_err(|error| error.to_string());
    match &sound {
        Ok(sound) => check(sound, bytes, case),
        Err(text) => {
            let is_sentence = text.starts_with("input: ") && text.contains("expected");
            let is_sentence = is_sentence && text.contains("found") && !text.contains('\n');
            assert!(is_sentence, "{text}: {case:?} {}", kept(bytes));
        }
    }
    sound
}

/// The result, and the most bytes of its channels, which grow by doubling.
fn sound(source: Counted) -> (Result<Sound>, usize) {
    let mut sound =
        Sound { sample_rate_hz: 0, channels: Vec::new(), declared_frames: None, warnings: vec![] };
    let outcome = decode(source, &mut sound);
    let bytes = sound.channels.iter().map(|channel| channel.capacity() * 4 * 2).sum();
    (outcome.map(|()| sound), bytes)
}

fn decode(source: Counted, sound: &mut Sound) -> Result<()> {
    let mut reader = Reader::from_source("input", source)?;
    sound.sample_rate_hz = reader.sample_rate_hz();
    sound.channels = vec![Vec::new(); reader.channels()];
    while let Some(block) = reader.read()? {
        let channels = sound.channels.iter_mut().zip(block);
        channels.for_each(|(all, block)| all.extend_from_slice(block));
    }
    (sound.declared_frames, sound.warnings) = (reader.declared_frames(), reader.warnings());
    Ok(())
}

fn check(sound: &Sound, bytes: &[u8], case: &dyn std::fmt::Debug) {
    let frames = sound.frames();
    assert!(SAMPLE_RATES_HZ.contains(&sound.sample_rate_hz) && frames > 0);
    assert!((1..=2).contains(&sound.channels.len()));
    assert!(sound.channels.iter().all(|channel| channel.len() == frames));
    assert!(sound.channels.iter().flatten().all(|sample| sample.is_finite()));
    assert!(frames <= bytes.len() * FRAMES_PER_BYTE, "{frames}: {case:?} {}", kept(bytes));
    let missing = sound.declared_frames.is_some_and(|declared| declared > frames as u64);
    assert!(!missing || !sound.warnings.is_empty(), "no warning: {case:?} {}", kept(bytes));
}

/// Writes a file that violates a property to the folder for temporary files.
pub fn kept(bytes: &[u8]) -> String {
    let path = std::env::temp_dir().join("luthier_audio_file");
    match std::fs::write(&path, bytes) {
        Ok(()) => format!("(the file is {})", path.display()),
        Err(error) => format!("(the file cannot be written: {error})"),
    }
}

/// Counts the bytes that are read.
struct Counted {
    bytes: Cursor<Vec<u8>>,
    work: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        // A call costs time, even without bytes.
        self.work.fetch_add(1 + read as u64, Relaxed);
        Ok(read)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        // A file of the operating system refuses such positions.
        match to {
            SeekFrom::Start(position) if i64::try_from(position).is_err() => {
                Err(io::Error::from(io::ErrorKind::InvalidInput))
            }
            _ => self.bytes.seek(to),
        }
    }
}
