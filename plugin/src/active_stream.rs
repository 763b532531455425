//! The audio thread's part of an instance between `activate` and `deactivate`: gains, stream,
//! bypass, meters.
//!
//! [`ActiveStream::process`] neither allocates, frees, locks, waits (but offline) nor fails.

use std::sync::atomic::Ordering::Relaxed;

use engine::stream::delay_line::DelayLine;
use engine::stream::{AudioThread, Work};
use nice_plug::util::db_to_gain;

use crate::params::{LuthierParams, number};
use crate::ramp::Ramp;
use crate::shared::{AtomicLevel, Shared};

/// The most samples that are processed at once.
const PIECE_SAMPLES: usize = 512;

/// A stream with what surrounds it.
pub struct ActiveStream {
    audio: AudioThread,
    // Called off and joined when this goes.
    _work: Work,
    latency: u32,
    /// The input as it came, for the bypass.
    raw: DelayLine,
    /// Samples since reset.
    position: i64,
    input_gain: Ramp,
    output_gain: Ramp,
    /// 0 (the effect) to 1 (the delayed input).
    bypass: Ramp,
    /// Nothing has come since the last reset: the parameters are what they are, and do not move
    /// there.
    fresh: bool,
    piece: Vec<Vec<f32>>,
    delayed: Vec<f32>,
}

impl ActiveStream {
    /// Surrounds a stream of `channels` channels.
    pub fn new(audio: AudioThread, work: Work, channels: usize, sample_rate_hz: u32) -> Self {
        let latency = u32::try_from(audio.latency_samples()).unwrap_or(u32::MAX);
        let ramp = |value| Ramp::new(value, sample_rate_hz as f32);
        Self {
            latency,
            raw: DelayLine::new(channels, latency as usize + PIECE_SAMPLES),
            position: 0,
            input_gain: ramp(1.0),
            output_gain: ramp(1.0),
            bypass: ramp(0.0),
            fresh: true,
            piece: vec![vec![0.0; PIECE_SAMPLES]; channels],
            delayed: vec![0.0; PIECE_SAMPLES],
            audio,
            _work: work,
        }
    }

    /// Host samples from input to output.
    pub fn latency_samples(&self) -> u32 {
        self.latency
    }

    /// Whether `process` may wait for the worker.
    pub fn set_offline(&mut self, offline: bool) {
        self.audio.set_offline(offline);
    }

    /// A new stream begins.
    pub fn reset(&mut self) {
        self.audio.reset();
        self.raw.reset();
        self.position = 0;
        self.fresh = true;
    }

    /// Replaces one block by what was made of the input `latency` ago. A new stream begins before
    /// the sample `begins`, where there is one.
    pub fn process(
        &mut self,
        io: &mut [&mut [f32]],
        sidechain: &[&[f32]; 2],
        begins: Option<usize>,
        params: &LuthierParams,
        shared: &Shared,
    ) {
        self.follow(params);
        measure(&shared.meters.input, io.iter().map(|channel| &**channel));
        measure(&shared.meters.sidechain, sidechain.iter().copied());
        let len = io.iter().map(|channel| channel.len()).min().unwrap_or(0);
        let channels = io.len().min(2);
        let mut end = 0;
        while end < len {
            let start = end;
            if begins == Some(start) {
                self.reset();
                self.follow(params);
            }
            let bound = begins.filter(|&begin| begin > start).unwrap_or(len);
            end = bound.min(len).min(start + PIECE_SAMPLES);
            let mut piece: [&mut [f32]; 2] = [&mut [], &mut []];
            for (slot, channel) in piece.iter_mut().zip(io.iter_mut()) {
                *slot = &mut channel[start..end];
            }
            let side =
                sidechain.map(|channel| &channel[start.min(channel.len())..end.min(channel.len())]);
            self.process_piece(&mut piece[..channels], &side[..channels], end - start);
        }
        measure(&shared.meters.output, io.iter().map(|channel| &**channel));
        self.report(shared);
    }

    /// Takes the parameters over.
    fn follow(&mut self, params: &LuthierParams) {
        self.audio.set_settings(&params.settings());
        self.input_gain.set(db_to_gain(number(&params.input_gain)));
        self.output_gain.set(db_to_gain(number(&params.output_gain)));
        self.bypass.set(if params.bypass.value() { 1.0 } else { 0.0 });
        if std::mem::take(&mut self.fresh) {
            self.input_gain.settle();
            self.output_gain.settle();
            self.bypass.settle();
        }
    }

    fn process_piece(&mut self, io: &mut [&mut [f32]], sidechain: &[&[f32]], len: usize) {
        for (raw, channel) in self.piece.iter_mut().zip(io.iter()) {
            raw.clear();
            raw.extend(channel.iter().map(|&sample| normal(sample)));
        }
        self.raw.write(&self.piece);
        self.input_gain.apply(io);
        self.audio.process(io, sidechain);
        self.output_gain.apply(io);
        self.mix_bypass(io, len);
        self.position += len as i64;
        clean(io);
    }

    fn mix_bypass(&mut self, io: &mut [&mut [f32]], len: usize) {
        if self.bypass.settled() == Some(0.0) {
            return;
        }
        let from = self.position - i64::from(self.latency);
        let ramp = self.bypass;
        for (c, channel) in io.iter_mut().enumerate() {
            self.bypass = ramp;
            let delayed = &mut self.delayed[..len];
            self.raw.read(c, from, delayed);
            for (out, &raw) in channel.iter_mut().zip(&*delayed) {
                let share = self.bypass.next();
                *out = if share == 1.0 { raw } else { *out + (raw - *out) * share };
            }
        }
    }

    fn report(&self, shared: &Shared) {
        let stats = self.audio.stats();
        let status = &shared.status;
        status.wet.store(stats.wet, Relaxed);
        status.late.store(stats.late, Relaxed);
        status.failed.store(stats.failed, Relaxed);
        status.position.store(self.position - i64::from(self.latency), Relaxed);
    }
}

/// Louder than any music (+40 dBFS): whoever sends more has a broken filter upstream, and listeners
/// with ears.
const LOUDEST: f32 = 100.0;

/// What is not a number would stay in filters and meters for ever; subnormal numbers are inaudible
/// and slow.
fn normal(sample: f32) -> f32 {
    if sample.is_normal() { sample.clamp(-LOUDEST, LOUDEST) } else { 0.0 }
}

/// Leaves zeros and normal numbers, none louder than +40 dBFS.
pub fn clean(channels: &mut [&mut [f32]]) {
    channels
        .iter_mut()
        .flat_map(|channel| channel.iter_mut())
        .for_each(|sample| *sample = normal(*sample));
}

fn measure<'a>(meters: &[AtomicLevel; 2], channels: impl Iterator<Item = &'a [f32]>) {
    for (meter, channel) in meters.iter().zip(channels) {
        meter.raise(channel.iter().fold(0.0, |peak, &sample| normal(sample).abs().max(peak)));
    }
}
