//! The folder of the plugin's own file, where shipped files are found independently of the host.

use std::path::PathBuf;

/// The folder of the file that this code was loaded from, with links resolved; `None` if the system
/// does not report it.
pub fn own_folder() -> Option<PathBuf> {
    Some(own_file()?.canonicalize().ok()?.parent()?.to_path_buf())
}

#[cfg(unix)]
fn own_file() -> Option<PathBuf> {
    use std::ffi::{CStr, OsStr};
    use std::os::unix::ffi::OsStrExt;

    let here: fn() -> Option<PathBuf> = own_folder;
    // SAFETY: a `Dl_info` contains pointers and numbers, and zeros are valid for both.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: any address is allowed, and `info` has room for the result.
    let found = unsafe { libc::dladdr(here as *const _, &mut info) } != 0;
    if !found || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the loader's string is valid while the file is loaded, so while this code runs.
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

    /// The longest path of Windows, in UTF-16 units.
    const PATH_MAX: usize = 1 << 15;

    let here: fn() -> Option<PathBuf> = own_folder;
    let flags =
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    let mut module = std::ptr::null_mut();
    // SAFETY: with this flag the name is an address, and `module` has room for the result.
    if unsafe { GetModuleHandleExW(flags, here as *const u16, &mut module) } == 0 {
        return None;
    }
    let mut name = vec![0; PATH_MAX];
    // SAFETY: `name` has room for `PATH_MAX` units.
    let len = unsafe { GetModuleFileNameW(module, name.as_mut_ptr(), PATH_MAX as u32) } as usize;
    (len > 0 && len < PATH_MAX).then(|| OsString::from_wide(&name[..len]).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statically_linked_program_is_its_own_file() {
        let program = std::env::current_exe().and_then(|path| path.canonicalize()).expect("a path");
        assert_eq!(own_folder().as_deref(), program.parent());
    }
}
