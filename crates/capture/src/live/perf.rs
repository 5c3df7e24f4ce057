//! The ring of one CPU that probes write perf events to (perf_event_open(2)): the one kind of ring into which the kernel
//! itself copies packets. As aya's, but without a wake-up per event, and without memory until it is needed.

#![expect(unsafe_code, reason = "perf_event_open(2) and its ring have no safe wrapper")]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

// linux/perf_event.h.
const PERF_TYPE_SOFTWARE: u32 = 1;
const PERF_COUNT_SW_BPF_OUTPUT: u64 = 10;
const PERF_SAMPLE_RAW: u64 = 1 << 10;
const WATERMARK: u64 = 1 << 14;
const PERF_FLAG_FD_CLOEXEC: u64 = 8;
// Of the type that the C library takes: musl and glibc differ.
const PERF_EVENT_IOC_ENABLE: libc::Ioctl = 0x2400;
const PERF_RECORD_SAMPLE: u32 = 9;
/// Where `struct perf_event_mmap_page` has `data_head`; `data_tail` follows it.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;
/// `struct perf_event_header`, and the length of what a probe has written.
const EVENT_HEAD: usize = 8;
const SAMPLE_HEAD: usize = EVENT_HEAD + 4;

/// Where the probes of one CPU write to.
pub(super) struct Ring {
    event: OwnedFd,
    memory: Option<Memory>,
    /// An event that lies partly at the end of the ring and partly at its beginning.
    whole: Vec<u8>,
}

impl Ring {
    /// That of this CPU. What is written is lost while there is no memory.
    pub(super) fn open(cpu: u32) -> io::Result<Self> {
        let attributes = Attributes {
            kind: PERF_TYPE_SOFTWARE,
            size: size_of::<Attributes>() as u32,
            config: PERF_COUNT_SW_BPF_OUTPUT,
            sample_period: 1,
            sample_type: PERF_SAMPLE_RAW,
            read_format: 0,
            flags: WATERMARK,
            wakeup_watermark: u32::MAX,
            bp_type: 0,
            config1: 0,
        };
        let (everybody, no_group) = (-1, -1);
        // SAFETY: the kernel reads as many bytes of the attributes as they say that they have.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                std::ptr::from_ref(&attributes),
                everybody,
                cpu,
                no_group,
                PERF_FLAG_FD_CLOEXEC,
            )
        };
        let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the kernel just made it, for us.
        let event = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: takes no argument.
        if unsafe { libc::ioctl(event.as_raw_fd(), PERF_EVENT_IOC_ENABLE, 0) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { event, memory: None, whole: Vec::new() })
    }

    /// From now on there is room for `size` bytes, a power of two.
    pub(super) fn make_room(&mut self, size: usize) -> io::Result<()> {
        if self.memory.is_none() {
            self.memory = Some(Memory::map(&self.event, size)?);
        }
        Ok(())
    }

    pub(super) fn give_room_back(&mut self) {
        self.memory = None;
        self.whole = Vec::new();
    }

    /// Offers what probes have written since, until one is not taken, which stays. What they could not write for lack of room
    /// is told nowhere.
    pub(super) fn drain(&mut self, take: &mut dyn FnMut(&[u8]) -> bool) {
        let Some(memory) = &self.memory else { return };
        let head = memory.position(DATA_HEAD).load(Ordering::Acquire);
        let mut tail = memory.position(DATA_TAIL).load(Ordering::Relaxed);
        while tail != head {
            let [kind, sizes] = memory.words(tail, &mut self.whole);
            let size = (sizes >> 16) as usize;
            if size < EVENT_HEAD {
                tail = head; // no event: nothing that follows can be found
                break;
            }
            if kind == PERF_RECORD_SAMPLE {
                let event = memory.bytes(tail, size, &mut self.whole);
                let length = event.get(EVENT_HEAD..SAMPLE_HEAD).and_then(|length| length.first_chunk());
                let length = length.map_or(0, |length| u32::from_ne_bytes(*length) as usize);
                if !take(event.get(SAMPLE_HEAD..SAMPLE_HEAD + length).unwrap_or_default()) {
                    break;
                }
            }
            tail += size as u64;
        }
        memory.position(DATA_TAIL).store(tail, Ordering::Release);
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// The first version of `struct perf_event_attr`.
#[repr(C)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_watermark: u32,
    bp_type: u32,
    config1: u64,
}

/// A page in which both sides say where they are, and the ring behind it.
struct Memory {
    start: NonNull<u8>,
    page: usize,
    /// A power of two.
    size: usize,
}

// SAFETY: it is the only handle to its mapping, which belongs to no thread.
unsafe impl Send for Memory {}

impl Memory {
    fn map(event: &OwnedFd, size: usize) -> io::Result<Self> {
        let page = rustix::param::page_size();
        let size = size.next_power_of_two().max(page);
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, at a place of the kernel's choice.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), page + size, protection, libc::MAP_SHARED, event.as_raw_fd(), 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mapped at nothing"))?;
        Ok(Self { start, page, size })
    }

    /// One of the two that are shared with the kernel.
    fn position(&self, place: usize) -> &AtomicU64 {
        // SAFETY: both lie in the first page, aligned to eight bytes, and are only ever used as atomics here.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(place).cast()) }
    }

    /// The two words at `at`.
    fn words(&self, at: u64, whole: &mut Vec<u8>) -> [u32; 2] {
        let bytes = self.bytes(at, EVENT_HEAD, whole);
        let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |word| u32::from_ne_bytes(*word));
        [word(bytes), word(bytes.get(4..).unwrap_or_default())]
    }

    /// `size` bytes at `at`, between the two positions.
    fn bytes<'a>(&'a self, at: u64, size: usize, whole: &'a mut Vec<u8>) -> &'a [u8] {
        let size = size.min(self.size);
        let begin = (at & (self.size as u64 - 1)) as usize;
        let first = size.min(self.size - begin);
        // SAFETY: both lie within the mapping, and the kernel writes nothing there until the tail has passed it.
        let (one, other) = unsafe {
            let data = self.start.as_ptr().add(self.page);
            (
                std::slice::from_raw_parts(data.add(begin), first),
                std::slice::from_raw_parts(data, size - first),
            )
        };
        if other.is_empty() {
            return one;
        }
        whole.clear();
        whole.extend_from_slice(one);
        whole.extend_from_slice(other);
        whole
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it is this mapping, which nobody borrows any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.page + self.size) };
    }
}
