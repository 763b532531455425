//! Audio at another sample rate.

use engine::Result;
use engine::audio_file::Audio;
use engine::dsp::resample::Resampler;

/// A recording at another rate, without delay.
///
/// # Errors
/// If a rate is not 8 to 192 kHz.
pub fn resampled(audio: &Audio, to_hz: u32) -> Result<Audio> {
    let one = |channel: &Vec<f32>| {
        let (mut resampler, mut out) = (Resampler::new(audio.sample_rate_hz, to_hz)?, Vec::new());
        resampler.push(channel, &mut out);
        resampler.flush(&mut out);
        Ok(out)
    };
    let channels = audio.channels.iter().map(one).collect::<Result<_>>()?;
    Ok(Audio { sample_rate_hz: to_hz, channels })
}
