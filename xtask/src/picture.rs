//! Draws spectrograms of recordings into one PNG. Panels are stacked and have the same width.

use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, ensure};
use engine::audio_file::{Audio, Reader};
use engine::dsp::mel::{MelFilterbank, hz_to_mel, power_to_db};
use engine::dsp::stft::Stft;
use engine::reference;
use engine::style::{ReferenceMels, file};
use image::{Rgb, RgbImage};
use plot::{colour, font};
use plotters::prelude::*;
use tempfile::NamedTempFile;

const WIDTH: usize = 1200;
const HEIGHT: usize = 256;
/// Space for the frequencies on the left, in pixels.
const LEFT: usize = 64;
/// Space for the name above each panel, and below the last panel, in pixels.
const TEXT: usize = 24;
const RANGE_DB: f32 = 80.0;
const N_FFT: usize = 4096;
/// Maximum number of FFTs that one column averages. It limits the time for long files.
const FRAMES_PER_COLUMN: usize = 4;
/// Maximum duration that is drawn of an input or output.
const SECONDS_MAX: f64 = 60.0;
/// Space for the PNG: about the size of three panels before compression.
const RESERVED_BYTES: usize = 3 << 20;
const TICKS_HZ: [f32; 6] = [250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0];

/// A mel spectrogram of a whole file, `HEIGHT` bands by at most `WIDTH` columns, in dB.
pub struct Panel {
    name: String,
    seconds: f64,
    /// Columns in order of time; in each, the lowest band is first.
    columns_db: Vec<[f32; HEIGHT]>,
    /// The frequency of the upper edge. The lower edge is 0 Hz.
    nyquist_hz: f32,
}

impl Panel {
    /// Reads a file in blocks, so that memory does not grow with its length. Draws at most the
    /// first `seconds`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn from_file(name: &str, path: &Path, seconds: f64) -> Result<Self> {
        let mut reader = Reader::open(path)?;
        let sample_rate_hz = reader.sample_rate_hz();
        let longest = (seconds * f64::from(sample_rate_hz)).ceil().max(1.0) as usize;
        let samples =
            reader.declared_frames().map_or(longest, |frames| longest.min(frames.max(1) as usize));
        let mut columns = Columns::new(sample_rate_hz, samples.div_ceil(WIDTH).max(64));
        while columns.samples < samples {
            let Some(block) = reader.read()? else { break };
            columns.push(block);
        }
        Ok(Self::from_columns(name, columns, samples, sample_rate_hz))
    }

    /// Draws a recording in memory.
    pub fn from_audio(name: &str, audio: &Audio) -> Self {
        let samples = audio.frames();
        let mut columns = Columns::new(audio.sample_rate_hz, samples.div_ceil(WIDTH).max(64));
        columns.push(&audio.channels);
        Self::from_columns(name, columns, samples, audio.sample_rate_hz)
    }

    fn from_columns(name: &str, mut columns: Columns, samples: usize, sample_rate_hz: u32) -> Self {
        columns.finish();
        Self {
            name: name.into(),
            seconds: (columns.samples.min(samples)) as f64 / f64::from(sample_rate_hz),
            columns_db: columns.finished,
            nyquist_hz: sample_rate_hz as f32 / 2.0,
        }
    }

    /// Draws the spectrograms of a saved style, from which a model computes the tokens.
    pub fn from_reference(name: &str, reference: &ReferenceMels) -> Self {
        let (images, mel) = (reference.images(), &reference.mel);
        let frames: usize = images.iter().map(|image| image.frames).sum();
        let column = |x: usize| {
            let place = x * frames / WIDTH;
            let image = &images[place / images[0].frames];
            let db = |band: usize| {
                RANGE_DB * (image.value(band * mel.n_mels / HEIGHT, place % image.frames) - 1.0)
            };
            std::array::from_fn(db)
        };
        let columns = if frames > 0 { WIDTH } else { 0 };
        Self {
            name: name.into(),
            seconds: (frames * mel.hop_length) as f64 / f64::from(mel.sample_rate_hz),
            columns_db: (0..columns).map(column).collect(),
            nyquist_hz: mel.sample_rate_hz as f32 / 2.0,
        }
    }

    /// The row of a frequency, counted from the top of the panel.
    fn row(&self, hz: f32) -> Option<usize> {
        let share = hz_to_mel(f64::from(hz)) / hz_to_mel(f64::from(self.nyquist_hz));
        (share < 1.0).then_some(((1.0 - share) * (HEIGHT - 1) as f64) as usize)
    }
}

/// Collects samples and computes the mel bands of each complete column.
struct Columns {
    stft: Stft,
    filterbank: MelFilterbank,
    column_samples: usize,
    pending: Vec<f32>,
    samples: usize,
    finished: Vec<[f32; HEIGHT]>,
}

impl Columns {
    fn new(sample_rate_hz: u32, column_samples: usize) -> Self {
        Self {
            stft: Stft::new(N_FFT, N_FFT / 4),
            filterbank: MelFilterbank::new(sample_rate_hz as f32, N_FFT, HEIGHT),
            column_samples,
            pending: vec![0.0; N_FFT / 2],
            samples: 0,
            finished: Vec::new(),
        }
    }

    fn push(&mut self, block: &[Vec<f32>]) {
        let scale = 1.0 / block.len() as f32;
        let frames = block[0].len();
        self.pending.extend((0..frames).map(|n| block.iter().map(|c| c[n]).sum::<f32>() * scale));
        self.samples += frames;
        // The half window before a column's first sample is part of its first frame.
        while self.pending.len() >= self.column_samples + N_FFT {
            self.emit();
        }
    }

    fn finish(&mut self) {
        self.pending.resize(self.pending.len() + N_FFT / 2, 0.0);
        while self.pending.len() > N_FFT && self.finished.len() < WIDTH {
            self.emit();
        }
    }

    fn emit(&mut self) {
        let count = self.column_samples.div_ceil(N_FFT / 2).clamp(1, FRAMES_PER_COLUMN);
        let mut mel = [0.0_f32; HEIGHT];
        for frame in 0..count {
            let center = N_FFT / 2 + self.column_samples * (2 * frame + 1) / (2 * count);
            let power: Vec<f32> = self
                .stft
                .frame(&self.pending, center as isize)
                .iter()
                .map(|bin| bin.norm_sqr())
                .collect();
            self.filterbank.apply(&power, |band, value| mel[band] += value / count as f32);
        }
        self.finished.push(mel.map(|power| power_to_db(power, 1e-10)));
        self.pending.drain(..self.column_samples.min(self.pending.len()));
    }
}

/// A PNG that is written later. A temporary file in its folder reserves the space, so a path that
/// cannot be written and a full disk are known before the work.
pub struct Canvas {
    path: PathBuf,
    file: NamedTempFile,
}

impl Canvas {
    /// Creates the temporary file.
    ///
    /// # Errors
    /// If the name does not end in .png, or the path cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let png = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"));
        ensure!(png, "{}: expected a name that ends in .png", path.display());
        ensure!(!path.is_dir(), "{}: expected an output file, found a folder", path.display());
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = builder().tempfile_in(folder).map_err(|error| unwritable(path, &error))?;
        // Not through `NamedTempFile`, whose errors name the temporary file.
        let reserved = file.as_file_mut().write_all(&vec![0; RESERVED_BYTES]);
        reserved.map_err(|error| unwritable(path, &error))?;
        Ok(Self { path: path.to_path_buf(), file })
    }

    /// Draws the input, style and output of a transfer, and writes the file.
    ///
    /// # Errors
    /// If a recording or the style cannot be read, or the disk is full.
    pub fn draw_transfer(self, input: &Path, style: &Path, output: &Path) -> Result<()> {
        let style = match file::is_style(style) {
            true => Panel::from_reference("style", &file::read(style)?.mels),
            false => {
                let open = || Reader::open(style);
                let reference = reference::read(open, &style.display().to_string())?;
                Panel::from_audio("style", &reference.audio)
            }
        };
        let [input, output] = [("input", input), ("output", output)]
            .map(|(name, path)| Panel::from_file(name, path, SECONDS_MAX));
        self.draw(&[input?, style, output?])
    }

    /// Draws the panels and writes the file.
    ///
    /// # Errors
    /// If the disk is full.
    fn draw(self, panels: &[Panel]) -> Result<()> {
        let (width, height) = (LEFT + WIDTH + 8, panels.len() * (TEXT + HEIGHT) + TEXT);
        let mut picture = plot::white(width as u32, height as u32);
        for (index, panel) in panels.iter().enumerate() {
            paint(&mut picture, panel, index * (TEXT + HEIGHT) + TEXT);
        }
        self.write(&label(picture, panels)?)
    }

    /// Writes a picture to the path.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn write(mut self, picture: &RgbImage) -> Result<()> {
        let bytes = plot::png(picture)?;
        let written = overwrite(self.file.as_file_mut(), &bytes);
        written.map_err(|error| unwritable(&self.path, &error))?;
        self.file.persist(&self.path).map_err(|failed| unwritable(&self.path, &failed.error))?;
        Ok(())
    }
}

/// Replaces the content of a file. Its space is not released before the end.
fn overwrite(file: &mut std::fs::File, bytes: &[u8]) -> io::Result<()> {
    file.rewind()?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)
}

fn unwritable(path: &Path, error: &io::Error) -> anyhow::Error {
    anyhow!("{}: cannot be written: {}", path.display(), error.kind())
}

/// By default, only the user can read temporary files. A picture has the permissions of a new file.
fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

fn paint(picture: &mut RgbImage, panel: &Panel, top: usize) {
    let peak_db = panel.columns_db.iter().flatten().copied().fold(f32::MIN, f32::max);
    for (x, column) in panel.columns_db.iter().take(WIDTH).enumerate() {
        for (band, db) in column.iter().enumerate() {
            let colour = colour::magma((db - peak_db) / RANGE_DB + 1.0);
            picture.put_pixel((LEFT + x) as u32, (top + HEIGHT - 1 - band) as u32, Rgb(colour));
        }
    }
}

fn label(picture: RgbImage, panels: &[Panel]) -> Result<RgbImage> {
    plot::draw_on(picture, |root| {
        let font = |size: u32| (font::FAMILY, size).into_font().color(&BLACK);
        let text = |text: String, x: usize, y: usize, size| {
            root.draw(&Text::new(text, (x as i32, y as i32), font(size)))
        };
        for (index, panel) in panels.iter().enumerate() {
            let top = index * (TEXT + HEIGHT) + TEXT;
            text(format!("{} ({:.1} s)", panel.name, panel.seconds), LEFT, top - TEXT + 4, 17)?;
            for hz in TICKS_HZ {
                if let Some(row) = panel.row(hz) {
                    text(format!("{hz} Hz"), 6, top + row - 6, 13)?;
                }
            }
        }
        Ok::<(), Box<dyn std::error::Error>>(())
    })
}

#[cfg(test)]
mod tests {
    use engine::audio_file::{Audio, SampleFormat, encode};

    use super::*;

    #[test]
    fn a_tone_is_brightest_at_its_own_height_and_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tone.wav");
        let tone = |n: usize| {
            let sounding = (22_050..44_100).contains(&n);
            if sounding {
                0.5 * (std::f32::consts::TAU * 1000.0 * n as f32 / 44_100.0).sin()
            } else {
                0.0
            }
        };
        let audio =
            Audio { sample_rate_hz: 44_100, channels: vec![(0..88_200).map(tone).collect()] };
        encode(&path, &audio, SampleFormat::Int24).expect("written");
        let panel = Panel::from_file("tone", &path, 2.0).expect("drawn");
        assert!(panel.columns_db.len().abs_diff(WIDTH) <= 12, "{} columns", panel.columns_db.len());
        let peak = |column: usize| {
            let db = panel.columns_db[column * panel.columns_db.len() / 100];
            let (band, db) =
                db.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).expect("bands");
            (HEIGHT - 1 - band, *db)
        };
        let (row, loud) = peak(35);
        assert!(row.abs_diff(panel.row(1000.0).expect("in range")) <= 2);
        assert!(peak(15).1 < loud - 60.0 && peak(70).1 < loud - 60.0);
        let picture = folder.path().join("tone.png");
        Canvas::create(&picture).expect("created").draw(&[panel]).expect("drawn");
        assert_eq!(image::open(&picture).expect("a PNG").width() as usize, LEFT + WIDTH + 8);
    }
}
