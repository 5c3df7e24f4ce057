//! Against real files, and what binutils say of them.

mod program;
mod scanner;
mod table;

use super::{
    Found, Function, Library, Site, cheaper,
    find::{Unreadable, find, find_in, is_same, unreadable},
};
use crate::elf::{Elf, Machine};
use program::{GoKind, compile, compile_with, go, library, node, said, strip};
use proptest::prelude::*;
use std::{collections::BTreeMap, fs::File, os::unix::fs::FileExt, path::Path};

fn found(path: &Path) -> Found {
    find(&File::open(path).unwrap()).unwrap().unwrap_or_else(|| panic!("nothing in {}", path.display()))
}

fn site(found: &Found, function: Function) -> &Site {
    let mut sites = found.sites.iter().filter(|site| site.function == function);
    let first = sites.next().unwrap_or_else(|| panic!("no {function:?}"));
    assert_eq!(sites.next(), None, "{function:?} twice");
    first
}

/// Instructions of one function by their offset in the file, as objdump has them.
fn disassembled(path: &Path, begin: u64, length: u64) -> BTreeMap<u64, String> {
    let file = File::open(path).unwrap();
    let elf = Elf::open(&file).unwrap();
    let segment = elf.segments.iter().find(|segment| {
        segment.executable && (segment.offset..segment.offset + segment.size).contains(&begin)
    });
    let segment = segment.unwrap();
    let address = begin - segment.offset + segment.address;
    let range = [format!("--start-address={address}"), format!("--stop-address={}", address + length)];
    let text = said("objdump", ["-d", "--no-show-raw-insn", &range[0], &range[1]].map(str::to_owned), path);
    let lines = text.lines().filter_map(|line| line.trim_start().split_once(":\t"));
    lines
        .filter_map(|(at, instruction)| {
            let at = u64::from_str_radix(at, 16).ok()?;
            Some((at - segment.address + segment.offset, instruction.trim().to_owned()))
        })
        .collect()
}

/// Offsets in the file of the defined functions, as nm has them.
fn named(path: &Path, dynamic: bool) -> BTreeMap<String, u64> {
    let file = File::open(path).unwrap();
    let elf = Elf::open(&file).unwrap();
    let options: &[&str] = if dynamic { &["-D", "--defined-only"] } else { &["--defined-only"] };
    let text = said("nm", options.iter().map(|option| (*option).to_owned()), path);
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (address, kind, name) = (words.next()?, words.next()?, words.next()?);
            let address = u64::from_str_radix(address, 16).ok().filter(|_| kind == "T" || kind == "t")?;
            Some((name.split('@').next()?.to_owned(), elf.code_offset(address)?))
        })
        .collect()
}

/// Every site is where nm says the function is, and its place is an instruction that is what it is said to be.
fn check(path: &Path, found: &Found, names: &BTreeMap<String, u64>, name: impl Fn(Function) -> &'static str) {
    for site in &found.sites {
        assert_eq!(names.get(name(site.function)), Some(&site.start), "{site:?}");
        let code = disassembled(path, site.start, site.entry - site.start + 16);
        let instruction =
            code.get(&site.entry).unwrap_or_else(|| panic!("{site:?} is within an instruction"));
        let emulated = ["push", "j", "call", "nop"].iter().any(|name| instruction.starts_with(name));
        assert_eq!(emulated, !site.single_stepped, "{site:?}: {instruction}");
        let grown: u32 = code.range(..site.entry).map(|(_, instruction)| stack(instruction)).sum();
        assert_eq!(site.pushed, grown, "{site:?}: {code:?}");
    }
}

fn stack(instruction: &str) -> u32 {
    let by = instruction
        .strip_prefix("sub")
        .and_then(|rest| rest.trim().strip_suffix(",%rsp")?.strip_prefix("$0x"));
    by.map_or(0, |by| u32::from_str_radix(by, 16).unwrap())
}

fn c_name(function: Function) -> &'static str {
    match function {
        Function::SslRead => "SSL_read",
        Function::SslWrite => "SSL_write",
        Function::SslReadEx => "SSL_read_ex",
        Function::SslWriteEx => "SSL_write_ex",
        Function::SslSendfile => "SSL_sendfile",
        Function::SslDoHandshake => "SSL_do_handshake",
        Function::SslFree => "SSL_free",
        Function::GnuTlsRecordRecv => "gnutls_record_recv",
        Function::GnuTlsRecordSend => "gnutls_record_send",
        Function::GnuTlsDeinit => "gnutls_deinit",
        Function::GoConnRead => "crypto/tls.(*Conn).Read",
        Function::GoConnWrite => "crypto/tls.(*Conn).Write",
        Function::GoConnClose => "crypto/tls.(*Conn).Close",
        Function::RustlsReceived
        | Function::RustlsSend
        | Function::RustlsTraffic
        | Function::RustlsSendSome
        | Function::RustlsSendPlain
        | Function::RustlsMessage => "",
    }
}

#[test]
fn shared_libraries() {
    let openssl = library("libssl.so.3");
    let found_there = found(&openssl);
    assert_eq!((found_there.library, found_there.sites.len()), (Library::OpenSsl, 7));
    assert!(found_there.version.as_deref().is_some_and(|version| version.starts_with("3.")));
    assert_eq!(found_there.build_id.as_deref().map(<[u8]>::len), Some(20));
    check(&openssl, &found_there, &named(&openssl, true), c_name);

    let gnutls = library("libgnutls.so.30");
    let found_there = found(&gnutls);
    assert_eq!((found_there.library, found_there.sites.len()), (Library::GnuTls, 3));
    check(&gnutls, &found_there, &named(&gnutls, true), c_name);

    for without in ["libc.so.6", "libcrypto.so.3"] {
        assert_eq!(find(&File::open(library(without)).unwrap()).unwrap(), None, "{without}");
    }
}

/// What `SSL_read` and `SSL_read_ex` have in common is one function, and costs less to probe.
#[test]
fn the_functions_within() {
    let openssl = library("libssl.so.3");
    let file = File::open(&openssl).unwrap();
    let there = found(&openssl);
    let cheaper = cheaper(&file, &there.sites);
    let functions: Vec<Function> = cheaper.iter().map(|site| site.function).collect();
    let whole = [Function::SslSendfile, Function::SslDoHandshake, Function::SslFree];
    let (others, within): (Vec<_>, Vec<_>) = cheaper.iter().partition(|site| whole.contains(&site.function));
    assert_eq!((others.len(), within.len()), (3, 2), "{functions:?}");
    for within in within {
        assert!(!within.single_stepped && within.pushed == 0, "{within:?}");
        assert!(there.sites.iter().all(|shell| shell.start != within.start));
        // Both shells call it, as binutils say too.
        let address = format!("{:x} <", within.start);
        for shell in there.sites.iter().filter(|shell| !whole.contains(&shell.function)) {
            let reads = matches!(shell.function, Function::SslRead | Function::SslReadEx);
            let code = disassembled(&openssl, shell.start, 128);
            let called = code.values().any(|line| line.starts_with("call") && line.contains(&address));
            assert_eq!(called, reads == (within.function == Function::SslReadEx), "{shell:?}: {code:?}");
        }
    }
}

#[test]
fn linked_into_node() {
    let node = node();
    let found_there = found(&node);
    assert_eq!((found_there.library, found_there.sites.len()), (Library::OpenSsl, 7));
    assert!(
        found_there.version.as_deref().is_some_and(|version| version.starts_with("3.")),
        "{found_there:?}"
    );
    check(&node, &found_there, &named(&node, false), c_name);
    assert!(
        found_there
            .sites
            .iter()
            .filter(|site| site.function != Function::SslFree)
            .all(|site| !site.single_stepped)
    );
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_probe_is_where_arguments_are_intact() {
    let path = compile("places");
    let found = found(&path);
    let place = |function| {
        let site = site(&found, function);
        (site.entry - site.start, site.pushed, site.single_stepped)
    };
    assert_eq!(place(Function::SslRead), (0, 0, false), "at once");
    assert_eq!(place(Function::SslWrite), (10, 0x18, false), "past endbr64, sub and test");
    assert_eq!(place(Function::SslReadEx), (0, 0, true), "an argument is overwritten before");
    assert_eq!(place(Function::SslWriteEx), (0, 0, true), "a loop comes back to before it");
    assert_eq!(place(Function::SslFree), (0, 0, true), "an indirect call is not emulated");
    assert_eq!(place(Function::GnuTlsRecordSend), (5, 0, false), "a register that is no argument is written");
    assert_eq!(place(Function::GnuTlsRecordRecv), (0, 0, true), "part of an argument is written");
    for function in [Function::RustlsReceived, Function::RustlsSend, Function::RustlsMessage] {
        assert_eq!(place(function), (0, 0, false), "{function:?}");
    }
    assert!(found.sites.iter().all(|site| site.returns.is_empty()));

    strip(&path);
    assert_eq!(find(&File::open(&path).unwrap()).unwrap(), None, "without names there is nothing to find");
}

#[test]
fn go_programs_stripped_or_not() {
    let plain_path = go(GoKind::Plain);
    let plain = found(&plain_path);
    check(&plain_path, &plain, &named(&plain_path, false), c_name);
    assert_eq!((plain.library, plain.sites.len()), (Library::Go, 3));
    assert!(plain.version.as_deref().is_some_and(|version| version.starts_with("go1.")));
    assert_eq!(plain.go.map(|go| go.registers), Some(true));
    for site in &plain.sites {
        let code = disassembled(&plain_path, site.start, site.returns.last().unwrap() - site.start + 1);
        let returns: Vec<u64> = code
            .iter()
            .filter(|(_, instruction)| instruction.starts_with("ret"))
            .map(|(at, _)| *at)
            .collect();
        assert_eq!(site.returns, returns, "{:?}", site.function);
        let before: Vec<&str> = code.range(..site.entry).map(|(_, code)| code.as_str()).collect();
        assert!(before.iter().any(|code| code.starts_with("jbe")) && !site.single_stepped, "{before:?}");
    }
    for kind in [GoKind::Stripped, GoKind::Pie, GoKind::External, GoKind::ExternalPie] {
        let other = found(&go(kind));
        assert_eq!(
            other.sites.iter().map(shape).collect::<Vec<_>>(),
            plain.sites.iter().map(shape).collect::<Vec<_>>(),
            "{kind:?}"
        );
    }
}

/// What does not depend on where the function is.
fn shape(site: &Site) -> (Function, u64, bool, Vec<u64>) {
    let returns = site.returns.iter().map(|at| at - site.start).collect();
    (site.function, site.entry - site.start, site.single_stepped, returns)
}

#[test]
fn go_programs_of_the_other_machine() {
    let path = go(GoKind::Aarch64);
    let file = File::open(&path).unwrap();
    let elf = Elf::open(&file).unwrap();
    assert_eq!(elf.machine, Some(Machine::Aarch64));
    let found = find_in(&elf).unwrap();
    assert_eq!((found.library, found.sites.len()), (Library::Go, 3));
    assert_eq!(found.go.map(|go| go.registers), Some(true));
    for site in &found.sites {
        let word = |at: u64| u32::from_le_bytes(elf.at(at, 4).try_into().unwrap());
        assert_eq!(word(site.entry - 4) & 0xff00_001f, 0x5400_0009, "after the check of the stack: {site:?}");
        assert!(!site.returns.is_empty() && site.returns.iter().all(|at| word(*at) == 0xd65f_03c0));
    }
    if Machine::own() != Some(Machine::Aarch64) {
        assert_eq!(find(&file).unwrap(), None, "it cannot run here");
    }
}

#[test]
fn builds_prove_nothing() {
    let openssl = library("libssl.so.3");
    let file = File::open(&openssl).unwrap();
    let elf = Elf::open(&file).unwrap();
    let found = found(&openssl);
    assert!(is_same(&elf, &found));
    let mut other = found.clone();
    other.sites[0].start += 1;
    assert!(!is_same(&elf, &other));
    let gnutls = File::open(library("libgnutls.so.30")).unwrap();
    assert!(!is_same(&Elf::open(&gnutls).unwrap(), &found));
}

#[test]
fn reasons_why_not() {
    let reason = |path: &Path| unreadable(&File::open(path).unwrap());
    assert_eq!(reason(&library("libc.so.6")), None);
    let path = compile("reasons");
    assert_eq!(reason(&path), None, "it has names");
    strip(&path);
    assert_eq!(reason(&path), Some(Unreadable::NoSymbols(Library::OpenSsl)));
    assert_eq!(reason(&go(GoKind::Stripped)), None, "its own table is enough");
    let own = std::env::current_exe().unwrap();
    assert_eq!(reason(&own), None, "it knows the marks and holds none");
}

/// What compilers left of it: the functions that are called through a table, and one that takes what is sent.
#[test]
fn rustls_whose_functions_were_inlined() {
    let look = |name: &str, version: &str, sends: Option<&str>| {
        let defined =
            [format!("-DVERSION=\"{version}\""), format!("-DSENDS=\"{}\"", sends.unwrap_or_default())];
        let defined: Vec<&str> =
            defined.iter().map(String::as_str).take(1 + usize::from(sends.is_some())).collect();
        let file = File::open(compile_with(name, "rustls.c", &defined)).unwrap();
        let found = find(&file).unwrap().map(|found| {
            let functions: Vec<Function> = found.sites.iter().map(|site| site.function).collect();
            (functions, found.version)
        });
        (found, unreadable(&file))
    };
    let probed = |send, version: &str| {
        let traffic = [Function::RustlsTraffic; 3];
        let functions: Vec<Function> = traffic.into_iter().chain([Function::RustlsMessage, send]).collect();
        (Some((functions, Some(version.to_owned()))), None)
    };
    let hidden = |library| (None, Some(Unreadable::Inlined(library)));
    let (some, plain) = (Some("19send_some_plaintext"), Some("10send_plain"));
    assert_eq!(look("r20", "0.20.9", plain), probed(Function::RustlsSendPlain, "0.20.9"));
    assert_eq!(look("r21", "0.21.12", some), probed(Function::RustlsSendSome, "0.21.12"));
    assert_eq!(look("r22", "0.22.4", some), probed(Function::RustlsSendSome, "0.22.4"));
    assert_eq!(look("r21-without", "0.21.12", None), hidden("rustls 0.21"));
    assert_eq!(look("r21-other", "0.21.12", Some("9send_more")), hidden("rustls 0.21"));
    assert_eq!(look("r23", "0.23.40", some), hidden("rustls 0.23"), "its functions have other arguments");
    assert_eq!(
        Unreadable::Inlined("rustls 0.21").to_string(),
        "rustls 0.21 is in it, whose functions were inlined, so that they cannot be found"
    );
}

#[test]
fn odd_files_are_no_error() {
    for path in ["/dev/null", "/proc/self/maps", "/etc/passwd"] {
        assert_eq!(find(&File::open(path).unwrap()).unwrap(), None, "{path}");
    }
}

/// Changes a file at some places, looks, and puts it back.
fn mutate(file: &File, changes: &[(u64, Vec<u8>)]) {
    let before: Vec<(u64, Vec<u8>)> = changes
        .iter()
        .map(|(at, bytes)| {
            let mut kept = vec![0; bytes.len()];
            file.read_exact_at(&mut kept, *at).unwrap();
            file.write_all_at(bytes, *at).unwrap();
            (*at, kept)
        })
        .collect();
    let elf = Elf::open(file);
    if let Some(found) = elf.as_ref().and_then(find_in) {
        let length = file.metadata().unwrap().len();
        assert!(found.sites.iter().all(|site| site.start < length && site.entry >= site.start));
        assert!(
            found.sites.iter().all(|site| site.returns.iter().all(|at| *at >= site.start && *at < length))
        );
        is_same(elf.as_ref().unwrap(), &found);
    }
    unreadable(file);
    for (at, bytes) in before.iter().rev() {
        file.write_all_at(bytes, *at).unwrap();
    }
}

/// Numbers that break arithmetic, and any.
fn number() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<u64>().prop_map(|number| number.to_le_bytes().to_vec()),
        prop::sample::select(vec![0, 1, 0x7fff_ffff, 0xffff_ffff, u64::MAX, u64::MAX - 7, 1 << 40, 1 << 63])
            .prop_map(|number: u64| number.to_le_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 1..5),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn broken_files_end(
        which in 0_usize..3,
        heads in prop::collection::vec((0_u64..1024, number()), 0..4),
        bodies in prop::collection::vec((any::<prop::sample::Index>(), number()), 0..4),
    ) {
        let (file, hot) = program::scratch(which);
        let place = |index: prop::sample::Index| hot[index.index(hot.len())];
        let changes: Vec<(u64, Vec<u8>)> =
            heads.into_iter().chain(bodies.into_iter().map(|(index, bytes)| (place(index), bytes))).collect();
        mutate(file, &changes);
    }

    #[test]
    fn cut_files_end(cut in 0_u64..200_000) {
        let file = tempfile::tempfile().unwrap();
        let whole = std::fs::read(library("libssl.so.3")).unwrap();
        file.write_all_at(&whole[..whole.len().min(cut as usize)], 0).unwrap();
        mutate(&file, &[]);
    }
}
