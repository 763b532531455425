//! The C interface between Luthier and its engine library: what both sides are compiled with.
//!
//! The library is another build of this crate, perhaps of another day: nothing but these types
//! crosses, all memory stays with whoever allocated it, and no panic leaves a function. Latents and
//! images are as in [`crate::pipeline::TransferModel`].

use std::ffi::CStr;

/// Raised with every change of this file, or of what its functions compute.
pub const VERSION: u32 = 2;

/// Name of the [`VersionFn`]; it never changes.
pub const VERSION_SYMBOL: &CStr = c"luthier_engine_version";
/// Name of the [`FunctionsFn`].
pub const FUNCTIONS_SYMBOL: &CStr = c"luthier_engine_functions";

/// The library's [`VERSION`].
pub type VersionFn = unsafe extern "C" fn() -> u32;
/// The library's functions, for as long as the process lives; null where the caller's [`VERSION`],
/// which it gives, is not the library's.
pub type FunctionsFn = unsafe extern "C" fn(version: u32) -> *const Functions;

/// Zero where all went well, and then alone are outputs whole.
pub type StatusCode = i32;
/// All went well.
pub const OK: StatusCode = 0;
/// The message says what did not.
pub const FAILED: StatusCode = 1;

/// [`Functions::open_model`]'s device: candle on the CPU. Slow: it is there to test the library
/// without a GPU.
pub const DEVICE_CPU: u32 = 0;
/// [`Functions::open_model`]'s device: the first CUDA GPU.
pub const DEVICE_CUDA: u32 = 1;

/// A model on a device; any number of threads may open streams on it.
#[repr(C)]
pub struct Model {
    _opaque: [u8; 0],
}

/// What one stream keeps between calls; one thread at a time. It may outlive its model's handle.
#[repr(C)]
pub struct Stream {
    _opaque: [u8; 0],
}

/// What the library offers. Every [`Room`] must be filled exactly; a `message` gets the reason of a
/// failure in UTF-8, cut to what has room, the rest zero.
#[repr(C)]
pub struct Functions {
    /// The model in the bytes of a model file, on a device.
    pub open_model: unsafe extern "C" fn(
        file: View<u8>,
        device: u32,
        model: *mut *mut Model,
        message: Room<u8>,
    ) -> StatusCode,
    /// Lets a model go.
    pub close_model: unsafe extern "C" fn(model: *mut Model),
    /// A stream on a model.
    pub open_stream: unsafe extern "C" fn(
        model: *const Model,
        stream: *mut *mut Stream,
        message: Room<u8>,
    ) -> StatusCode,
    /// Lets a stream go.
    pub close_stream: unsafe extern "C" fn(stream: *mut Stream),
    /// Images of one size, one after the other, to a style.
    pub style_tokens: unsafe extern "C" fn(
        stream: *mut Stream,
        images: Image,
        tokens: Room<f32>,
        pooled: Room<f32>,
        instruments: Room<f32>,
        message: Room<u8>,
    ) -> StatusCode,
    /// Image to latent.
    pub encode: unsafe extern "C" fn(
        stream: *mut Stream,
        image: Image,
        latent: Room<f32>,
        message: Room<u8>,
    ) -> StatusCode,
    /// Latent to image.
    pub decode: unsafe extern "C" fn(
        stream: *mut Stream,
        latent: Latent,
        image: Room<f32>,
        message: Room<u8>,
    ) -> StatusCode,
    /// The denoiser's prediction for every conditioning, one after the other.
    pub denoise: unsafe extern "C" fn(
        stream: *mut Stream,
        noisy: Latent,
        timestep: usize,
        conditionings: View<Conditioning>,
        predictions: Room<f32>,
        message: Room<u8>,
    ) -> StatusCode,
}

/// A slice that is read; null for one that is not there.
#[repr(C)]
#[derive(Debug)]
pub struct View<T> {
    data: *const T,
    len: usize,
}

impl<T> Clone for View<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<T> {}

impl<T> View<T> {
    /// A view of a slice, or of none.
    pub fn from_slice(slice: Option<&[T]>) -> Self {
        slice.map_or(Self { data: std::ptr::null(), len: 0 }, |s| Self {
            data: s.as_ptr(),
            len: s.len(),
        })
    }

    /// The slice.
    ///
    /// # Safety
    /// What the view was made of is still there, and nobody writes to it.
    pub unsafe fn slice<'a>(self) -> Option<&'a [T]> {
        // SAFETY: as the caller promises; a view that is not null was made of a slice.
        (!self.data.is_null()).then(|| unsafe { std::slice::from_raw_parts(self.data, self.len) })
    }
}

/// A slice that is written.
#[repr(C)]
#[derive(Debug)]
pub struct Room<T> {
    data: *mut T,
    len: usize,
}

impl<T> Room<T> {
    /// Room in a slice.
    pub fn from_slice(slice: &mut [T]) -> Self {
        Self { data: slice.as_mut_ptr(), len: slice.len() }
    }

    /// The slice.
    ///
    /// # Safety
    /// What the room was made of is still there, and nobody else reads or writes it.
    pub unsafe fn slice<'a>(self) -> &'a mut [T] {
        if self.data.is_null() {
            return &mut [];
        }
        // SAFETY: as the caller promises; room that is not null was made of a slice.
        unsafe { std::slice::from_raw_parts_mut(self.data, self.len) }
    }
}

/// One mel image or several.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// Bands of one.
    pub n_mels: usize,
    /// Frames of one.
    pub frames: usize,
    /// Their values.
    pub data: View<f32>,
}

/// A latent.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Latent {
    /// Rows, columns, channels.
    pub dims: [usize; 3],
    /// Its values.
    pub data: View<f32>,
}

/// What one prediction is given: [`crate::models::model::Conditioning`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Conditioning {
    /// The content's latent; null where it is dropped.
    pub content: View<f32>,
    /// Style tokens; null where the style is dropped.
    pub tokens: View<f32>,
    /// The pooled style vector; as wide as a token.
    pub pooled: View<f32>,
    /// The style's spectral profile; empty for a model that reads none.
    pub profile: View<f32>,
    /// Leading columns that hold the clean prefix.
    pub prefix_columns: usize,
}
