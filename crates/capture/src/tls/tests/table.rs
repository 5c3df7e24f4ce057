//! Function tables as Go 1.16 to 1.25 wrote them (debug/gosym/pclntab.go), made by hand: each names the three functions of
//! `crypto/tls` among others.

use crate::{
    elf::Elf,
    tls::{Found, Function, find::find_in},
};
use std::{fs::File, io::Write};

const BASE: u64 = 0x40_0000;
const TEXT: u64 = 0x1000;
const EACH: u64 = 0x40;
const FUNCTIONS: [&str; 6] = [
    "runtime.main",
    "crypto/tls.(*Conn).Write",
    "crypto/tls.(*Conn).Writer",
    "crypto/tls.(*Conn).Read",
    "_rt0_amd64_linux",
    "crypto/tls.(*Conn).Close",
];
/// cmp rsp, [r14+16]; jbe; push rbp; pop rbp; ret
const REGISTERS: &[u8] = &[0x49, 0x3b, 0x66, 0x10, 0x76, 0x04, 0x55, 0x5d, 0xc3, 0x90];
/// mov rcx, fs:-8; cmp rsp, [rcx+16]; jbe; sub rsp, 8; add rsp, 8; ret
const STACK: &[u8] = &[
    0x64, 0x48, 0x8b, 0x0c, 0x25, 0xf8, 0xff, 0xff, 0xff, 0x48, 0x3b, 0x61, 0x10, 0x76, 0x09, 0x48, 0x83,
    0xec, 0x08, 0x48, 0x83, 0xc4, 0x08, 0xc3, 0x90,
];

/// Where the table says that the text begins.
#[derive(Clone, Copy)]
enum Begin {
    /// In its head.
    Head,
    /// Nowhere, but the program begins with a function that it has.
    Entry,
    /// Neither: the section is all there is.
    Section,
}

/// The table: head, names, functions with what is known of each.
fn table(magic: u32, begin: Begin) -> Vec<u8> {
    let short = magic != 0xffff_fffa;
    let width = if short { 4 } else { 8 };
    let words = if short { 8 } else { 7 };
    let mut names = vec![0];
    let at: Vec<u32> = FUNCTIONS
        .iter()
        .map(|name| {
            let at = names.len() as u32;
            names.extend_from_slice(name.as_bytes());
            names.push(0);
            at
        })
        .collect();
    let head = 8 + words * 8;
    let entries = head + names.len();
    let mut rows = Vec::new();
    let mut known = Vec::new();
    let rows_length = (FUNCTIONS.len() * 2 + 1) * width;
    let number = |to: &mut Vec<u8>, number: u64| to.extend_from_slice(&number.to_le_bytes()[..width]);
    let place = |index: usize| index as u64 * EACH + if short { 0 } else { BASE + TEXT };
    for (index, name) in at.iter().enumerate() {
        number(&mut rows, place(index));
        number(&mut rows, (rows_length + known.len()) as u64);
        number(&mut known, place(index));
        known.extend_from_slice(&name.to_le_bytes());
        known.extend_from_slice(&[0; 28]);
    }
    number(&mut rows, place(FUNCTIONS.len()));
    let text = if matches!(begin, Begin::Head) { BASE + TEXT } else { 0 };
    let rest = [head, entries, entries, entries, entries].map(|offset| offset as u64);
    let mut bytes = magic.to_le_bytes().to_vec();
    bytes.extend_from_slice(&[0, 0, 1, 8]);
    let first = [FUNCTIONS.len() as u64, 0];
    let heads = first.into_iter().chain(short.then_some(text)).chain(rest);
    heads.for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    [bytes, names, rows, known].concat()
}

fn program(magic: u32, begin: Begin, code: &[u8]) -> File {
    let mut text = Vec::new();
    for _ in FUNCTIONS {
        text.extend_from_slice(code);
        text.resize(text.len().next_multiple_of(EACH as usize), 0xcc);
    }
    let mut information = b"\xff Go buildinf:\x08\x00".to_vec();
    information.resize(64, 0);
    let names = b"\0.text\0.gopclntab\0.go.buildinfo\0.shstrtab\0";
    let parts: [(u32, &[u8]); 4] = [(1, &text), (7, &table(magic, begin)), (18, &information), (32, names)];
    let mut bytes = vec![0; TEXT as usize];
    let mut sections = vec![0; 64];
    for (name, part) in parts {
        let mut section = [0; 64];
        section[..4].copy_from_slice(&u32::to_le_bytes(name));
        section[4] = if name == 32 { 3 } else { 1 };
        // The linker put C code before Go's: the section begins earlier than the text.
        let before = if name == 1 && !matches!(begin, Begin::Section) { 0x20 } else { 0 };
        section[16..24].copy_from_slice(&(BASE + bytes.len() as u64 - before).to_le_bytes());
        section[24..32].copy_from_slice(&(bytes.len() as u64 - before).to_le_bytes());
        section[32..40].copy_from_slice(&(part.len() as u64 + before).to_le_bytes());
        sections.extend_from_slice(&section);
        bytes.extend_from_slice(part);
        bytes.resize(bytes.len().next_multiple_of(16), 0);
    }
    let at = bytes.len() as u64;
    bytes.extend_from_slice(&sections);
    let start = if matches!(begin, Begin::Entry) { BASE + TEXT + 4 * EACH } else { BASE + 0x10 };
    let put = |bytes: &mut [u8], at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(&mut bytes, 0, b"\x7fELF\x02\x01\x01");
    put(&mut bytes, 16, &[2, 0, 62, 0]);
    put(&mut bytes, 24, &start.to_le_bytes());
    put(&mut bytes, 32, &64_u64.to_le_bytes());
    put(&mut bytes, 40, &at.to_le_bytes());
    put(&mut bytes, 54, &[56, 0, 1, 0, 64, 0, 5, 0, 4, 0]);
    put(&mut bytes, 64, &[1, 0, 0, 0, 5, 0, 0, 0]);
    put(&mut bytes, 80, &BASE.to_le_bytes());
    put(&mut bytes, 96, &at.to_le_bytes());
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file
}

fn found(file: &File) -> Option<Found> {
    Elf::open(file).as_ref().and_then(find_in)
}

#[test]
fn tables_of_every_version() {
    let place = |index: u64| TEXT + index * EACH;
    let expected = [(Function::GoConnWrite, 1), (Function::GoConnRead, 3), (Function::GoConnClose, 5)];
    for (magic, begin, code, registers) in [
        (0xffff_fff1, Begin::Head, REGISTERS, true),
        (0xffff_fff1, Begin::Entry, REGISTERS, true),
        (0xffff_fff0, Begin::Head, REGISTERS, true),
        (0xffff_fff0, Begin::Section, REGISTERS, true),
        (0xffff_fffa, Begin::Head, REGISTERS, true),
        (0xffff_fffa, Begin::Head, STACK, false),
    ] {
        let found = found(&program(magic, begin, code)).unwrap_or_else(|| panic!("{magic:x}"));
        let sites: Vec<_> = found.sites.iter().map(|site| (site.function, site.start)).collect();
        assert_eq!(sites, expected.map(|(function, index)| (function, place(index))), "{magic:x}");
        assert_eq!(found.go.map(|go| go.registers), Some(registers));
        let (entry, end) = if registers { (6, 8) } else { (15, 23) };
        for site in &found.sites {
            assert_eq!((site.entry - site.start, site.pushed), (entry, 0), "after the check of the stack");
            assert_eq!(site.single_stepped, !registers);
            assert_eq!(site.returns, [site.start + end]);
        }
    }
}

/// Functions that do not begin as Go's do are somewhere else: nothing is probed there.
#[test]
fn a_text_that_is_not_found_is_not_guessed() {
    let strange = &[0x90; 16];
    assert_eq!(found(&program(0xffff_fff1, Begin::Head, strange)), None);
    assert_eq!(found(&program(0xffff_fffb, Begin::Head, REGISTERS)), None, "Go 1.15 and before");
}
