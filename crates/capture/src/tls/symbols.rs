//! Functions by their names in the symbol tables, without either table in memory: a program's are tens of megabytes.

use super::Function;
use crate::elf::{Elf, Section, u16_at, u32_at, u64_at};
use memchr::memmem::{self, Finder};
use rustc_hash::FxHashMap;
use std::ops::ControlFlow;

/// Names of C, each whole.
const NAMES: [(&str, Function); 10] = [
    ("SSL_read", Function::SslRead),
    ("SSL_write", Function::SslWrite),
    ("SSL_read_ex", Function::SslReadEx),
    ("SSL_write_ex", Function::SslWriteEx),
    ("SSL_sendfile", Function::SslSendfile),
    ("SSL_do_handshake", Function::SslDoHandshake),
    ("SSL_free", Function::SslFree),
    ("gnutls_record_recv", Function::GnuTlsRecordRecv),
    ("gnutls_record_send", Function::GnuTlsRecordSend),
    ("gnutls_deinit", Function::GnuTlsDeinit),
];
/// What is in Rust's names before and since its second mangling, which both give a length before each part.
const RUST: [(&str, Function); 5] = [
    ("11CommonState23take_received_plaintext", Function::RustlsReceived),
    ("11CommonState20send_appdata_encrypt", Function::RustlsSend),
    ("11CommonState19send_some_plaintext", Function::RustlsSendSome),
    ("11CommonState10send_plain", Function::RustlsSendPlain),
    ("11CommonState8send_msg", Function::RustlsMessage),
];
/// And of a trait's function, whose type's name stands before and the trait's between them.
const TRAFFIC: &str = "ExpectTraffic";
/// The longest that is looked at around a name.
const LONGEST: usize = 256;
/// Names and symbols remembered of one table: there is one each, or a few copies.
const MOST: usize = 64;
const SYMBOL: usize = 24;

/// A function and where it is, as its symbol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) function: Function,
    pub(super) address: u64,
    pub(super) size: u64,
}

/// All of them, by address.
pub(super) fn symbols(elf: &Elf<'_>) -> Vec<Symbol> {
    let mut found = Vec::new();
    for kind in [Section::DYNAMIC_SYMBOLS, Section::SYMBOLS] {
        let table = elf.sections.iter().find(|section| section.kind == kind);
        let names = table.and_then(|table| elf.sections.get(usize::try_from(table.link).ok()?));
        if let (Some(table), Some(names)) = (table, names) {
            let wanted = wanted(elf, names);
            if !wanted.is_empty() {
                of_table(elf, table, &wanted, &mut found);
            }
        }
    }
    found.sort_unstable_by_key(|symbol| (symbol.address, symbol.function));
    found.dedup_by_key(|symbol| (symbol.address, symbol.function));
    found
}

/// The highest version of OpenSSL whose symbols a library has: `OPENSSL_3.2.0`, `OPENSSL_1_1_1`.
pub(super) fn openssl_version(elf: &Elf<'_>) -> Option<String> {
    let table = elf.sections.iter().find(|section| section.kind == Section::DYNAMIC_SYMBOLS)?;
    let names = elf.sections.get(usize::try_from(table.link).ok()?)?;
    let finder = Finder::new("OPENSSL_");
    let mut highest: Option<[u32; 3]> = None;
    elf.blocks((names.offset, names.size), 32, |_, block| {
        for at in finder.find_iter(block) {
            let rest = block.get(at + 8..).unwrap_or_default();
            highest = highest.max(version(rest));
        }
        ControlFlow::Continue(())
    });
    // Patches add no symbols as a rule, so the last number says little.
    highest.map(|[major, minor, _]| format!("{major}.{minor}"))
}

fn version(text: &[u8]) -> Option<[u32; 3]> {
    let end = text.iter().take(16).position(|byte| *byte == 0)?;
    let mut parts = text.get(..end)?.split(|byte| matches!(byte, b'.' | b'_'));
    let mut part = || std::str::from_utf8(parts.next()?).ok()?.parse().ok();
    Some([part()?, part()?, part()?])
}

/// Where in a table of names the wanted ones begin.
fn wanted(elf: &Elf<'_>, names: &Section) -> FxHashMap<u32, Function> {
    // Linkers let a name begin within another that ends alike; so only its end has to be one.
    let whole: Vec<(Finder<'_>, Function)> =
        NAMES.iter().map(|(name, function)| (Finder::new(name), *function)).collect();
    let rust = ["11CommonState", TRAFFIC].map(Finder::new);
    let mut found = FxHashMap::default();
    elf.blocks((names.offset, names.size), LONGEST, |offset, block| {
        let mut take = |at: usize, function| {
            let number = offset.saturating_sub(names.offset).saturating_add(at as u64);
            if let (Ok(number), true) = (u32::try_from(number), found.len() < MOST) {
                found.insert(number, function);
            }
        };
        for (name, function) in &whole {
            for at in name.find_iter(block) {
                if block.get(at + name.needle().len()) == Some(&0) {
                    take(at, *function);
                }
            }
        }
        for at in rust.iter().flat_map(|rust| rust.find_iter(block)) {
            if let Some((begin, function)) = of_rust(block, at) {
                take(begin, function);
            }
        }
        ControlFlow::Continue(())
    });
    found
}

/// A mangled name of rustls around this place, and where it begins.
fn of_rust(block: &[u8], at: usize) -> Option<(usize, Function)> {
    let begin = memchr::memrchr(0, block.get(..at)?).map_or(0, |zero| zero + 1);
    let rest = block.get(begin..)?;
    let name = rest.get(..memchr::memchr(0, rest.get(..rest.len().min(LONGEST))?)?)?;
    let has = |what: &str| memmem::find(name, what.as_bytes()).is_some();
    // Parts of functions that are hardly ever reached stand apart, and are no functions.
    let whole = has("rustls") && !has(".cold");
    let named = || RUST.iter().find(|(mark, _)| has(mark)).map(|(_, function)| *function);
    let traffic = || (has(TRAFFIC) && is_handle(name)).then_some(Function::RustlsTraffic);
    Some((begin, whole.then(|| named().or_else(traffic)).flatten()?))
}

/// It is called `handle`, before a hash or behind an `impl`, and is no closure within it.
fn is_handle(name: &[u8]) -> bool {
    let has = |what: &str| memmem::find(name, what.as_bytes()).is_some();
    has("6handle17h") || (name.starts_with(b"_RNvX") && has("E6handle"))
}

fn of_table(elf: &Elf<'_>, table: &Section, wanted: &FxHashMap<u32, Function>, found: &mut Vec<Symbol>) {
    elf.entries((table.offset, table.size), SYMBOL, |entry| {
        found.extend(symbol(entry, wanted));
        if found.len() < MOST { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
}

/// A function that is defined here.
fn symbol(entry: &[u8], wanted: &FxHashMap<u32, Function>) -> Option<Symbol> {
    let function = *wanted.get(&u32_at(entry, 0)?)?;
    let is_function = entry.get(4)? & 0xf == 2;
    let defined = u16_at(entry, 6)? != 0;
    let symbol = Symbol { function, address: u64_at(entry, 8)?, size: u64_at(entry, 16)? };
    (is_function && defined && symbol.address != 0).then_some(symbol)
}
