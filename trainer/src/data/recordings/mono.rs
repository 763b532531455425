//! Reads a recording as one channel at the models' sample rate.

use std::ops::Range;
use std::path::Path;

use engine::audio_file::Reader;
use engine::dsp::resample::{Resampler, Rolloff};
use engine::{Error, Result};

use super::trim::FramePowers;

/// Mean square of the loudest frame below which a recording is silent: -60 dBFS. The engine treats
/// the same level as a pause.
const SILENT_POWER: f64 = 1e-6;

/// Reads a file block by block, mixed to mono and resampled. Its memory does not depend on the
/// length of the file.
struct MonoReader {
    reader: Reader,
    resampler: Resampler,
    mono: Vec<f32>,
    block: Vec<f32>,
    ended: bool,
}

impl MonoReader {
    fn open(path: &Path, rate_hz: u32, rolloff: Rolloff) -> Result<Self> {
        let reader = Reader::open(path)?;
        let resampler = Resampler::with_rolloff(reader.sample_rate_hz(), rate_hz, rolloff)?;
        Ok(Self { reader, resampler, mono: Vec::new(), block: Vec::new(), ended: false })
    }

    /// The next samples, possibly an empty slice; `None` at the end.
    fn read(&mut self) -> Result<Option<&[f32]>> {
        if self.ended {
            return Ok(None);
        }
        self.block.clear();
        match self.reader.read()? {
            Some(channels) => {
                let scale = 1.0 / channels.len() as f32;
                let sample = |n: usize| channels.iter().map(|c| c[n]).sum::<f32>() * scale;
                self.mono.clear();
                self.mono.extend((0..channels[0].len()).map(sample));
                self.resampler.push(&self.mono, &mut self.block);
            }
            None => {
                self.resampler.flush(&mut self.block);
                self.ended = true;
            }
        }
        Ok(Some(&self.block))
    }
}

/// The used part of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Excerpt {
    /// Mono, at the requested rate; full scale is 1.
    pub samples: Vec<f32>,
    /// Length of the whole recording at that rate, in samples.
    pub whole_samples: usize,
    /// The part without silent ends, in samples at that rate.
    pub sounding: Range<usize>,
    /// What was wrong with the file: [`Reader::warnings`].
    pub warnings: Vec<String>,
}

/// How a recording is read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// The rate to resample to.
    pub rate_hz: u32,
    /// The resampling filter.
    pub rolloff: Rolloff,
    /// Level below the loudest frame that counts as silence at the ends, in dB.
    pub top_db: f64,
    /// Maximum length of the excerpt, in samples.
    pub most_samples: usize,
}

/// Reads the beginning of a recording as mono, without the silence at its ends.
///
/// The file is decoded twice. The threshold of silence depends on the loudest of *all* frames, and
/// long recordings must not fill the memory.
///
/// # Errors
/// As [`Reader::open`] and [`Reader::read`], or if the recording is silent.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Excerpt> {
    let open = || MonoReader::open(path, options.rate_hz, options.rolloff);
    let (mut powers, mut reader) = (FramePowers::default(), open()?);
    while let Some(block) = reader.read()? {
        powers.push(block);
    }
    let warnings = reader.reader.warnings();
    if powers.loudest() < SILENT_POWER {
        let loudest_db = 10.0 * powers.loudest().log10();
        return Err(Error::file(
            path,
            format!(
                "expected a recording with sound, found silence (at most {loudest_db:.0} dBFS)"
            ),
        ));
    }
    let sounding = powers.sounding(options.top_db);
    let used =
        sounding.start..sounding.end.min(sounding.start.saturating_add(options.most_samples));
    let (mut samples, mut start) = (Vec::with_capacity(used.len()), 0);
    let mut reader = open()?;
    while let Some(block) = reader.read()?.filter(|_| samples.len() < used.len()) {
        let inside = |at: usize| at.clamp(start, start + block.len()) - start;
        samples.extend_from_slice(&block[inside(used.start)..inside(used.end)]);
        start += block.len();
    }
    Ok(Excerpt { samples, whole_samples: powers.samples(), sounding, warnings })
}
