//! The C interface between Luthier and its engine library. Both sides compile this file.
//!
//! The library may be another build of this crate. Only these types cross the interface, memory is
//! freed by the side that allocated it, and no function panics across it. Latents and images have
//! the layout of [`crate::pipeline::TransferModel`].
//!
//! ```
//! use engine::library::abi::{Room, View};
//!
//! let source = [1.0f32, 2.0];
//! let mut target = [0.0f32; 2];
//! let (view, room) = (View::from_slice(Some(&source)), Room::from_slice(&mut target));
//! // SAFETY: both slices are alive, and nothing else accesses them.
//! unsafe { room.slice().copy_from_slice(view.slice().unwrap()) };
//! assert_eq!(target, [1.0, 2.0]);
//! ```

use std::ffi::CStr;

/// Incremented with every change of this file or of its functions' results.
pub const VERSION: u32 = 2;

/// Name of the [`VersionFn`]. It never changes.
pub const VERSION_SYMBOL: &CStr = c"luthier_engine_version";
/// Name of the [`FunctionsFn`].
pub const FUNCTIONS_SYMBOL: &CStr = c"luthier_engine_functions";

/// The library's [`VERSION`].
pub type VersionFn = unsafe extern "C" fn() -> u32;
/// The library's functions, valid as long as the process runs. Null if `version`, the caller's
/// [`VERSION`], differs from the library's.
pub type FunctionsFn = unsafe extern "C" fn(version: u32) -> *const Functions;

/// 0 for success. Outputs are complete only after a success.
pub type StatusCode = i32;
/// Success.
pub const OK: StatusCode = 0;
/// Failure; the message has the reason.
pub const FAILED: StatusCode = 1;

/// Device of [`Functions::open_model`]: candle on the CPU. Slow; it tests the library without a
/// GPU.
pub const DEVICE_CPU: u32 = 0;
/// Device of [`Functions::open_model`]: the first CUDA GPU.
pub const DEVICE_CUDA: u32 = 1;

/// A model on a device. Any number of threads may open streams on it.
#[repr(C)]
pub struct Model {
    _opaque: [u8; 0],
}

/// The state of one stream between calls, for one thread at a time. It may outlive its model's
/// handle.
#[repr(C)]
pub struct Stream {
    _opaque: [u8; 0],
}

/// The library's functions. Every output [`Room`] must have exactly the size of the result. A
/// `message` receives the reason of a failure in UTF-8, truncated to its size and padded with
/// zeros.
#[repr(C)]
pub struct Functions {
    /// Loads the model in the bytes of a model file onto a device.
    pub open_model: unsafe extern "C" fn(
        file: View<u8>,
        device: u32,
        model: *mut *mut Model,
        message: Room<u8>,
    ) -> StatusCode,
    /// Frees a model.
    pub close_model: unsafe extern "C" fn(model: *mut Model),
    /// Opens a stream on a model.
    pub open_stream: unsafe extern "C" fn(
        model: *const Model,
        stream: *mut *mut Stream,
        message: Room<u8>,
    ) -> StatusCode,
    /// Frees a stream.
    pub close_stream: unsafe extern "C" fn(stream: *mut Stream),
    /// Consecutive images of equal size to a style.
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
    /// The denoiser's predictions, one per conditioning, concatenated.
    pub denoise: unsafe extern "C" fn(
        stream: *mut Stream,
        noisy: Latent,
        timestep: usize,
        conditionings: View<Conditioning>,
        predictions: Room<f32>,
        message: Room<u8>,
    ) -> StatusCode,
}

/// A read-only slice; null for `None`.
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
    /// A view of a slice, or null.
    pub fn from_slice(slice: Option<&[T]>) -> Self {
        slice.map_or(Self { data: std::ptr::null(), len: 0 }, |s| Self {
            data: s.as_ptr(),
            len: s.len(),
        })
    }

    /// The slice; `None` for null.
    ///
    /// # Safety
    /// The viewed slice must be alive and not be written to.
    pub unsafe fn slice<'a>(self) -> Option<&'a [T]> {
        // SAFETY: as the caller promises; a non-null view refers to a slice.
        (!self.data.is_null()).then(|| unsafe { std::slice::from_raw_parts(self.data, self.len) })
    }
}

/// A writable slice.
#[repr(C)]
#[derive(Debug)]
pub struct Room<T> {
    data: *mut T,
    len: usize,
}

impl<T> Room<T> {
    /// A writable view of a slice.
    pub fn from_slice(slice: &mut [T]) -> Self {
        Self { data: slice.as_mut_ptr(), len: slice.len() }
    }

    /// The slice; empty for null.
    ///
    /// # Safety
    /// The viewed slice must be alive, and no other code may access it.
    pub unsafe fn slice<'a>(self) -> &'a mut [T] {
        if self.data.is_null() {
            return &mut [];
        }
        // SAFETY: as the caller promises; a non-null room refers to a slice.
        unsafe { std::slice::from_raw_parts_mut(self.data, self.len) }
    }
}

/// One or more mel images of equal size.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// Bands per image.
    pub n_mels: usize,
    /// Frames per image.
    pub frames: usize,
    /// The values of all images.
    pub data: View<f32>,
}

/// A latent.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Latent {
    /// Rows, columns, channels.
    pub dims: [usize; 3],
    /// The values.
    pub data: View<f32>,
}

/// The conditioning of one prediction: [`crate::models::model::Conditioning`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Conditioning {
    /// The content's latent; null for no content.
    pub content: View<f32>,
    /// Style tokens; null for no style.
    pub tokens: View<f32>,
    /// The pooled style vector, as wide as a token.
    pub pooled: View<f32>,
    /// The style's spectral profile; empty for a model without profiles.
    pub profile: View<f32>,
    /// Number of leading columns that hold the clean prefix.
    pub prefix_columns: usize,
}
