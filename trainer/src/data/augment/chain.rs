//! A recording chain: tuning, equaliser, room, noise and level of a recording.

use rand::{Rng, RngCore};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::biquad::Biquad;
use super::room::Room;
use crate::data::decibels::amplitude;

/// Pivot frequency of the tilt.
const TILT_HZ: f32 = 1000.0;
/// Q of the tilt's shelves, for a gentle slope.
const TILT_Q: f32 = 0.5;

/// A peak or dip in the frequency response.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bell {
    /// Centre frequency.
    pub hz: f32,
    /// Gain at the centre.
    pub gain_db: f32,
    /// Quality factor.
    pub q: f32,
}

/// One recording chain. The default is the identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Tuning of the instrument, in cents.
    pub tuning_cents: f32,
    /// Whether both channels are mixed to one first.
    pub mono: bool,
    /// Level of treble against bass: half of it above 1 kHz, minus half of it below.
    pub tilt_db: f32,
    /// Resonances of instrument, room and microphone.
    pub bells: Vec<Bell>,
    /// Reverberation, if any.
    pub room: Option<Room>,
    /// RMS of white noise in dBFS, if any. The music has about -20 dBFS before `gain_db`.
    pub noise_db: Option<f32>,
    /// Gain of the recording.
    pub gain_db: f32,
}

impl Chain {
    /// A random chain within the range of plausible recordings.
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        let bell = |rng: &mut ChaCha8Rng| Bell {
            hz: 120.0 * 50.0f32.powf(rng.random()),
            gain_db: rng.random_range(-5.0..5.0),
            q: rng.random_range(0.6..2.0),
        };
        Self {
            tuning_cents: rng.random_range(-15.0..15.0),
            mono: rng.random_bool(0.6),
            tilt_db: rng.random_range(-7.0..7.0),
            bells: vec![bell(rng), bell(rng)],
            room: rng.random_bool(0.65).then(|| Room::draw(rng)),
            noise_db: rng.random_bool(0.4).then(|| rng.random_range(-78.0..-58.0)),
            gain_db: rng.random_range(-6.0..4.0),
        }
    }

    /// The input channels of the chain: one for mono, else two.
    pub fn channels(&self, left: Vec<f32>, right: Vec<f32>) -> Vec<Vec<f32>> {
        if self.mono || nearly_equal(&left, &right) {
            return vec![left.iter().zip(&right).map(|(l, r)| 0.5 * (l + r)).collect()];
        }
        vec![left, right]
    }

    /// Processes a recording with everything except tuning and mono mix, which the synthesiser and
    /// [`Self::channels`] apply.
    pub fn apply(&self, channels: &mut [Vec<f32>], sample_rate_hz: f32, noise: &mut ChaCha8Rng) {
        let gain = amplitude(self.gain_db);
        for (side, channel) in channels.iter_mut().enumerate() {
            for mut filter in self.filters(sample_rate_hz) {
                filter.run(channel);
            }
            if let Some(room) = &self.room {
                room.run(channel, sample_rate_hz, side);
            }
            if let Some(noise_db) = self.noise_db {
                add_noise(channel, amplitude(noise_db), noise);
            }
            channel.iter_mut().for_each(|v| *v *= gain);
        }
    }

    fn filters(&self, sample_rate_hz: f32) -> Vec<Biquad> {
        let mut filters = Vec::new();
        if self.tilt_db != 0.0 {
            filters.push(Biquad::low_shelf(sample_rate_hz, TILT_HZ, TILT_Q, -0.5 * self.tilt_db));
            filters.push(Biquad::high_shelf(sample_rate_hz, TILT_HZ, TILT_Q, 0.5 * self.tilt_db));
        }
        filters
            .extend(self.bells.iter().map(|b| Biquad::bell(sample_rate_hz, b.hz, b.q, b.gain_db)));
        filters
    }
}

/// Whether two channels differ by less than -60 dB of their peak, as those of a centred mono
/// sample.
fn nearly_equal(left: &[f32], right: &[f32]) -> bool {
    let peak = left.iter().fold(0.0f32, |p, v| p.max(v.abs()));
    left.iter().zip(right).all(|(l, r)| (l - r).abs() <= 1e-3 * peak)
}

/// Adds white noise with this RMS. Its distribution is triangular, because that is fast to draw.
fn add_noise(channel: &mut [f32], rms: f32, rng: &mut ChaCha8Rng) {
    // The difference of two uniform 16-bit numbers has variance 2 * 65536^2 / 12.
    let scale = rms * (6.0f32).sqrt() / 65_536.0;
    for value in channel {
        let bits = rng.next_u32();
        *value += ((bits & 0xffff) as f32 - (bits >> 16) as f32) * scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::random;

    fn rms_db(signal: &[f32]) -> f32 {
        10.0 * (signal.iter().map(|v| v * v).sum::<f32>() / signal.len() as f32).log10()
    }

    #[test]
    fn the_default_chain_changes_nothing() {
        let before: Vec<f32> = (0..5000).map(|n| (n as f32 * 0.1).sin()).collect();
        let mut after = vec![before.clone()];
        Chain::default().apply(&mut after, 22_050.0, &mut random::stream(0, "noise", 0));
        assert_eq!(after[0], before);
    }

    #[test]
    fn noise_gain_and_tilt_are_what_they_say() {
        let chain = Chain { noise_db: Some(-60.0), gain_db: 6.0, ..Chain::default() };
        let mut silence = vec![vec![0.0; 50_000]];
        chain.apply(&mut silence, 22_050.0, &mut random::stream(0, "noise", 0));
        assert!((rms_db(&silence[0]) + 54.0).abs() < 0.1, "{} dB", rms_db(&silence[0]));

        let tilt = |hz: f32| {
            let sine: Vec<f32> = (0..22_050)
                .map(|n| (std::f32::consts::TAU * hz * n as f32 / 22_050.0).sin())
                .collect();
            let mut tilted = vec![sine.clone()];
            let chain = Chain { tilt_db: 6.0, ..Chain::default() };
            chain.apply(&mut tilted, 22_050.0, &mut random::stream(0, "noise", 0));
            rms_db(&tilted[0][2000..]) - rms_db(&sine[2000..])
        };
        assert!(
            (tilt(30.0) + 3.0).abs() < 0.3
                && (tilt(9000.0) - 3.0).abs() < 0.3
                && tilt(1000.0).abs() < 0.1
        );
    }

    #[test]
    fn a_centred_sample_becomes_one_channel_and_a_wide_one_stays_two() {
        let left: Vec<f32> = (0..100).map(|n| n as f32).collect();
        let right: Vec<f32> = left.iter().map(|v| v * 0.5).collect();
        let chain = Chain::default();
        assert_eq!(chain.channels(left.clone(), left.clone()).len(), 1);
        assert_eq!(chain.channels(left.clone(), right.clone()).len(), 2);
        assert_eq!(Chain { mono: true, ..chain }.channels(left, right).len(), 1);
    }
}
