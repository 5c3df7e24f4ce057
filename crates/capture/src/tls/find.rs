use super::{
    Found, Go, Library, Site,
    code::{Body, go_registers},
    go, rustls,
    symbols::{Symbol, openssl_version, symbols},
};
use crate::elf::{Elf, Machine, Section};
use memchr::memmem::Finder;
use std::{fs::File, io, ops::ControlFlow};

/// A function is read to this length.
const LONGEST_FUNCTION: u64 = 64 * 1024;
/// Constants of a program are searched to this length.
const MOST_CONSTANTS: u64 = 96 * 1024 * 1024;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read the executable: {0}")]
    Io(#[from] io::Error),
}

/// Looks for TLS functions in an ELF file (elf(5)) of 64 bits for this machine. `None`: there are none.
///
/// # Errors
///
/// When it cannot be read. Whatever is broken in it is not found, and no error.
pub fn find(file: &File) -> Result<Option<Found>, Error> {
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let elf = Elf::open(file).filter(|elf| elf.runs && elf.machine == Machine::own());
    Ok(elf.and_then(|elf| find_in(&elf)))
}

/// As `find`, for any machine that there are probes for.
pub(super) fn find_in(elf: &Elf<'_>) -> Option<Found> {
    let machine = elf.machine?;
    let go_build = elf.go_build();
    let mut found = symbols(elf);
    let rustls = has_rustls(&found).then(|| rustls_inside(elf)).flatten();
    rustls::choose(&mut found, rustls);
    if go_build.is_some() {
        found.extend(go::functions(elf, machine).unwrap_or_default());
    }
    let sites: Vec<Site> = found.iter().filter_map(|symbol| site(elf, symbol, machine)).collect();
    let library = sites.first()?.function.library();
    let go = found.iter().find(|symbol| symbol.function.library() == Library::Go);
    let registers = go.and_then(|symbol| go_registers(&code(elf, symbol)?.1, machine));
    Some(Found {
        library,
        version: match library {
            Library::OpenSsl => openssl_version(elf).or_else(|| openssl_inside(elf)),
            Library::Go => go_build.and_then(|build| build.version),
            Library::Rustls => rustls.map(|version| version.to_string()),
            Library::GnuTls | Library::Nss => None,
        },
        build_id: elf.build_id().or_else(|| elf.go_build_id()),
        sites,
        go: registers.map(|registers| Go { registers }),
    })
}

/// Whether the functions that were found in another file are in this one, too: build ids are what a linker wrote, and
/// prove nothing.
pub(super) fn is_same(elf: &Elf<'_>, found: &Found) -> bool {
    let Some(machine) = elf.machine else { return false };
    found.sites.iter().all(|known| {
        let end = known.returns.iter().chain([&known.entry, &known.start]).max();
        let size = end.map_or(0, |end| end.saturating_sub(known.start)).saturating_add(16);
        let code = elf.at(known.start, size.min(LONGEST_FUNCTION));
        let same = Body { function: known.function, offset: known.start, code: &code }.site(machine);
        same.entry == known.entry
            && same.single_stepped == known.single_stepped
            && known.returns.iter().all(|at| same.returns.contains(at))
    })
}

fn site(elf: &Elf<'_>, symbol: &Symbol, machine: Machine) -> Option<Site> {
    let (offset, code) = code(elf, symbol)?;
    Some(Body { function: symbol.function, offset, code: &code }.site(machine))
}

/// Where in the file a function is, and its bytes; of functions written in assembly, the size may be unknown.
fn code(elf: &Elf<'_>, symbol: &Symbol) -> Option<(u64, Vec<u8>)> {
    let offset = elf.code_offset(symbol.address)?;
    let size = if symbol.size == 0 { 128 } else { symbol.size.min(LONGEST_FUNCTION) };
    let code = elf.at(offset, size);
    (!code.is_empty()).then_some((offset, code))
}

/// The version that a program with OpenSSL inside names among its constants; if there is none, the name of a fork.
fn openssl_inside(elf: &Elf<'_>) -> Option<String> {
    let (ours, boring) = (Finder::new("OpenSSL "), Finder::new("BoringSSL"));
    let (mut version, mut fork) = (None, None);
    search_constants(elf, 32, |block| {
        version = ours.find_iter(block).filter_map(|at| number(block.get(at + 8..at + 24)?)).next();
        fork = fork.take().or_else(|| boring.find(block).map(|_| "BoringSSL".to_owned()));
        version.is_some()
    });
    version.or(fork)
}

fn has_rustls(found: &[Symbol]) -> bool {
    found.iter().any(|symbol| symbol.function.library() == Library::Rustls)
}

/// The version of the rustls whose sources a program's panics name; of several, the newest.
fn rustls_inside(elf: &Elf<'_>) -> Option<rustls::Version> {
    let finder = Finder::new("/rustls-");
    let mut newest = None;
    search_constants(elf, 32, |block| {
        let versions =
            finder.find_iter(block).filter_map(|at| number(block.get(at + 8..at + 24)?)?.parse().ok());
        newest = versions.chain(newest).max();
        false
    });
    newest
}

/// `3.0.15` of `3.0.15 3 Sep 2024`.
fn number(text: &[u8]) -> Option<String> {
    let end = text.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'.')?;
    let number = std::str::from_utf8(text.get(..end)?).ok()?;
    let plausible = number.starts_with(['0', '1', '3', '4']) && number.split('.').count() == 3;
    plausible.then(|| number.to_owned())
}

fn search_constants(elf: &Elf<'_>, kept: usize, mut each: impl FnMut(&[u8]) -> bool) {
    let Some(constants) = elf.named(".rodata").filter(|section| section.kind == Section::DATA) else {
        return;
    };
    elf.blocks((constants.offset, constants.size.min(MOST_CONSTANTS)), kept, |_, block| {
        if each(block) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
}

/// Why TLS that is known to be in a file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unreadable {
    /// Java has its own TLS, in code that is compiled while it runs.
    Java,
    /// The library is linked into the program, which names no functions any more.
    NoSymbols(Library),
    /// It names functions, and those that plaintext passes are not among them: their callers have them inside.
    Inlined(&'static str),
    /// Go before 1.17 passes arguments on the stack.
    OldGo,
    /// Known, but there are no probes for it.
    NotProbed(Library),
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Java => {
                f.write_str("Java encrypts in code that it compiles while it runs, which cannot be probed")
            }
            Self::NoSymbols(library) => {
                write!(
                    f,
                    "{library} is linked into it without symbols, so that its functions cannot be found"
                )
            }
            Self::Inlined(library) => {
                write!(f, "{library} is in it, whose functions were inlined, so that they cannot be found")
            }
            Self::OldGo => f.write_str("it was built with a Go before 1.17"),
            Self::NotProbed(library) => write!(f, "there are no probes for {library}"),
        }
    }
}

/// Texts that are all in the constants of every program with such a library inside: paths of its source files, which its
/// errors and panics name. Each is spelled backwards, for this program holds them as well.
const MARKS: [(Library, &[&str]); 2] =
    [(Library::OpenSsl, &["c.bil_lss/lss", "c.trec_lss/lss"]), (Library::Rustls, &[".0-sltsur/"])];

/// Why the TLS of a program cannot be read, if it holds some. Reads most of the file where no functions are found: for
/// `doctor`, not for every library of a machine.
pub fn unreadable(file: &File) -> Option<Unreadable> {
    let elf = Elf::open(file).filter(|elf| elf.runs)?;
    if let Some(found) = find_in(&elf) {
        return match found.library {
            Library::OpenSsl | Library::GnuTls | Library::Rustls => None,
            Library::Go => found.go.is_none_or(|go| !go.registers).then_some(Unreadable::OldGo),
            Library::Nss => Some(Unreadable::NotProbed(Library::Nss)),
        };
    }
    if elf.go_build().is_some() {
        if let Some(has_tls) = go::old_table(&elf) {
            return has_tls.then_some(Unreadable::OldGo);
        }
        // Its own table names all that there is; without one nothing is known.
        return (!go::has_table(&elf)).then_some(Unreadable::NoSymbols(Library::Go));
    }
    let library = linked(&elf)?;
    if library != Library::Rustls || !has_rustls(&symbols(&elf)) {
        return Some(Unreadable::NoSymbols(library));
    }
    Some(Unreadable::Inlined(rustls_inside(&elf).map_or(library.name(), rustls::Version::library)))
}

/// The library whose every mark a program holds.
fn linked(elf: &Elf<'_>) -> Option<Library> {
    let mark = |backwards: &&str| Finder::new(&backwards.bytes().rev().collect::<Vec<u8>>()).into_owned();
    let mut left = MARKS.map(|(library, marks)| (library, marks.iter().map(mark).collect::<Vec<_>>()));
    let mut found = None;
    search_constants(elf, 64, |block| {
        for (library, marks) in &mut left {
            marks.retain(|mark| mark.find(block).is_none());
            if marks.is_empty() {
                found = Some(*library);
            }
        }
        found.is_some()
    });
    found
}
