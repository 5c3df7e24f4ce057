//! ELF files (elf(5)) of 64 bits, little-endian: every machine that the probes run on.
//!
//! The files are strangers': tables are read to a bound, contents in blocks, and what is broken is not there.

use std::{fs::File, num::NonZeroU64, ops::ControlFlow, os::unix::fs::FileExt};

/// Header tables, notes and Go's build information are read to this length.
const MOST: u64 = 256 * 1024;
/// Of segments, and of sections.
const HEADERS: u16 = 512;
/// A section is searched to this length.
pub(crate) const MOST_SEARCHED: u64 = 512 * 1024 * 1024;
/// What is searched is in memory in pieces of this size.
const BLOCK: usize = 128 * 1024;
const GO_MAGIC: &[u8] = b"\xff Go buildinf:";

/// The machines that there are probes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    /// The one this runs on.
    pub(crate) fn own() -> Option<Self> {
        if cfg!(target_arch = "x86_64") {
            Some(Self::X86_64)
        } else if cfg!(target_arch = "aarch64") {
            Some(Self::Aarch64)
        } else {
            None
        }
    }
}

/// A part of the file as the program sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) kind: u32,
    pub(crate) executable: bool,
    pub(crate) offset: u64,
    pub(crate) address: u64,
    /// In the file.
    pub(crate) size: u64,
}

impl Segment {
    pub(crate) const LOAD: u32 = 1;
    const NOTE: u32 = 4;
}

/// A part of the file as the linker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// Where its name begins in the table of section names.
    name: u32,
    pub(crate) kind: u32,
    pub(crate) address: u64,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    /// The number of the section it belongs to: of symbols, that of their names.
    pub(crate) link: u32,
}

impl Section {
    pub(crate) const DATA: u32 = 1;
    pub(crate) const SYMBOLS: u32 = 2;
    pub(crate) const RELOCATIONS: u32 = 4;
    pub(crate) const DYNAMIC_SYMBOLS: u32 = 11;
}

/// What Go's linker wrote of a program (debug/buildinfo).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GoBuild {
    /// Such as `go1.22.1`; absent before 1.18.
    pub(crate) version: Option<String>,
    /// Lines of `path`, `mod`, `build`, each with its fields after a tab; absent before 1.18.
    pub(crate) text: Option<String>,
}

/// An ELF file, with its tables read.
#[derive(Debug)]
pub(crate) struct Elf<'a> {
    file: &'a File,
    pub(crate) machine: Option<Machine>,
    /// Executable or shared object, not a core dump or an object file.
    pub(crate) runs: bool,
    /// Address of the first instruction, if there is one.
    pub(crate) entry: Option<NonZeroU64>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) sections: Vec<Section>,
    names: Vec<u8>,
}

impl<'a> Elf<'a> {
    pub(crate) fn open(file: &'a File) -> Option<Self> {
        let mut header = [0; 64];
        file.read_exact_at(&mut header, 0).ok()?;
        if !header.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let mut elf = Self {
            file,
            machine: match u16_at(&header, 18)? {
                62 => Some(Machine::X86_64),
                183 => Some(Machine::Aarch64),
                _ => None,
            },
            runs: matches!(u16_at(&header, 16)?, 2 | 3),
            entry: NonZeroU64::new(u64_at(&header, 24)?),
            segments: Vec::new(),
            sections: Vec::new(),
            names: Vec::new(),
        };
        elf.segments = elf.table(&header, 32, 54, 56).chunks_exact(56).filter_map(segment).collect();
        elf.sections = elf.table(&header, 40, 58, 64).chunks_exact(64).filter_map(section).collect();
        let names = elf.sections.get(usize::from(u16_at(&header, 62)?)).copied();
        elf.names = names.map(|names| elf.at(names.offset, names.size)).unwrap_or_default();
        Some(elf)
    }

    /// The first section of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| {
            let rest = usize::try_from(section.name).ok().and_then(|at| self.names.get(at..));
            let rest = rest.and_then(|rest| rest.strip_prefix(name.as_bytes()));
            rest.is_some_and(|rest| rest.first() == Some(&0))
        })
    }

    /// `NT_GNU_BUILD_ID`.
    pub(crate) fn build_id(&self) -> Option<Vec<u8>> {
        self.noted(b"GNU\0", 3)
    }

    /// Go's build id: `action/main/content/binary`.
    pub(crate) fn go_build_id(&self) -> Option<Vec<u8>> {
        self.noted(b"Go\0\0", 4)
    }

    fn noted(&self, owner: &[u8], kind: u32) -> Option<Vec<u8>> {
        let mut notes = self.segments.iter().filter(|segment| segment.kind == Segment::NOTE);
        notes
            .find_map(|segment| note(&self.at(segment.offset, segment.size), owner, kind).map(<[u8]>::to_vec))
    }

    /// What Go's linker wrote; `None` for what Go did not build.
    pub(crate) fn go_build(&self) -> Option<GoBuild> {
        let section =
            self.sections.iter().filter(|section| section.kind == Section::DATA).find(|section| {
                let mut magic = [0; 14];
                self.file.read_exact_at(&mut magic, section.offset).is_ok() && magic == GO_MAGIC
            })?;
        Some(go_build(&self.at(section.offset, section.size)))
    }

    /// Where in the file the instructions at an address are.
    pub(crate) fn code_offset(&self, address: u64) -> Option<u64> {
        let mut loaded =
            self.segments.iter().filter(|segment| segment.kind == Segment::LOAD && segment.executable);
        loaded.find_map(|segment| {
            let into = address.checked_sub(segment.address).filter(|into| *into < segment.size)?;
            segment.offset.checked_add(into)
        })
    }

    /// At most [`MOST`] bytes; fewer where the file ends.
    pub(crate) fn at(&self, offset: u64, length: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(length.min(MOST)).unwrap_or_default()];
        let read = self.fill(&mut bytes, offset);
        bytes.truncate(read);
        bytes
    }

    /// Hands on a range of the file block by block, each with its offset and with the last `kept` bytes of the one
    /// before at its beginning.
    pub(crate) fn blocks(
        &self,
        (mut offset, size): (u64, u64),
        kept: usize,
        mut each: impl FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) {
        let mut left = size.min(MOST_SEARCHED);
        let mut block = Vec::with_capacity(BLOCK + kept);
        while left > 0 {
            let before = block.len().min(kept);
            block.drain(..block.len() - before);
            block.resize(before + BLOCK.min(usize::try_from(left).unwrap_or(BLOCK)), 0);
            let read = block.get_mut(before..).map_or(0, |rest| self.fill(rest, offset));
            block.truncate(before + read);
            if read == 0 || each(offset.saturating_sub(before as u64), &block).is_break() {
                return;
            }
            offset = offset.saturating_add(read as u64);
            left = left.saturating_sub(read as u64);
        }
    }

    /// Hands on the entries of a table one by one.
    pub(crate) fn entries(
        &self,
        range: (u64, u64),
        size: usize,
        mut each: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) {
        let mut rest: Vec<u8> = Vec::with_capacity(BLOCK + size);
        self.blocks(range, 0, |_, block| {
            rest.extend_from_slice(block);
            let whole = rest.len() / size * size;
            rest.get(..whole).unwrap_or_default().chunks_exact(size).try_for_each(&mut each)?;
            rest.drain(..whole);
            ControlFlow::Continue(())
        });
    }

    fn fill(&self, bytes: &mut [u8], offset: u64) -> usize {
        let mut read = 0;
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset.saturating_add(read as u64)) {
                Ok(0) | Err(_) => break,
                Ok(more) => read += more,
            }
        }
        read
    }

    /// A table of headers: where its offset, the size of one and their number are in the file's header.
    fn table(&self, header: &[u8], offset: usize, sizes: usize, size: u16) -> Vec<u8> {
        let (Some(at), Some(found), Some(number)) =
            (u64_at(header, offset), u16_at(header, sizes), u16_at(header, sizes + 2))
        else {
            return Vec::new();
        };
        if found != size { Vec::new() } else { self.at(at, u64::from(size) * u64::from(number.min(HEADERS))) }
    }
}

fn segment(header: &[u8]) -> Option<Segment> {
    Some(Segment {
        kind: u32_at(header, 0)?,
        executable: u32_at(header, 4)? & 1 != 0,
        offset: u64_at(header, 8)?,
        address: u64_at(header, 16)?,
        size: u64_at(header, 32)?,
    })
}

fn section(header: &[u8]) -> Option<Section> {
    Some(Section {
        name: u32_at(header, 0)?,
        kind: u32_at(header, 4)?,
        address: u64_at(header, 16)?,
        offset: u64_at(header, 24)?,
        size: u64_at(header, 32)?,
        link: u32_at(header, 40)?,
    })
}

/// The description of a note of this owner and type: sizes of owner and description, type, then both, padded to 4.
fn note<'a>(mut notes: &'a [u8], owner: &[u8], kind: u32) -> Option<&'a [u8]> {
    loop {
        let name_length = u32_at(notes, 0)? as usize;
        let length = u32_at(notes, 4)? as usize;
        let begin = 12_usize.checked_add(name_length.checked_next_multiple_of(4)?)?;
        let description = notes.get(begin..begin.checked_add(length)?)?;
        if u32_at(notes, 8)? == kind && notes.get(12..12 + name_length)? == owner {
            return (!description.is_empty()).then_some(description);
        }
        notes = notes.get(begin.checked_add(length.checked_next_multiple_of(4)?)?..)?;
    }
}

/// `.go.buildinfo` as Go 1.18 and later write it: at 32 two strings with their lengths as varints, the version of Go
/// and the text between two 16-byte sentinels.
fn go_build(bytes: &[u8]) -> GoBuild {
    let inline = bytes.get(15).is_some_and(|flags| flags & 2 != 0);
    let Some((version, rest)) = inline.then(|| bytes.get(32..)).flatten().and_then(counted) else {
        return GoBuild::default();
    };
    let inner =
        |text: &[u8]| Some(String::from_utf8_lossy(text.get(16..text.len().checked_sub(16)?)?).into());
    GoBuild {
        version: std::str::from_utf8(version).ok().filter(|version| version.len() < 64).map(str::to_owned),
        text: counted(rest).and_then(|(text, _)| inner(text)),
    }
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_usize;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return bytes.get(at + 1..)?.split_at_checked(length);
        }
    }
    None
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Elf, note};
    use proptest::prelude::*;
    use std::{fs::File, io::Write, ops::ControlFlow};

    fn noted(owner: &[u8; 4], kind: u32, description: &[u8]) -> Vec<u8> {
        let mut note = 4_u32.to_le_bytes().to_vec();
        note.extend((description.len() as u32).to_le_bytes());
        note.extend(kind.to_le_bytes());
        note.extend(owner);
        note.extend(description);
        note.resize(note.len().next_multiple_of(4), 0);
        note
    }

    #[test]
    fn a_note_is_found_among_others() {
        let mut notes = noted(b"GNU\0", 1, &[0; 16]);
        notes.extend(noted(b"Go\0\0", 4, b"a/b"));
        notes.extend(noted(b"GNU\0", 3, &[1, 2, 3]));
        assert_eq!(note(&notes, b"GNU\0", 3), Some(&[1, 2, 3][..]));
        assert_eq!(note(&notes, b"GNU\0", 4), None);
        notes.truncate(notes.len() - 2);
        assert_eq!(note(&notes, b"GNU\0", 3), None);
    }

    #[test]
    fn blocks_are_the_range_and_overlap() {
        let own = File::open("/proc/self/exe").unwrap();
        let elf = Elf::open(&own).unwrap();
        assert!(elf.runs && elf.named(".text").is_some() && elf.named(".tex").is_none());
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
        file.write_all(&bytes).unwrap();
        let elf = Elf { file: &file, ..elf };
        let (mut seen, mut number) = (Vec::new(), 0);
        elf.blocks((1000, 3_000_000), 7, |offset, block| {
            let before = if number == 0 { 0 } else { 7 };
            assert_eq!(offset as usize + before, 1000 + seen.len());
            assert_eq!(&bytes[offset as usize..][..before], &block[..before]);
            seen.extend_from_slice(&block[before..]);
            number += 1;
            ControlFlow::Continue(())
        });
        assert!(seen == bytes[1000..3_001_000] && number > 3);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            note(&bytes, b"GNU\0", 3);
            super::go_build(&bytes);
        }
    }
}
