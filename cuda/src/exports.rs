//! The library's exported functions.

use engine::image::MelImage;
use engine::library::abi::{self, Functions, Room, StatusCode, View};
use engine::pipeline::TransferModel;
use engine::{Error, Result};

use crate::call::{release, report};
use crate::model::{Model, Stream};

static FUNCTIONS: Functions = Functions {
    open_model,
    close_model,
    open_stream,
    close_stream,
    style_tokens,
    encode,
    decode,
    denoise,
};

/// The interface version.
#[unsafe(no_mangle)]
pub extern "C" fn luthier_engine_version() -> u32 {
    abi::VERSION
}

/// The functions; null for a caller with another interface version.
#[unsafe(no_mangle)]
pub extern "C" fn luthier_engine_functions(version: u32) -> *const Functions {
    if version == abi::VERSION { &FUNCTIONS } else { std::ptr::null() }
}

/// Writes a handle of `value` to `handle`.
fn write_handle<T, H>(value: T, handle: *mut *mut H) {
    // SAFETY: the caller passes a writable pointer.
    unsafe { handle.write(Box::into_raw(Box::new(value)).cast()) };
}

/// Copies `values` to `room`, which must have the same size.
fn fill(what: &str, room: Room<f32>, values: &[f32]) -> Result<()> {
    // SAFETY: the caller passes memory that it does not access during the call.
    let room = unsafe { room.slice() };
    if room.len() != values.len() {
        return Err(Error::invalid(what, format!("room for {} values", values.len()), room.len()));
    }
    room.copy_from_slice(values);
    Ok(())
}

/// The images in a view of one or more.
fn images(foreign: abi::Image) -> Result<Vec<MelImage>> {
    let abi::Image { n_mels, frames, data } = foreign;
    // SAFETY: the caller's slice is alive until the call returns.
    let data = unsafe { data.slice() }.unwrap_or_default();
    match n_mels.checked_mul(frames) {
        Some(size) if size > 0 && !data.is_empty() && data.len().is_multiple_of(size) => Ok(data
            .chunks_exact(size)
            .map(|one| MelImage { n_mels, frames, data: one.to_vec() })
            .collect()),
        _ => {
            let expected = format!("images of {n_mels} x {frames} values");
            Err(Error::invalid("mel image", expected, format!("{} values", data.len())))
        }
    }
}

unsafe extern "C" fn open_model(
    file: View<u8>,
    device: u32,
    model: *mut *mut abi::Model,
    message: Room<u8>,
) -> StatusCode {
    // SAFETY: here and below, the caller fulfils the interface. Slices are alive until the call
    // returns, handles are open, and one thread at a time uses a stream.
    unsafe {
        report(message, || {
            write_handle(Model::open(file.slice().unwrap_or_default(), device)?, model);
            Ok(())
        })
    }
}

unsafe extern "C" fn close_model(model: *mut abi::Model) {
    // SAFETY: created by `write_handle`, and not used again.
    release(unsafe { Box::from_raw(model.cast::<Model>()) });
}

unsafe extern "C" fn open_stream(
    model: *const abi::Model,
    stream: *mut *mut abi::Stream,
    message: Room<u8>,
) -> StatusCode {
    // SAFETY: as in `open_model`.
    unsafe {
        report(message, || {
            write_handle((*model.cast::<Model>()).stream(), stream);
            Ok(())
        })
    }
}

unsafe extern "C" fn close_stream(stream: *mut abi::Stream) {
    // SAFETY: created by `write_handle`, and not used again.
    release(unsafe { Box::from_raw(stream.cast::<Stream>()) });
}

unsafe extern "C" fn style_tokens(
    stream: *mut abi::Stream,
    foreign: abi::Image,
    tokens: Room<f32>,
    pooled: Room<f32>,
    instruments: Room<f32>,
    message: Room<u8>,
) -> StatusCode {
    // SAFETY: as in `open_model`.
    unsafe {
        report(message, || {
            let style = (*stream.cast::<Stream>()).networks.style_tokens(&images(foreign)?)?;
            fill("style tokens", tokens, &style.tokens)?;
            fill("pooled style", pooled, &style.pooled)?;
            fill("instruments", instruments, &style.instruments)
        })
    }
}

unsafe extern "C" fn encode(
    stream: *mut abi::Stream,
    image: abi::Image,
    latent: Room<f32>,
    message: Room<u8>,
) -> StatusCode {
    // SAFETY: as in `open_model`.
    unsafe {
        report(message, || {
            let images = images(image)?;
            let [image] = &images[..] else {
                return Err(Error::invalid("mel image", "one", images.len()));
            };
            fill("latent", latent, &(*stream.cast::<Stream>()).networks.encode(image)?)
        })
    }
}

unsafe extern "C" fn decode(
    stream: *mut abi::Stream,
    latent: abi::Latent,
    image: Room<f32>,
    message: Room<u8>,
) -> StatusCode {
    // SAFETY: as in `open_model`.
    unsafe {
        report(message, || {
            let (stream, data) =
                (&mut *stream.cast::<Stream>(), latent.data.slice().unwrap_or_default());
            stream.check(latent.dims, data)?;
            fill("mel image", image, &stream.networks.decode(data, latent.dims)?.data)
        })
    }
}

unsafe extern "C" fn denoise(
    stream: *mut abi::Stream,
    noisy: abi::Latent,
    timestep: usize,
    conditionings: View<abi::Conditioning>,
    predictions: Room<f32>,
    message: Room<u8>,
) -> StatusCode {
    // SAFETY: as in `open_model`.
    unsafe {
        report(message, || {
            let (data, conditionings) =
                (noisy.data.slice().unwrap_or_default(), conditionings.slice().unwrap_or_default());
            let predicted =
                (*stream.cast::<Stream>()).denoise(data, noisy.dims, timestep, conditionings)?;
            fill("predictions", predictions, &predicted.concat())
        })
    }
}
