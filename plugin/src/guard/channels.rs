//! The channels of one block, with missing channels replaced.

use std::ptr;

use super::{MAX_BLOCK_SAMPLES, MAX_CHANNELS};

/// Buffers in place of channels that a host omits. Allocated at activation.
#[derive(Default)]
pub struct StandInBuffers {
    silence: Vec<f32>,
    /// A stereo sidechain mixed down for a mono signal.
    mixed: Vec<f32>,
    trash: Vec<f32>,
}

impl StandInBuffers {
    /// Allocates room for the largest piece.
    pub fn prepare(&mut self) {
        self.silence.resize(MAX_BLOCK_SAMPLES as usize, 0.0);
        self.mixed.resize(MAX_BLOCK_SAMPLES as usize, 0.0);
        self.trash.resize(MAX_BLOCK_SAMPLES as usize * MAX_CHANNELS, 0.0);
    }

    /// Whether [`Self::prepare`] has been called.
    pub fn is_prepared(&self) -> bool {
        !self.silence.is_empty()
    }
}

/// A host's bus: an array of channel pointers, which may be null.
#[derive(Clone, Copy)]
pub struct Bus {
    /// The array; may be null.
    pub channels: *mut *mut f32,
    /// Length of the array.
    pub count: usize,
}

impl Bus {
    /// A missing bus.
    pub const NONE: Self = Self { channels: ptr::null_mut(), count: 0 };

    /// The pointer of a channel, advanced by `offset` samples; null for a missing channel.
    ///
    /// # Safety
    /// `channels` is null or points to `count` pointers. Each of them is null or points to more
    /// than `offset` samples.
    unsafe fn channel(self, index: usize, offset: usize) -> *mut f32 {
        if self.channels.is_null() || index >= self.count {
            return ptr::null_mut();
        }
        // SAFETY: the array has more than `index` entries.
        let channel = unsafe { *self.channels.add(index) };
        if channel.is_null() {
            return channel;
        }
        // SAFETY: the channel has more than `offset` samples.
        unsafe { channel.add(offset) }
    }
}

/// Pointers to every channel of main input, sidechain and output, none of them null.
pub struct Channels {
    /// Main input and sidechain.
    pub inputs: [[*mut f32; MAX_CHANNELS]; 2],
    /// Main output.
    pub output: [*mut f32; MAX_CHANNELS],
}

impl Channels {
    /// The channels of the piece of a block that begins at `offset`. Missing inputs are silent;
    /// missing outputs are discarded.
    ///
    /// # Safety
    /// The buses are valid, for a block longer than `offset`. The piece has at most
    /// [`MAX_BLOCK_SAMPLES`], and `scratch` is prepared.
    pub unsafe fn complete(
        inputs: [Bus; 2],
        output: Bus,
        offset: usize,
        scratch: &mut StandInBuffers,
    ) -> Self {
        // The last piece may have been processed in place.
        scratch.silence.fill(0.0);
        let silence = scratch.silence.as_mut_ptr();
        let or =
            |channel: *mut f32, other: *mut f32| if channel.is_null() { other } else { channel };
        let mut channels =
            Self { inputs: [[silence; MAX_CHANNELS]; 2], output: [ptr::null_mut(); MAX_CHANNELS] };
        for c in 0..MAX_CHANNELS {
            for (row, bus) in channels.inputs.iter_mut().zip(inputs) {
                // SAFETY: the caller's promise.
                row[c] = or(unsafe { bus.channel(c, offset) }, silence);
            }
            // SAFETY: the trash has room for MAX_CHANNELS pieces.
            let trash = unsafe { scratch.trash.as_mut_ptr().add(c * MAX_BLOCK_SAMPLES as usize) };
            // SAFETY: the caller's promise.
            channels.output[c] = or(unsafe { output.channel(c, offset) }, trash);
        }
        channels
    }

    /// Converts the sidechain to the main signal's `width`. A mono sidechain is copied to both
    /// channels; a stereo sidechain is averaged.
    ///
    /// # Safety
    /// [`Self::complete`] created `self` from the same bus, for a piece of `len` samples.
    pub unsafe fn fit_sidechain(
        &mut self,
        bus: Bus,
        width: usize,
        len: usize,
        scratch: &mut StandInBuffers,
    ) {
        let row = &mut self.inputs[1];
        if width > bus.count && bus.count == 1 {
            row[1] = row[0];
        }
        if width == 1 && bus.count > 1 {
            for (i, mixed) in scratch.mixed[..len].iter_mut().enumerate() {
                // SAFETY: both channels are as long as the piece, because missing ones are silence.
                *mixed = unsafe { (*row[0].add(i) + *row[1].add(i)) / 2.0 };
            }
            row[0] = scratch.mixed.as_mut_ptr();
        }
    }
}
