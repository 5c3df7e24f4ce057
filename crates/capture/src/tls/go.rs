//! Functions of Go programs, which may be stripped: the table from which the runtime makes its stack traces stays
//! (runtime/symtab.go, debug/gosym).

use super::{Function, code::go_registers, symbols::Symbol};
use crate::elf::{Elf, MOST_SEARCHED, Machine, Section, u32_at, u64_at};
use memchr::memmem::Finder;
use std::ops::ControlFlow;

const NAMES: [(&str, Function); 3] = [
    ("crypto/tls.(*Conn).Read", Function::GoConnRead),
    ("crypto/tls.(*Conn).Write", Function::GoConnWrite),
    ("crypto/tls.(*Conn).Close", Function::GoConnClose),
];
/// Where the kernel begins a program that no C code is linked to.
const STARTS: [(&str, Machine); 2] =
    [("_rt0_amd64_linux", Machine::X86_64), ("_rt0_arm64_linux", Machine::Aarch64)];
const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];
/// Where the runtime's description of the module is: a section of its own since Go 1.26.
const MODULE_SECTIONS: [&str; 4] = [".go.module", ".noptrdata", ".data", ".data.rel.ro"];
/// More than the largest programs have.
const MOST_FUNCTIONS: u64 = 4_000_000;
/// `runtime.moduledata.text`: after a pointer, six slices and three more words, since Go 1.16.
const MODULE_TEXT: u64 = 8 + 6 * 24 + 3 * 8;

/// The functions of `crypto/tls`, by address. `None`: no table that can be read, or no such functions in it.
pub(super) fn functions(elf: &Elf<'_>, machine: Machine) -> Option<Vec<Symbol>> {
    let section = SECTIONS.iter().find_map(|name| elf.named(name))?;
    let table = Table::open(elf, section)?;
    let names = table.names(machine);
    if !names.iter().any(|(_, wanted)| matches!(wanted, Wanted::Function(_))) {
        return None;
    }
    let found = table.look_up(&names);
    let text = table.text(&found, machine)?;
    let mut symbols: Vec<Symbol> = found.iter().filter_map(|place| place.symbol(text)).collect();
    symbols.sort_unstable_by_key(|symbol| symbol.address);
    (!symbols.is_empty()).then_some(symbols)
}

/// Whether the program has a table that can be read.
pub(super) fn has_table(elf: &Elf<'_>) -> bool {
    SECTIONS
        .iter()
        .find_map(|name| elf.named(name))
        .is_some_and(|section| Table::open(elf, section).is_some())
}

/// What begins the table of Go 1.2 to 1.15.
const OLD_TABLE: [u8; 4] = [0xfb, 0xff, 0xff, 0xff];

/// The program has such a table: whether `crypto/tls` is in it.
pub(super) fn old_table(elf: &Elf<'_>) -> Option<bool> {
    let section = SECTIONS.iter().find_map(|name| elf.named(name))?;
    let is_old = elf.at(section.offset, 4) == OLD_TABLE;
    is_old.then(|| {
        let (finder, mut found) = (Finder::new(NAMES[0].0), false);
        elf.blocks((section.offset, section.size.min(MOST_SEARCHED)), 64, |_, block| {
            found = finder.find(block).is_some();
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Function(Function),
    Start,
}

/// A function in the table.
#[derive(Clone, Copy, Debug)]
struct Place {
    wanted: Wanted,
    /// From the beginning of the text; an address in the tables of Go 1.16 and 1.17.
    begin: u64,
    end: u64,
}

impl Place {
    fn symbol(&self, text: u64) -> Option<Symbol> {
        let Wanted::Function(function) = self.wanted else { return None };
        let address = text.checked_add(self.begin)?;
        Some(Symbol { function, address, size: self.end.saturating_sub(self.begin) })
    }
}

struct Table<'a> {
    elf: &'a Elf<'a>,
    section: &'a Section,
    /// Addresses are offsets into the text, of four bytes: since Go 1.18.
    short: bool,
    functions: u64,
    /// `runtime.text` where the table has it; until Go 1.25, and not in position-independent programs.
    text: u64,
    /// Offsets into the section: names, what follows them, functions.
    names: u64,
    units: u64,
    entries: u64,
}

impl<'a> Table<'a> {
    fn open(elf: &'a Elf<'a>, section: &'a Section) -> Option<Self> {
        let header = elf.at(section.offset, 72.min(section.size));
        let word = |number: usize| u64_at(&header, 8 + number * 8);
        let short = match u32_at(&header, 0)? {
            0xffff_fffa => false,
            0xffff_fff0 | 0xffff_fff1 => true,
            _ => return None,
        };
        // Two zeros, the unit of addresses, the size of a pointer.
        if !matches!(header.get(4..8)?, [0, 0, 1 | 4, 8]) {
            return None;
        }
        let at = if short { 3 } else { 2 };
        Some(Self {
            elf,
            section,
            short,
            functions: word(0)?.min(MOST_FUNCTIONS),
            text: if short { word(2)? } else { 0 },
            names: word(at)?,
            units: word(at + 1)?,
            entries: word(at + 4)?,
        })
    }

    /// Where in the table of names the wanted ones begin.
    fn names(&self, machine: Machine) -> Vec<(u64, Wanted)> {
        let functions = NAMES.iter().map(|(name, function)| (*name, Wanted::Function(*function)));
        let starts = STARTS.iter().filter(|(_, of)| *of == machine).map(|(name, _)| (*name, Wanted::Start));
        let whole = |name: &str| [b"\0", name.as_bytes(), b"\0"].concat();
        let wanted: Vec<_> = functions
            .chain(starts)
            .map(|(name, wanted)| (Finder::new(&whole(name)).into_owned(), wanted))
            .collect();
        let mut found = Vec::new();
        let begin = self.section.offset.saturating_add(self.names);
        let size = self.units.min(self.section.size).saturating_sub(self.names);
        self.elf.blocks((begin, size), 64, |offset, block| {
            for (name, wanted) in &wanted {
                if let Some(at) = name.find(block) {
                    let number = offset.saturating_add(at as u64 + 1).saturating_sub(begin);
                    if !found.contains(&(number, *wanted)) {
                        found.push((number, *wanted));
                    }
                }
            }
            if found.len() >= wanted.len() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found
    }

    /// Walks the functions: pairs of address and offset of what is known of one, then what is known.
    fn look_up(&self, names: &[(u64, Wanted)]) -> Vec<Place> {
        let width = if self.short { 4 } else { 8 };
        let number = |bytes: &[u8], at: usize| match width {
            4 => u32_at(bytes, at).map(u64::from),
            _ => u64_at(bytes, at),
        };
        let base = self.section.offset.saturating_add(self.entries);
        let mut known = Window::new(self.elf, self.section.size);
        let mut found: Vec<Place> = Vec::new();
        let mut open = false;
        let size = self.functions.saturating_mul(2).saturating_add(1) * width as u64;
        self.elf.entries((base, size.min(self.section.size)), 2 * width, |entry| {
            let (Some(begin), Some(offset)) = (number(entry, 0), number(entry, width)) else {
                return ControlFlow::Break(());
            };
            if let Some(place) = found.last_mut().filter(|_| open) {
                place.end = begin;
                open = false;
                if found.len() >= names.len() {
                    return ControlFlow::Break(());
                }
            }
            let Some(name) = known.number(base.saturating_add(offset), width) else {
                return ControlFlow::Break(());
            };
            if let Some((_, wanted)) = names.iter().find(|(number, _)| *number == u64::from(name)) {
                found.push(Place { wanted: *wanted, begin, end: begin });
                open = true;
            }
            ControlFlow::Continue(())
        });
        found
    }

    /// Where the text begins: of the places that may say so, the first at which the functions look like Go's.
    fn text(&self, found: &[Place], machine: Machine) -> Option<u64> {
        if !self.short {
            return Some(0);
        }
        let start = found.iter().find(|place| place.wanted == Wanted::Start);
        let by_start = || self.elf.entry?.get().checked_sub(start?.begin);
        let by_section = || self.elf.named(".text").map(|section| section.address);
        let said = || Some(self.text).filter(|text| *text != 0);
        let candidates: [&dyn Fn() -> Option<u64>; 4] =
            [&by_start, &said, &by_section, &|| self.module_text()];
        candidates.into_iter().filter_map(|candidate| candidate()).find(|text| {
            let mut symbols = found.iter().filter_map(|place| place.symbol(*text)).peekable();
            symbols.peek().is_some() && symbols.all(|symbol| self.begins_like_go(&symbol, machine))
        })
    }

    fn begins_like_go(&self, symbol: &Symbol, machine: Machine) -> bool {
        let code = self.elf.code_offset(symbol.address).map(|offset| self.elf.at(offset, 16));
        code.is_some_and(|code| go_registers(&code, machine).is_some())
    }

    /// As the runtime knows it: the first word of its description of the module points to this table.
    fn module_text(&self) -> Option<u64> {
        let address = self.section.address;
        if let Some((module, _)) = relocation(self.elf, |_, to| to == address) {
            let text = module.checked_add(MODULE_TEXT)?;
            return relocation(self.elf, |at, _| at == text).map(|(_, to)| to);
        }
        let module = MODULE_SECTIONS.iter().filter_map(|name| self.elf.named(name)).find_map(|section| {
            let mut place = None;
            let mut number = 0;
            self.elf.entries((section.offset, section.size), 8, |word| {
                if u64_at(word, 0) == Some(address) {
                    place = section.offset.checked_add(number * 8);
                    return ControlFlow::Break(());
                }
                number += 1;
                ControlFlow::Continue(())
            });
            place
        })?;
        u64_at(&self.elf.at(module.checked_add(MODULE_TEXT)?, 8), 0)
    }
}

/// The first of the relocations by the load address that is wanted: where it is, and the address that belongs there.
fn relocation(elf: &Elf<'_>, wanted: impl Fn(u64, u64) -> bool) -> Option<(u64, u64)> {
    let mut found = None;
    for section in elf.sections.iter().filter(|section| section.kind == Section::RELOCATIONS).take(4) {
        elf.entries((section.offset, section.size), 24, |entry| {
            let pair = u64_at(entry, 0).zip(u64_at(entry, 16));
            found = found.or(pair.filter(|(at, address)| wanted(*at, *address)));
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    found
}

/// A piece of a file that moves along: what is asked for one after the other is read at once.
struct Window<'a> {
    elf: &'a Elf<'a>,
    begin: u64,
    bytes: Vec<u8>,
    /// Bytes that may still be read: a table that points hither and thither is nobody's.
    left: u64,
}

impl<'a> Window<'a> {
    const SIZE: u64 = 64 * 1024;

    fn new(elf: &'a Elf<'a>, size: u64) -> Self {
        Self { elf, begin: 0, bytes: Vec::new(), left: size.min(MOST_SEARCHED / 2) * 2 + Self::SIZE }
    }

    /// Four bytes, so many after this offset.
    fn number(&mut self, offset: u64, after: usize) -> Option<u32> {
        let offset = offset.checked_add(after as u64)?;
        let inside = |begin: u64, length: usize| {
            usize::try_from(offset.checked_sub(begin)?).ok().filter(|at| at.saturating_add(4) <= length)
        };
        if inside(self.begin, self.bytes.len()).is_none() {
            self.left = self.left.checked_sub(Self::SIZE)?;
            self.begin = offset;
            self.bytes = self.elf.at(offset, Self::SIZE);
        }
        u32_at(&self.bytes, inside(self.begin, self.bytes.len())?)
    }
}
