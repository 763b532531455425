//! The audio file that a command writes. Integer samples do not clip: the whole file gets one gain.

use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use engine::audio_file::{SampleFormat, Writer};
use tempfile::SpooledTempFile;

/// Bytes of samples that stay in memory until the peak is known. More are in a temporary file.
const MEMORY_BYTES: usize = 64 << 20;
/// Frames that are read from the temporary file at a time.
const BLOCK_FRAMES: usize = 4096;

/// Collects samples until the peak of the whole file is known.
pub struct Output {
    path: PathBuf,
    writer: Writer,
    format: SampleFormat,
    channels: usize,
    samples: BufWriter<SpooledTempFile>,
    /// Smallest and largest sample.
    range: [f32; 2],
}

impl Output {
    /// Creates the file, so that an error of the path is reported before the computation.
    ///
    /// # Errors
    /// As [`Writer::create`].
    pub fn create(
        path: &Path,
        sample_rate_hz: u32,
        channels: usize,
        format: SampleFormat,
    ) -> Result<Self> {
        let writer = Writer::create(path, sample_rate_hz, channels, format)?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let samples = BufWriter::new(tempfile::spooled_tempfile_in(MEMORY_BYTES, folder));
        let path = path.to_path_buf();
        Ok(Self { path, writer, format, channels, samples, range: [0.0; 2] })
    }

    /// Appends a block, one slice of equal length per channel.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn push(&mut self, block: &[&[f32]]) -> Result<()> {
        if self.format == SampleFormat::Float32 {
            return Ok(self.writer.push(block)?);
        }
        for n in 0..block.first().map_or(0, |channel| channel.len()) {
            for channel in block {
                let [low, high] = self.range;
                self.range = [low.min(channel[n]), high.max(channel[n])];
                self.samples
                    .write_all(&channel[n].to_le_bytes())
                    .with_context(|| self.path.display().to_string())?;
            }
        }
        Ok(())
    }

    /// Completes the file. Returns the gain in dB that avoids clipping, if it was necessary.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn finish(mut self) -> Result<Option<f32>> {
        if self.format == SampleFormat::Float32 {
            self.writer.finish()?;
            return Ok(None);
        }
        let gain = gain(self.range, self.format);
        self.write(gain).with_context(|| self.path.display().to_string())?;
        self.writer.finish()?;
        Ok((gain < 1.0).then(|| 20.0 * gain.log10()))
    }

    fn write(&mut self, gain: f32) -> Result<()> {
        self.samples.flush()?;
        let samples = self.samples.get_mut();
        samples.seek(SeekFrom::Start(0))?;
        let mut samples = BufReader::new(samples);
        let mut bytes = vec![0; 4 * self.channels * BLOCK_FRAMES];
        loop {
            let read = read_full(&mut samples, &mut bytes)?;
            if read == 0 {
                return Ok(());
            }
            let mut block = vec![Vec::new(); self.channels];
            for (n, sample) in bytes[..read].chunks_exact(4).enumerate() {
                let sample = f32::from_le_bytes(sample.try_into().expect("four bytes"));
                block[n % self.channels].push(sample * gain);
            }
            let block: Vec<&[f32]> = block.iter().map(Vec::as_slice).collect();
            self.writer.push(&block)?;
        }
    }
}

/// The note for a gain in dB.
pub fn note(gain_db: f32) -> String {
    format!("note: the output is {:.1} dB quieter, because it would clip", -gain_db)
}

/// The gain that keeps the range of samples within the format's: 1 if nothing would clip.
fn gain([low, high]: [f32; 2], format: SampleFormat) -> f32 {
    let bits = if format == SampleFormat::Int16 { 16 } else { 24 };
    let scale = (1_u32 << (bits - 1)) as f32;
    if (high * scale).round() < scale && (low * scale).round() >= -scale {
        return 1.0;
    }
    (scale - 1.0) / scale / high.max(-low)
}

fn read_full(source: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match source.read(&mut bytes[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use engine::audio_file::decode;

    use super::*;

    fn written(samples: &[f32], format: SampleFormat) -> (Vec<f32>, Option<f32>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.wav");
        let mut output = Output::create(&path, 44_100, 1, format).expect("created");
        samples.chunks(3).for_each(|block| output.push(&[block]).expect("pushed"));
        let gain = output.finish().expect("finished");
        assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1);
        (decode(&path).expect("read").channels[0].clone(), gain)
    }

    #[test]
    fn a_file_that_would_clip_gets_one_gain() {
        let loud = [0.5, -2.0, 1.0, 0.25];
        for format in [SampleFormat::Int16, SampleFormat::Int24] {
            let (samples, gain) = written(&loud, format);
            assert!((gain.expect("a gain") + 6.02).abs() < 0.01);
            for (sample, loud) in samples.iter().zip(loud) {
                assert!((sample - 0.5 * loud).abs() < 1e-4, "{samples:?}");
            }
        }
        assert_eq!(written(&loud, SampleFormat::Float32), (loud.to_vec(), None));
    }

    #[test]
    fn a_file_that_fits_keeps_its_bits() {
        let full = [-1.0, 1.0 - 2.0_f32.powi(-23), 0.5, 0.0];
        assert_eq!(written(&full, SampleFormat::Int24), (full.to_vec(), None));
    }
}
