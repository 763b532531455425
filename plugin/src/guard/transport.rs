//! Where a host's transport is at a later piece of its block.

use clap_sys::events::{
    CLAP_TRANSPORT_HAS_BEATS_TIMELINE, CLAP_TRANSPORT_HAS_SECONDS_TIMELINE,
    CLAP_TRANSPORT_HAS_TEMPO, CLAP_TRANSPORT_IS_PLAYING, clap_event_transport,
};
use clap_sys::fixedpoint::{CLAP_BEATTIME_FACTOR, CLAP_SECTIME_FACTOR};
use vst3::Steinberg::Vst::ProcessContext;
use vst3::Steinberg::Vst::ProcessContext_::StatesAndFlags_;

const SECONDS_A_MINUTE: f64 = 60.0;

/// A CLAP host's transport after so many samples. One that stands still stays where it is.
pub fn later(transport: &clap_event_transport, samples: u32, rate_hz: f64) -> clap_event_transport {
    let mut at = *transport;
    let is = |flags| transport.flags & flags == flags;
    if !is(CLAP_TRANSPORT_IS_PLAYING) {
        return at;
    }
    let seconds = f64::from(samples) / rate_hz;
    if is(CLAP_TRANSPORT_HAS_SECONDS_TIMELINE) {
        let on = (seconds * CLAP_SECTIME_FACTOR as f64).round() as i64;
        at.song_pos_seconds = at.song_pos_seconds.saturating_add(on);
    }
    if is(CLAP_TRANSPORT_HAS_BEATS_TIMELINE | CLAP_TRANSPORT_HAS_TEMPO) {
        let beats = seconds * transport.tempo / SECONDS_A_MINUTE;
        let on = (beats * CLAP_BEATTIME_FACTOR as f64).round() as i64;
        at.song_pos_beats = at.song_pos_beats.saturating_add(on);
    }
    at
}

/// A VST3 host's transport after so many samples. One that stands still stays where it is, but for
/// the time that always goes on.
pub fn later_context(context: &ProcessContext, samples: usize) -> ProcessContext {
    let mut at = *context;
    // The constants' type differs between systems.
    let is = |flag: i64| i64::from(context.state) & flag != 0;
    at.continousTimeSamples = at.continousTimeSamples.saturating_add(samples as i64);
    if !is(StatesAndFlags_::kPlaying.into()) {
        return at;
    }
    at.projectTimeSamples = at.projectTimeSamples.saturating_add(samples as i64);
    if is(StatesAndFlags_::kProjectTimeMusicValid.into()) && is(StatesAndFlags_::kTempoValid.into())
    {
        at.projectTimeMusic +=
            samples as f64 / context.sampleRate * context.tempo / SECONDS_A_MINUTE;
    }
    at
}

#[cfg(test)]
mod tests {
    use std::mem::zeroed;

    use super::*;

    #[test]
    fn a_transport_that_rolls_goes_on_and_one_that_stands_does_not() {
        // SAFETY: numbers alone, for which zeros are values.
        let mut transport: clap_event_transport = unsafe { zeroed() };
        transport.tempo = 120.0;
        transport.flags = CLAP_TRANSPORT_HAS_SECONDS_TIMELINE
            | CLAP_TRANSPORT_HAS_BEATS_TIMELINE
            | CLAP_TRANSPORT_HAS_TEMPO;
        assert_eq!(later(&transport, 24_000, 48_000.0).song_pos_seconds, 0);
        transport.flags |= CLAP_TRANSPORT_IS_PLAYING;
        let at = later(&transport, 24_000, 48_000.0);
        assert_eq!(
            (at.song_pos_seconds, at.song_pos_beats),
            (CLAP_SECTIME_FACTOR / 2, CLAP_BEATTIME_FACTOR)
        );
    }

    #[test]
    fn a_context_that_rolls_goes_on_and_one_that_stands_does_not() {
        // SAFETY: numbers alone, for which zeros are values.
        let mut context: ProcessContext = unsafe { zeroed() };
        (context.sampleRate, context.tempo, context.projectTimeSamples) = (48_000.0, 120.0, -100);
        let standing = later_context(&context, 24_000);
        assert_eq!((standing.projectTimeSamples, standing.continousTimeSamples), (-100, 24_000));
        let flags = [
            StatesAndFlags_::kPlaying,
            StatesAndFlags_::kTempoValid,
            StatesAndFlags_::kProjectTimeMusicValid,
        ];
        context.state = flags.map(i64::from).iter().sum::<i64>() as u32;
        let at = later_context(&context, 24_000);
        assert_eq!((at.projectTimeSamples, at.projectTimeMusic), (23_900, 1.0));
    }
}
