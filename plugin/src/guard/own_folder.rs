//! Where the plugin's own file lies: what is shipped beside it is found there, whichever program
//! has loaded it.

use std::path::PathBuf;

/// The folder of the file that this code was loaded from, with no link on the way; none where the
/// system does not tell.
pub fn own_folder() -> Option<PathBuf> {
    Some(own_file()?.canonicalize().ok()?.parent()?.to_path_buf())
}

#[cfg(unix)]
fn own_file() -> Option<PathBuf> {
    use std::ffi::{CStr, OsStr};
    use std::os::unix::ffi::OsStrExt;

    let here: fn() -> Option<PathBuf> = own_folder;
    // SAFETY: null pointers and zeros are a `Dl_info`.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: any address may be asked for, and there is room for the answer.
    let found = unsafe { libc::dladdr(here as *const _, &mut info) } != 0;
    if !found || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: a name of the loader's, which lives as long as the file is loaded: while this code
    // runs.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Some(OsStr::from_bytes(name.to_bytes()).into())
}

#[cfg(windows)]
fn own_file() -> Option<PathBuf> {
    use std::ffi::OsString;
    use std::os::windows::ffi::OsStringExt;
    use windows_sys::Win32::System::LibraryLoader::{
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
        GetModuleFileNameW, GetModuleHandleExW,
    };

    /// The longest path that Windows knows.
    const PATH_MAX: usize = 1 << 15;

    let here: fn() -> Option<PathBuf> = own_folder;
    let flags =
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    let mut module = std::ptr::null_mut();
    // SAFETY: with this flag the name is an address; there is room for the answer.
    if unsafe { GetModuleHandleExW(flags, here as *const u16, &mut module) } == 0 {
        return None;
    }
    let mut name = vec![0; PATH_MAX];
    // SAFETY: the name has as much room as is said.
    let len = unsafe { GetModuleFileNameW(module, name.as_mut_ptr(), PATH_MAX as u32) } as usize;
    (len > 0 && len < PATH_MAX).then(|| OsString::from_wide(&name[..len]).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_has_it_built_in_is_its_own_file() {
        let program = std::env::current_exe().and_then(|path| path.canonicalize()).expect("a path");
        assert_eq!(own_folder().as_deref(), program.parent());
    }
}
