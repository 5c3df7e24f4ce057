//! Where in a function a probe belongs.
//!
//! A uprobe is a breakpoint. The kernel executes the instruction that it replaced out of line, which takes a second
//! exception, unless it is one that the kernel emulates (arch/x86/kernel/uprobes.c: `push_setup_xol_ops`,
//! `branch_setup_xol_ops`). So a function is probed at its first emulated instruction, if the arguments are still where
//! the caller put them, and if every call gets there exactly once.

use super::{Function, Library, Site};
use crate::elf::{Machine, u32_at};
use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, OpAccess, OpKind,
    Register,
};

/// An emulated instruction is looked for in this many bytes.
const PROLOGUE: usize = 96;

/// One function of a file: what it is, where it begins and its bytes, as many as there are up to a bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a> {
    pub(super) function: Function,
    pub(super) offset: u64,
    pub(super) code: &'a [u8],
}

impl Body<'_> {
    pub(super) fn site(self, machine: Machine) -> Site {
        let go = self.function.library() == Library::Go;
        let (place, returns) = match machine {
            Machine::X86_64 => x86(self.code, self.function, go),
            Machine::Aarch64 => arm(self.code, go),
        };
        let in_file = |at: usize| self.offset.saturating_add(at as u64);
        Site {
            function: self.function,
            start: self.offset,
            entry: in_file(place.at),
            pushed: place.pushed,
            single_stepped: !place.emulated,
            returns: returns.into_iter().map(in_file).collect(),
        }
    }
}

/// Arguments are in registers: the check for room on the stack asks `g` in its register (cmd/compile/abi-internal.md).
pub(super) fn go_registers(code: &[u8], machine: Machine) -> Option<bool> {
    match machine {
        Machine::X86_64 if code.starts_with(&[0x49, 0x3b, 0x66, 0x10]) => Some(true), // cmp rsp, [r14+16]
        Machine::X86_64 if code.starts_with(&[0x4c, 0x8d]) => Some(true),             // lea r12, [rsp-n]
        Machine::X86_64 if code.starts_with(&[0x64, 0x48, 0x8b, 0x0c, 0x25]) => Some(false), // mov rcx, fs:-8
        // ldr x16, [x28, #16], or ldr x1 in the versions before
        Machine::Aarch64 if u32_at(code, 0) == Some(0xf940_0b90) => Some(true),
        Machine::Aarch64 if u32_at(code, 0) == Some(0xf940_0b81) => Some(false),
        Machine::X86_64 | Machine::Aarch64 => None,
    }
}

struct Place {
    at: usize,
    pushed: u32,
    emulated: bool,
}

impl Place {
    fn start(emulated: bool) -> Self {
        Self { at: 0, pushed: 0, emulated }
    }
}

fn x86(code: &[u8], function: Function, go: bool) -> (Place, Vec<usize>) {
    let on_stack = go && go_registers(code, Machine::X86_64) == Some(false);
    let mut place = walk(code, if on_stack { &[] } else { arguments(function) }, go);
    let mut returns = Vec::new();
    for instruction in Decoder::with_ip(64, code, 0, DecoderOptions::NONE) {
        if instruction.is_invalid() {
            break;
        }
        let within = |target: u64| target > 0 && target <= place.at as u64;
        if is_direct_branch(&instruction) && within(instruction.near_branch_target()) {
            place = Place::start(code_is_emulated(code));
        }
        if go && instruction.flow_control() == FlowControl::Return {
            returns.extend(usize::try_from(instruction.ip()));
        }
    }
    (place, returns)
}

/// Goes on from the start as long as nothing that matters changes.
fn walk(code: &[u8], arguments: &[Register], go: bool) -> Place {
    let prologue = code.get(..code.len().min(PROLOGUE)).unwrap_or_default();
    let mut factory = InstructionInfoFactory::new();
    let (mut pushed, mut checked) = (0_u32, !go);
    for instruction in Decoder::with_ip(64, prologue, 0, DecoderOptions::NONE) {
        if instruction.is_invalid() {
            break;
        }
        let (at, length) = (instruction.ip() as usize, instruction.len());
        let bytes = prologue.get(at..at + length).unwrap_or_default();
        // Go asks for room on the stack first, and begins again once it has grown: the place is after the question.
        if !checked && instruction.flow_control() == FlowControl::ConditionalBranch {
            if !matches!(instruction.code(), Code::Jbe_rel8_64 | Code::Jbe_rel32_64) {
                break;
            }
            checked = true;
            let rest = prologue.get(at + length..).unwrap_or_default();
            if !code_is_emulated(rest) {
                return Place { at: at + length, pushed, emulated: false };
            }
            continue;
        }
        if checked && is_emulated(bytes) {
            return Place { at, pushed, emulated: true };
        }
        let used = factory.info(&instruction).used_registers();
        let mut written =
            used.iter().filter(|used| writes(used.access())).map(|used| used.register().full_register());
        let moves_stack = written.clone().any(|register| register == Register::RSP);
        let grown = stack_growth(&instruction);
        if instruction.flow_control() != FlowControl::Next
            || written.any(|register| arguments.contains(&register))
            || (moves_stack && grown.is_none())
        {
            break;
        }
        pushed = pushed.saturating_add(grown.unwrap_or_default());
    }
    Place::start(code_is_emulated(code))
}

fn code_is_emulated(code: &[u8]) -> bool {
    let first = Decoder::new(64, code, DecoderOptions::NONE).iter().next();
    first.is_some_and(|first| code.get(..first.len()).is_some_and(is_emulated))
}

/// `push` of a register, `nop`, direct jumps and calls, each in the one form that every kernel since 4.20 emulates.
fn is_emulated(instruction: &[u8]) -> bool {
    matches!(
        instruction,
        [0x50..=0x57]
            | [0x41, 0x50..=0x57]
            | [0x90]
            | [0x70..=0x7f | 0xeb, _]
            | [0x0f, 0x80..=0x8f, _, _, _, _]
            | [0xe8 | 0xe9, _, _, _, _]
    )
}

fn is_direct_branch(instruction: &Instruction) -> bool {
    instruction.op0_kind() == OpKind::NearBranch64
        && matches!(
            instruction.flow_control(),
            FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
        )
}

/// By how much the stack pointer goes down, if that is what the instruction does with it.
fn stack_growth(instruction: &Instruction) -> Option<u32> {
    let subtracts = matches!(instruction.code(), Code::Sub_rm64_imm8 | Code::Sub_rm64_imm32)
        && instruction.op0_register() == Register::RSP;
    let pushes = matches!(instruction.code(), Code::Pushq_imm32 | Code::Pushq_imm8 | Code::Push_rm64);
    let by = subtracts.then(|| u32::try_from(instruction.immediate(1)).ok()).flatten();
    by.or(pushes.then_some(8))
}

fn writes(access: OpAccess) -> bool {
    matches!(access, OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
}

/// System V ABI, and Go's.
fn arguments(function: Function) -> &'static [Register] {
    use Register::{RAX, RBX, RCX, RDI, RDX, RSI};
    match function {
        Function::SslRead
        | Function::SslWrite
        | Function::GnuTlsRecordRecv
        | Function::GnuTlsRecordSend
        | Function::RustlsReceived
        | Function::RustlsSend
        | Function::RustlsSendSome
        | Function::RustlsSendPlain => &[RDI, RSI, RDX],
        // What it returns is longer than two words, and the place for it comes first.
        Function::RustlsTraffic => &[RDX, RCX],
        Function::SslReadEx | Function::SslWriteEx | Function::SslSendfile => &[RDI, RSI, RDX, RCX],
        Function::SslDoHandshake | Function::SslFree | Function::GnuTlsDeinit | Function::RustlsMessage => {
            &[RDI]
        }
        Function::GoConnRead | Function::GoConnWrite | Function::GoConnClose => {
            &[RAX, RBX, RCX, Register::R14]
        }
    }
}

/// On aarch64 an instruction is simulated or stepped at about the same cost.
fn arm(code: &[u8], go: bool) -> (Place, Vec<usize>) {
    let words = || code.chunks_exact(4).map(|word| u32_at(word, 0).unwrap_or_default());
    // b.ls, of the question for room on the stack
    let check = || words().take(8).position(|word| word & 0xff00_001f == 0x5400_0009);
    let at = go.then(check).flatten().map_or(0, |number| (number + 1) * 4);
    let returns = words().enumerate().filter(|(_, word)| go && *word == 0xd65f_03c0); // ret
    (Place { at, pushed: 0, emulated: false }, returns.map(|(number, _)| number * 4).collect())
}
