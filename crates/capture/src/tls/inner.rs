//! OpenSSL's `SSL_read` and `SSL_read_ex` are shells around one function, and so are the two that write. Probed there, a call
//! costs less: the shells of common builds begin with an instruction that the kernel does not emulate, the function within
//! begins with a `push`; and there is one probe where there were two.

use super::{Function, Site, code::Body};
use crate::elf::{Elf, Machine};
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, OpAccess, Register,
};
use std::fs::File;

/// A shell is no longer than this.
const SHELL: u64 = 256;
/// Of the function within, what its first instruction needs.
const HEAD: u64 = 96;

/// Shell that has the arguments of the function within, and its sister.
const SHELLS: [(Function, Function); 2] =
    [(Function::SslReadEx, Function::SslRead), (Function::SslWriteEx, Function::SslWrite)];

/// The sites, those of shells replaced by those of what is within, where that is certain: `SSL_read_ex` calls it first, with
/// its own arguments as they came, and `SSL_read` calls it too. The function then has the arguments and the result of
/// `SSL_read_ex`. (From OpenSSL 3.3 on the one that writes has an argument more, so `SSL_write_ex` moves its own.)
pub(crate) fn cheaper(file: &File, sites: &[Site]) -> Vec<Site> {
    let mut sites = sites.to_vec();
    if let Some(elf) = Elf::open(file).filter(|elf| elf.machine == Some(Machine::X86_64)) {
        look_within(&elf, &mut sites);
    }
    sites
}

fn look_within(elf: &Elf<'_>, sites: &mut Vec<Site>) {
    for (full, short) in SHELLS {
        let only = |wanted: Function| {
            let mut named = sites.iter().filter(|site| site.function == wanted);
            named.next().filter(|_| named.next().is_none()).map(|site| site.start)
        };
        let (Some(full_at), Some(short_at)) = (only(full), only(short)) else { continue };
        let Some(within) = first_call(full_at, &elf.at(full_at, SHELL)) else { continue };
        if !calls(short_at, &elf.at(short_at, SHELL)).any(|target| target == within) {
            continue;
        }
        let site = Body { function: full, offset: within, code: &elf.at(within, HEAD) }.site(Machine::X86_64);
        // A return probe needs the return address where the function begins.
        if site.single_stepped || site.pushed != 0 {
            continue;
        }
        sites.retain(|site| site.function != full && site.function != short);
        sites.push(site);
    }
}

/// The target of the first call, if all four arguments are then still where the caller put them and nothing was decided
/// before.
fn first_call(offset: u64, code: &[u8]) -> Option<u64> {
    const ARGUMENTS: [Register; 4] = [Register::RDI, Register::RSI, Register::RDX, Register::RCX];
    let mut factory = InstructionInfoFactory::new();
    for instruction in Decoder::with_ip(64, code, offset, DecoderOptions::NONE) {
        if is_call(&instruction) {
            return Some(instruction.near_branch_target());
        }
        let mut used = factory.info(&instruction).used_registers().iter();
        let changes = used.any(|used| {
            used.access() != OpAccess::Read && ARGUMENTS.contains(&used.register().full_register())
        });
        if instruction.is_invalid() || instruction.flow_control() != FlowControl::Next || changes {
            return None;
        }
    }
    None
}

fn calls(offset: u64, code: &[u8]) -> impl Iterator<Item = u64> {
    let instructions = Decoder::with_ip(64, code, offset, DecoderOptions::NONE).into_iter();
    let within = instructions.take_while(|instruction| !instruction.is_invalid());
    within.filter(is_call).map(|instruction| instruction.near_branch_target())
}

/// A direct call; its target is an offset into the file if where it stands was given as one, for both are in the same section.
fn is_call(instruction: &Instruction) -> bool {
    instruction.is_call_near()
}
