//! The engine in a library of its own, opened while the program runs: networks on a GPU.
//!
//! A program that is linked against CUDA does not start where there is none. So CUDA is in a
//! library beside it (`luthier_engine_cuda`, the candle executor behind a small C interface,
//! [`abi`]), and where that does not open, or gives up later, the packed CPU engine plays:
//! [`Accelerator`].

pub mod abi;
mod accelerator;
mod agreement;
mod fallback;
mod networks;

use std::error::Error as _;
use std::ffi::CStr;
use std::path::{Path, PathBuf};

use crate::checkpoint::{Checkpoint, Precision};
use crate::{Error, Result};
use networks::OpenModel;

pub use accelerator::Accelerator;
pub use agreement::{TOLERANCE, require_agreement};
pub use fallback::{Fallback, Fault};
pub use networks::Networks;

/// Names a library to be opened instead of the one that a program brings.
pub const PATH_VARIABLE: &str = "LUTHIER_CUDA_LIBRARY";

/// The library's file as bundles hold it. Cargo's own file has another name on most systems: a
/// build without CUDA that lies beside a program is never taken for it.
pub fn file_name() -> String {
    format!("luthier_engine_cuda.{}", std::env::consts::DLL_EXTENSION)
}

/// Where the library is: where [`PATH_VARIABLE`] says, or in `folder` if it is there.
pub fn find(folder: &Path) -> Option<PathBuf> {
    let named = std::env::var_os(PATH_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(folder.join(file_name())).filter(|path| path.is_file()))
}

/// What the library shall compute on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// candle on the CPU: slow, to test the library where there is no GPU.
    Cpu,
    /// The first CUDA GPU.
    Cuda,
}

/// A library that has been opened; stays so until the process ends.
///
/// Threads that have passed through it run its destructors when they end, and CUDA keeps threads of
/// its own: it must not go.
#[derive(Clone, Copy)]
pub struct Library {
    functions: &'static abi::Functions,
    device: Device,
}

impl Library {
    /// Opens a library, to compute on a device. Whether that is there is known when a model is
    /// opened.
    ///
    /// # Errors
    /// One sentence for a file that is no such library, is of another version, or asks for
    /// libraries that are not there.
    pub fn open(path: &Path, device: Device) -> Result<Self> {
        let library = load(path).map_err(|error| unopened(path, &error))?;
        let version = *symbol::<abi::VersionFn>(&library, path, abi::VERSION_SYMBOL)?;
        // SAFETY: of this type in every version.
        let version = unsafe { version() };
        if version != abi::VERSION {
            let reason =
                format!("expected interface {}, found {version} of another Luthier", abi::VERSION);
            return Err(Error::file(path, reason));
        }
        let functions = *symbol::<abi::FunctionsFn>(&library, path, abi::FUNCTIONS_SYMBOL)?;
        // SAFETY: of this type in this version; what it gives stays, because the library does.
        let functions = unsafe { functions(abi::VERSION).as_ref() };
        let functions =
            functions.ok_or_else(|| Error::file(path, "refuses this version of Luthier"))?;
        std::mem::forget(library);
        Ok(Self { functions, device })
    }

    /// Puts a model on the device.
    ///
    /// # Errors
    /// If there is no such device, it has not enough memory, or the file is no model.
    fn model(&self, checkpoint: &Checkpoint) -> Result<OpenModel> {
        OpenModel::open(self.functions, &checkpoint.to_bytes(Precision::F32)?, self.device)
    }

    /// Networks in the library, for one stream that plays the model in its own windows.
    ///
    /// # Errors
    /// As the device's, or if the file is no model.
    pub fn networks(&self, checkpoint: &Checkpoint) -> Result<Networks> {
        let model = self.model(checkpoint)?;
        Networks::new(&model.into(), &checkpoint.model_config()?.into())
    }
}

#[cfg(not(windows))]
fn load(path: &Path) -> std::result::Result<libloading::Library, libloading::Error> {
    // SAFETY: what runs now are initialisers, of CUDA and of Rust: they have no conditions.
    unsafe { libloading::Library::new(path) }
}

/// CUDA's own libraries may lie beside it; elsewhere the library says so itself (cuda/build.rs).
#[cfg(windows)]
fn load(path: &Path) -> std::result::Result<libloading::Library, libloading::Error> {
    use libloading::os::windows::{LOAD_WITH_ALTERED_SEARCH_PATH, Library};
    // SAFETY: as above.
    unsafe { Library::load_with_flags(path, LOAD_WITH_ALTERED_SEARCH_PATH) }.map(Into::into)
}

fn symbol<'a, T>(
    library: &'a libloading::Library,
    path: &Path,
    name: &CStr,
) -> Result<libloading::Symbol<'a, T>> {
    // SAFETY: the names are this interface's, and `T` is the type that it gives them.
    unsafe { library.get(name) }.map_err(|_| Error::file(path, "is no engine library of Luthier's"))
}

/// The system names what is missing in the error's source, on one line or more.
fn unopened(path: &Path, error: &libloading::Error) -> Error {
    let source = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
    Error::file(
        path,
        format!("cannot be opened, or lacks NVIDIA's driver or CUDA's libraries ({source})"),
    )
}
