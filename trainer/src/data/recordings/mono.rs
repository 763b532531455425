//! A recording's samples as the models hear them: one channel at one rate.

use std::ops::Range;
use std::path::Path;

use engine::audio_file::Reader;
use engine::dsp::resample::{Resampler, Rolloff};
use engine::{Error, Result};

use super::trim::FramePowers;

/// Mean square of the loudest frame below which a recording is silent: -60 dBFS, what playing takes
/// for a pause.
const SILENT_POWER: f64 = 1e-6;

/// Reads a file block by block, mixed to mono and resampled; its memory does not grow with the
/// file.
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

    /// The next samples, sometimes none; `None` after the last.
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

/// The part of a recording that is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Excerpt {
    /// Mono, at the rate that was asked for; full scale is 1.
    pub samples: Vec<f32>,
    /// Samples of the whole recording at that rate.
    pub whole_samples: usize,
    /// What lies between the silences of its ends, in those samples.
    pub sounding: Range<usize>,
}

/// How a recording is read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// The rate to resample to.
    pub rate_hz: u32,
    /// With which filter.
    pub rolloff: Rolloff,
    /// How far below the loudest frame the silence at the ends lies, in dB.
    pub top_db: f64,
    /// Samples of the excerpt at most.
    pub most_samples: usize,
}

/// Reads a recording, mixed to mono, without the silence at its ends, the beginning of it.
///
/// The file is decoded twice, because the threshold of silence lies below the loudest of *all* its
/// frames, and hours of recording that are not used need not be held in memory.
///
/// # Errors
/// As [`Reader::open`] and [`Reader::read`], or if nothing in it sounds.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Excerpt> {
    let open = || MonoReader::open(path, options.rate_hz, options.rolloff);
    let (mut powers, mut reader) = (FramePowers::default(), open()?);
    while let Some(block) = reader.read()? {
        powers.push(block);
    }
    if powers.loudest() < SILENT_POWER {
        let loudest_db = 10.0 * powers.loudest().log10();
        return Err(Error::file(
            path,
            format!(
                "expected a recording that sounds, found silence (no more than {loudest_db:.0} dBFS)"
            ),
        ));
    }
    let sounding = powers.sounding(options.top_db);
    let wanted =
        sounding.start..sounding.end.min(sounding.start.saturating_add(options.most_samples));
    let (mut samples, mut heard) = (Vec::with_capacity(wanted.len()), 0);
    let mut reader = open()?;
    while let Some(block) = reader.read()?.filter(|_| samples.len() < wanted.len()) {
        let inside = |at: usize| at.clamp(heard, heard + block.len()) - heard;
        samples.extend_from_slice(&block[inside(wanted.start)..inside(wanted.end)]);
        heard += block.len();
    }
    Ok(Excerpt { samples, whole_samples: powers.samples(), sounding })
}
