//! Memory that attaching took goes back to the system.
#![cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "no crate wraps malloc_trim(3)"))]

/// The kernel's types are megabytes for a moment. glibc keeps what was freed below what is still in use: most of what
/// this process would hold to its end.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) only gives back what is free, and is safe beside other threads.
    unsafe {
        libc::malloc_trim(0);
    }
}
