//! The host's transport at a later piece of a block.

use clap_sys::events::{
    CLAP_TRANSPORT_HAS_BEATS_TIMELINE, CLAP_TRANSPORT_HAS_SECONDS_TIMELINE,
    CLAP_TRANSPORT_HAS_TEMPO, CLAP_TRANSPORT_IS_PLAYING, clap_event_transport,
};
use clap_sys::fixedpoint::{CLAP_BEATTIME_FACTOR, CLAP_SECTIME_FACTOR};
use vst3::Steinberg::Vst::ProcessContext;
use vst3::Steinberg::Vst::ProcessContext_::StatesAndFlags_;

const SECONDS_PER_MINUTE: f64 = 60.0;

/// A CLAP host's transport `samples` later. A stopped transport does not move.
pub fn later(transport: &clap_event_transport, samples: u32, rate_hz: f64) -> clap_event_transport {
    let mut later = *transport;
    let has = |flags| transport.flags & flags == flags;
    if !has(CLAP_TRANSPORT_IS_PLAYING) {
        return later;
    }
    let seconds = f64::from(samples) / rate_hz;
    if has(CLAP_TRANSPORT_HAS_SECONDS_TIMELINE) {
        let elapsed = (seconds * CLAP_SECTIME_FACTOR as f64).round() as i64;
        later.song_pos_seconds = later.song_pos_seconds.saturating_add(elapsed);
    }
    if has(CLAP_TRANSPORT_HAS_BEATS_TIMELINE | CLAP_TRANSPORT_HAS_TEMPO) {
        let beats = seconds * transport.tempo / SECONDS_PER_MINUTE;
        let elapsed = (beats * CLAP_BEATTIME_FACTOR as f64).round() as i64;
        later.song_pos_beats = later.song_pos_beats.saturating_add(elapsed);
    }
    later
}

/// A VST3 host's transport `samples` later. Of a stopped transport only the continuous time moves.
pub fn later_context(context: &ProcessContext, samples: usize) -> ProcessContext {
    let mut later = *context;
    // The constants' type differs between systems.
    let has = |flag: i64| i64::from(context.state) & flag != 0;
    later.continousTimeSamples = later.continousTimeSamples.saturating_add(samples as i64);
    if !has(StatesAndFlags_::kPlaying.into()) {
        return later;
    }
    later.projectTimeSamples = later.projectTimeSamples.saturating_add(samples as i64);
    let tempo_valid = has(StatesAndFlags_::kTempoValid.into());
    if has(StatesAndFlags_::kProjectTimeMusicValid.into()) && tempo_valid {
        later.projectTimeMusic +=
            samples as f64 / context.sampleRate * context.tempo / SECONDS_PER_MINUTE;
    }
    later
}

#[cfg(test)]
mod tests {
    use std::mem::zeroed;

    use super::*;

    #[test]
    fn a_transport_moves_only_while_it_plays() {
        // SAFETY: the structure contains only numbers, and zeros are valid for them.
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
    fn a_context_moves_only_while_it_plays() {
        // SAFETY: the structure contains only numbers, and zeros are valid for them.
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
