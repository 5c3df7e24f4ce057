//! What an executable says of how it was built: build ids and the build information of Go.

use std::{fs::File, os::unix::fs::FileExt};

/// Program and section headers, notes and Go's build information are read to this length.
const MOST: u64 = 256 * 1024;
const HEADERS: u16 = 512;
const GO_MAGIC: &[u8] = b"\xff Go buildinf:";

/// What an executable was built from, as far as its linker wrote it down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// `NT_GNU_BUILD_ID`, in hexadecimal, else the last part of Go's build id (the hash of the content).
    pub(crate) build_id: Option<String>,
    /// The module or command path of a Go program.
    pub(crate) go_path: Option<String>,
    /// `vcs.revision` of a Go program.
    pub(crate) commit: Option<String>,
}

impl Origin {
    /// Reads an ELF file (elf(5)) of 64 bits, little-endian: every machine that the probes run on.
    pub(crate) fn of(file: &File) -> Self {
        Elf::open(file).map(|elf| elf.origin()).unwrap_or_default()
    }
}

struct Elf<'a> {
    file: &'a File,
    header: [u8; 64],
}

impl<'a> Elf<'a> {
    fn open(file: &'a File) -> Option<Self> {
        let mut header = [0; 64];
        file.read_exact_at(&mut header, 0).ok()?;
        header.starts_with(b"\x7fELF\x02\x01").then_some(Self { file, header })
    }

    fn origin(&self) -> Origin {
        let mut origin = Origin::default();
        let mut go = None;
        for segment in self.table(32, 54, 56).chunks_exact(56) {
            if u32_at(segment, 0) == Some(4) {
                let notes = self.at(u64_at(segment, 8), u64_at(segment, 32));
                origin.build_id = origin.build_id.or_else(|| note(&notes, b"GNU\0", 3).map(hex));
                go = go.or_else(|| note(&notes, b"Go\0\0", 4).and_then(content_id));
            }
        }
        origin.build_id = origin.build_id.or(go);
        for section in self.sections() {
            let bytes = self.at(u64_at(&section, 24), u64_at(&section, 32));
            if let Some(information) = bytes.starts_with(GO_MAGIC).then(|| go_information(&bytes)).flatten() {
                let value = |key: &str| information.lines().find_map(|line| line.strip_prefix(key));
                let commit = value("build\tvcs.revision=").filter(|id| id.len() >= 12);
                origin.commit = commit.and_then(|id| id.get(..12)).map(str::to_owned);
                let module = value("mod\t").and_then(|line| line.split('\t').next());
                origin.go_path = value("path\t")
                    .filter(|path| *path != "command-line-arguments")
                    .or(module)
                    .map(str::to_owned);
            }
        }
        origin
    }

    /// Program data in sections of Go's build information's kind; it is 16-aligned, small and starts with a magic.
    fn sections(&self) -> Vec<Vec<u8>> {
        let table = self.table(40, 58, 64);
        let sections = table.chunks_exact(64).filter(|section| u32_at(section, 4) == Some(1));
        sections
            .filter(|section| {
                let mut magic = [0; 14];
                let at = u64_at(section, 24).unwrap_or_default();
                self.file.read_exact_at(&mut magic, at).is_ok() && magic == GO_MAGIC
            })
            .map(<[u8]>::to_vec)
            .collect()
    }

    /// A table of headers: where its offset, the size of one and their number are in the file's header.
    fn table(&self, offset: usize, sizes: usize, size: u16) -> Vec<u8> {
        let (Some(found), Some(number)) = (u16_at(&self.header, sizes), u16_at(&self.header, sizes + 2))
        else {
            return Vec::new();
        };
        if found != size {
            return Vec::new();
        }
        let length = u64::from(size) * u64::from(number.min(HEADERS));
        let mut bytes = self.at(u64_at(&self.header, offset), Some(length));
        bytes.truncate(bytes.len() / usize::from(size) * usize::from(size));
        bytes
    }

    fn at(&self, offset: Option<u64>, length: Option<u64>) -> Vec<u8> {
        let (Some(offset), Some(length)) = (offset, length) else { return Vec::new() };
        let mut bytes = vec![0; usize::try_from(length.min(MOST)).unwrap_or_default()];
        let mut read = 0;
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset.saturating_add(read as u64)) {
                Ok(0) | Err(_) => break,
                Ok(more) => read += more,
            }
        }
        bytes.truncate(read);
        bytes
    }
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

/// Of `action/main/content/binary`, the last.
fn content_id(description: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(description).ok()?;
    let last = text.rsplit('/').next().filter(|part| !part.is_empty())?;
    last.bytes().all(|b| b.is_ascii_graphic()).then(|| last.to_owned())
}

/// The module text of `.go.buildinfo` as Go 1.18 and later write it (debug/buildinfo): at 32 two strings with their
/// lengths as varints, the version of Go and the text between two 16-byte sentinels.
fn go_information(bytes: &[u8]) -> Option<String> {
    let inline = bytes.get(15)? & 2 != 0;
    let rest = inline.then(|| bytes.get(32..)).flatten()?;
    let (_version, rest) = counted(rest)?;
    let (text, _) = counted(rest)?;
    let inner = text.get(16..text.len().checked_sub(16)?)?;
    Some(String::from_utf8_lossy(inner).into_owned())
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(32).map(|byte| format!("{byte:02x}")).collect()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Origin, note};
    use proptest::prelude::*;
    use std::{fs::File, io::Write};

    fn of(bytes: &[u8]) -> Origin {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Origin::of(&file)
    }

    /// An executable with one segment of notes and one section of data.
    fn elf(notes: &[u8], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56 + 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(32, &64_u64.to_le_bytes());
        put(40, &120_u64.to_le_bytes());
        put(54, &[56, 0, 1, 0, 64, 0, 1, 0]);
        put(64, &4_u32.to_le_bytes());
        put(72, &184_u64.to_le_bytes());
        put(96, &(notes.len() as u64).to_le_bytes());
        put(124, &1_u32.to_le_bytes());
        put(144, &(184 + notes.len() as u64).to_le_bytes());
        put(152, &(data.len() as u64).to_le_bytes());
        bytes.extend_from_slice(notes);
        bytes.extend_from_slice(data);
        bytes
    }

    fn noted(owner: &[u8; 4], kind: u32, description: &[u8]) -> Vec<u8> {
        let mut note = 4_u32.to_le_bytes().to_vec();
        note.extend((description.len() as u32).to_le_bytes());
        note.extend(kind.to_le_bytes());
        note.extend(owner);
        note.extend(description);
        note.resize(note.len().next_multiple_of(4), 0);
        note
    }

    fn go(text: &str) -> Vec<u8> {
        let mut data = b"\xff Go buildinf:\x08\x02".to_vec();
        data.resize(32, 0);
        data.extend(b"\x06go1.25");
        let framed = format!("{}{text}{}", "<".repeat(16), ">".repeat(16));
        data.extend([(framed.len() & 0x7f) as u8 | 0x80, (framed.len() >> 7) as u8]);
        data.extend(framed.as_bytes());
        data
    }

    #[test]
    fn reads_build_ids_and_modules() {
        let mut notes = noted(b"GNU\0", 1, &[0; 16]);
        notes.extend(noted(b"Go\0\0", 4, b"a/b/c/d-e"));
        let text = "path\texample.com/shop/cmd/till\nmod\texample.com/shop\t(devel)\t\nbuild\tvcs.revision=0123456789abcdef0123456789abcdef01234567\n";
        let expected = Origin {
            build_id: Some("d-e".into()),
            go_path: Some("example.com/shop/cmd/till".into()),
            commit: Some("0123456789ab".into()),
        };
        assert_eq!(of(&elf(&notes, &go(text))), expected);
        notes.extend(noted(b"GNU\0", 3, &[0xab, 0xcd]));
        assert_eq!(of(&elf(&notes, b"")).build_id.as_deref(), Some("abcd"), "the linker's own comes first");
        let text = "path\tcommand-line-arguments\nmod\texample.com/shop\t(devel)\t\n";
        assert_eq!(of(&elf(b"", &go(text))).go_path.as_deref(), Some("example.com/shop"));
        assert_eq!(of(b"#!/bin/sh\n"), Origin::default());
    }

    #[test]
    fn this_test_was_built_once() {
        let file = File::open("/proc/self/exe").unwrap();
        let origin = Origin::of(&file);
        assert!(origin.build_id.is_some_and(|id| id.len() >= 16));
        assert_eq!(origin.go_path, None);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0_usize..400) {
            note(&bytes, b"GNU\0", 3);
            of(&elf(&bytes, &bytes));
            let mut whole = elf(&noted(b"GNU\0", 3, &bytes), &go("path\tx\n"));
            whole.truncate(cut);
            of(&whole);
        }
    }
}
