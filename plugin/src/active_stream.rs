//! The audio thread's part of an instance between `activate` and `deactivate`.
//!
//! [`ActiveStream::process`] is real-time safe: it does not allocate, free, lock or fail. It waits
//! only in offline renders.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

use engine::stream::{AudioThread, Controls, WorkHandle};
use nice_plug::util::db_to_gain;

use crate::params::{LuthierParams, number};
use crate::shared::{AtomicLevel, Shared};

/// The engine's stream, connected to the plugin's parameters and meters.
pub struct ActiveStream {
    audio: AudioThread,
    // Dropping it cancels the stream's windows and waits for the worker.
    _work: WorkHandle,
}

impl ActiveStream {
    /// Connects both halves of a stream.
    pub fn new(audio: AudioThread, work: WorkHandle) -> Self {
        Self { audio, _work: work }
    }

    /// Latency in host samples.
    pub fn latency_samples(&self) -> u32 {
        u32::try_from(self.audio.latency_samples()).unwrap_or(u32::MAX)
    }

    /// Sets whether `process` may wait for the worker.
    pub fn set_offline(&mut self, offline: bool) {
        self.audio.set_offline(offline);
    }

    /// Starts a new stream.
    pub fn reset(&mut self) {
        self.audio.reset();
    }

    /// Processes one block in place. The output is delayed by `latency_samples`. If `start` is set,
    /// a new stream starts before this sample of the block.
    pub fn process(
        &mut self,
        io: &mut [&mut [f32]],
        sidechain: &[&[f32]; 2],
        start: Option<usize>,
        params: &LuthierParams,
        shared: &Shared,
    ) {
        let len = io.iter().map(|channel| channel.len()).min().unwrap_or(0);
        let start = start.filter(|&start| start < len);
        self.set_parameters(params);
        self.process_range(io, sidechain, 0..start.unwrap_or(len));
        if let Some(start) = start {
            self.reset();
            self.set_parameters(params);
            self.process_range(io, sidechain, start..len);
        }
        self.report(shared);
    }

    fn set_parameters(&mut self, params: &LuthierParams) {
        self.audio.set_settings(&params.settings());
        self.audio.set_controls(&Controls {
            input_gain: db_to_gain(number(&params.input_gain)),
            output_gain: db_to_gain(number(&params.output_gain)),
            limiter: params.limiter.value(),
            bypass: params.bypass.value(),
        });
    }

    fn process_range(
        &mut self,
        io: &mut [&mut [f32]],
        sidechain: &[&[f32]; 2],
        range: Range<usize>,
    ) {
        let channels = io.len().min(2);
        let mut part: [&mut [f32]; 2] = [&mut [], &mut []];
        for (slot, channel) in part.iter_mut().zip(io) {
            *slot = &mut channel[range.clone()];
        }
        let side = sidechain
            .map(|channel| &channel[range.start.min(channel.len())..range.end.min(channel.len())]);
        self.audio.process(&mut part[..channels], &side);
    }

    fn report(&mut self, shared: &Shared) {
        let peaks = self.audio.take_peaks();
        raise(&shared.meters.input, peaks.input);
        raise(&shared.meters.sidechain, peaks.sidechain);
        raise(&shared.meters.output, peaks.output);
        let (stats, status) = (self.audio.stats(), &shared.status);
        status.wet.store(stats.wet, Relaxed);
        status.late.store(stats.late, Relaxed);
        status.failed.store(stats.failed, Relaxed);
        status.position.store(self.audio.position(), Relaxed);
    }
}

fn raise(meters: &[AtomicLevel; 2], peaks: [f32; 2]) {
    meters.iter().zip(peaks).for_each(|(meter, peak)| meter.raise(peak));
}
