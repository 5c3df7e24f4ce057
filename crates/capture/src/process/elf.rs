//! What an executable says of how it was built: build ids and the build information of Go.

use crate::elf::Elf;
use std::fs::File;

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
    pub(crate) fn of(file: &File) -> Self {
        Elf::open(file).map(|elf| Self::read(&elf)).unwrap_or_default()
    }

    fn read(elf: &Elf<'_>) -> Self {
        let of_go = || elf.go_build_id().as_deref().and_then(content_id);
        let mut origin =
            Self { build_id: elf.build_id().as_deref().map(hex).or_else(of_go), ..Self::default() };
        if let Some(text) = elf.go_build().and_then(|build| build.text) {
            let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
            let commit = value("build\tvcs.revision=").filter(|id| id.len() >= 12);
            origin.commit = commit.and_then(|id| id.get(..12)).map(str::to_owned);
            let module = value("mod\t").and_then(|line| line.split('\t').next());
            origin.go_path = value("path\t")
                .filter(|path| *path != "command-line-arguments")
                .or(module)
                .map(str::to_owned);
        }
        origin
    }
}

/// Of `action/main/content/binary`, the last.
fn content_id(description: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(description).ok()?;
    let last = text.rsplit('/').next().filter(|part| !part.is_empty())?;
    last.bytes().all(|b| b.is_ascii_graphic()).then(|| last.to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(32).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::Origin;
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
            of(&elf(&bytes, &bytes));
            let mut whole = elf(&noted(b"GNU\0", 3, &bytes), &go("path\tx\n"));
            whole.truncate(cut);
            of(&whole);
        }
    }
}
