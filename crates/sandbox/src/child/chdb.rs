//! The one place that is not safe Rust: the library is loaded and called here, and the few system calls that the
//! standard library does not offer.
#![allow(unsafe_code)]

use std::{
    ffi::{CString, c_char, c_int, c_void},
    path::Path,
};

use libloading::{Library, Symbol};

/// `chdb_result * chdb_query_cmdline(int argc, char ** argv)`: the whole of `clickhouse local`.
type QueryCmdline = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut c_void;

/// Loads the library and runs its `clickhouse local` with `argv` to the end. What fails within is written to stderr by
/// ClickHouse itself; the error is about loading only.
pub(super) fn serve(library: &Path, argv: &[CString]) -> Result<(), String> {
    let cannot =
        |error: libloading::Error| format!("the library {} cannot be loaded: {error}", library.display());

    // SAFETY: loading runs the library's initialisers. It is the pinned ClickHouse build (or what the operator named in
    // its place), this process does nothing else, and no other thread touches the dynamic loader.
    let loaded = unsafe { Library::new(library) }.map_err(cannot)?;
    // SAFETY: the signature is the one that the library's own header declares for this name.
    let run: Symbol<'_, QueryCmdline> = unsafe { loaded.get(b"chdb_query_cmdline\0") }.map_err(cannot)?;

    let mut pointers: Vec<*mut c_char> = argv.iter().map(|word| word.as_ptr().cast_mut()).collect();
    let count = c_int::try_from(pointers.len()).map_err(|_| "there are too many arguments".to_owned())?;
    pointers.push(std::ptr::null_mut());
    // SAFETY: `pointers` holds `count` valid C strings and a closing null, as for `main`, and they outlive the call. The
    // library copies what it keeps and does not write to them.
    let result = unsafe { run(count, pointers.as_mut_ptr()) };

    // The result (a count of zero lines) is left to the process's end, like the library, whose threads may still run.
    let _ = result;
    std::mem::forget(loaded);
    Ok(())
}

/// Makes this process deaf to SIGTERM and SIGINT, which reach whole groups and services at once: the parent decides when
/// the server stops, after it has written out what it still holds.
pub(super) fn ignore_stop_signals() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        // SAFETY: SIG_IGN is a valid disposition for both signals, and no handler is installed that could be lost.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Ends the process without running the library's destructors, which may be what is stuck.
pub(super) fn exit_at_once(code: u8) -> ! {
    // SAFETY: `_exit` has no precondition; nothing that is left undone here outlives the process.
    unsafe { libc::_exit(c_int::from(code)) }
}

/// Whether a process of this id exists, ours or another user's.
pub(super) fn is_alive(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    if pid <= 0 {
        return false;
    }
    // SAFETY: signal 0 is never delivered; the call only asks whether the process exists.
    let answer = unsafe { libc::kill(pid, 0) };
    answer == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}
