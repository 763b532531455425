//! Networks on a GPU, in a separate library that is opened at run time.
//!
//! A program linked against CUDA does not start on machines without it. CUDA is therefore in a
//! library in the program's folder: `luthier_engine_cuda`, the candle executor behind the C
//! interface [`abi`]. If the library cannot be opened or fails later, [`Accelerator`] continues on
//! the packed CPU executor. See `docs/decisions/017-cuda-library.md`.
//!
//! ```
//! use engine::library::{Device, Library, file_name, find};
//!
//! let folder = tempfile::tempdir().unwrap();
//! assert_eq!(find(folder.path()), None);
//!
//! let path = folder.path().join(file_name());
//! std::fs::write(&path, "not a library").unwrap();
//! assert_eq!(find(folder.path()), Some(path.clone()));
//! assert!(Library::open(&path, Device::Cuda).is_err());
//! ```

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

/// Environment variable with the path of a library that replaces the program's own.
pub const PATH_VARIABLE: &str = "LUTHIER_CUDA_LIBRARY";

/// The library's file name in bundles. Cargo's file name differs on most systems, so that a build
/// without CUDA in the program's folder is not used by accident.
pub fn file_name() -> String {
    format!("luthier_engine_cuda.{}", std::env::consts::DLL_EXTENSION)
}

/// The library's path: the value of [`PATH_VARIABLE`], or the file in `folder` if it exists.
pub fn find(folder: &Path) -> Option<PathBuf> {
    let named = std::env::var_os(PATH_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(folder.join(file_name())).filter(|path| path.is_file()))
}

/// The device on which the library computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// candle on the CPU. Slow; it tests the library on machines without a GPU.
    Cpu,
    /// The first CUDA GPU.
    Cuda,
}

/// An opened library. It stays loaded until the process ends.
///
/// CUDA keeps its own threads, and threads that have called the library run its destructors when
/// they exit. Unloading it would crash them; see `docs/decisions/016-library-stays-loaded.md`.
#[derive(Clone, Copy)]
pub struct Library {
    functions: &'static abi::Functions,
    device: Device,
}

impl Library {
    /// Opens a library that will compute on `device`. The device is checked when a model is opened.
    ///
    /// # Errors
    /// If the file is no engine library, has another interface version, or depends on missing
    /// libraries.
    pub fn open(path: &Path, device: Device) -> Result<Self> {
        let library = load(path).map_err(|error| unopened(path, &error))?;
        let version = *symbol::<abi::VersionFn>(&library, path, abi::VERSION_SYMBOL)?;
        // SAFETY: of this type in every version.
        let version = unsafe { version() };
        if version != abi::VERSION {
            let reason = format!(
                "expected interface version {}, found {version}: use this release's library",
                abi::VERSION
            );
            return Err(Error::file(path, reason));
        }
        let functions = *symbol::<abi::FunctionsFn>(&library, path, abi::FUNCTIONS_SYMBOL)?;
        // SAFETY: of this type in this version. The result stays valid, because the library stays
        // loaded.
        let functions = unsafe { functions(abi::VERSION).as_ref() };
        let functions =
            functions.ok_or_else(|| Error::file(path, "expected its functions, found none"))?;
        std::mem::forget(library);
        Ok(Self { functions, device })
    }

    /// Loads a model onto the device.
    ///
    /// # Errors
    /// If the device is missing or out of memory, or the file is no model.
    fn model(&self, checkpoint: &Checkpoint) -> Result<OpenModel> {
        OpenModel::open(self.functions, &checkpoint.to_bytes(Precision::F32)?, self.device)
    }

    /// Networks in the library, for one stream in [`crate::latency_mode::LatencyMode::Quality`].
    ///
    /// # Errors
    /// If the device is missing or out of memory, or the file is no model.
    pub fn networks(&self, checkpoint: &Checkpoint) -> Result<Networks> {
        let model = self.model(checkpoint)?;
        Networks::new(&model.into(), &checkpoint.model_config()?.into())
    }
}

#[cfg(not(windows))]
fn load(path: &Path) -> std::result::Result<libloading::Library, libloading::Error> {
    // SAFETY: this runs initialisers of CUDA and Rust, which have no preconditions.
    unsafe { libloading::Library::new(path) }
}

/// Also searches the library's folder for CUDA's libraries. On Linux an rpath does this
/// (cuda/build.rs).
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
    // SAFETY: the names are this interface's, and `T` is the type that it defines for them.
    unsafe { library.get(name) }
        .map_err(|_| Error::file(path, "expected a Luthier engine library, found another library"))
}

/// The error's source names what is missing, on one or more lines.
fn unopened(path: &Path, error: &libloading::Error) -> Error {
    let source = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
    Error::file(
        path,
        format!(
            "cannot be opened; it is damaged, or the NVIDIA driver or CUDA is missing ({source})"
        ),
    )
}
