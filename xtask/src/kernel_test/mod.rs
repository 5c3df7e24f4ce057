//! Other kernels, in virtual machines: Debian's, with nothing in them but `overhear`, busybox and a script.
//!
//! Each machine boots from memory, says on its serial line what `overhear` said and how it ended, and powers off.

mod machine;
pub(crate) mod packages;
mod processor;
mod session;
mod tls;

use crate::{
    setup,
    shell::{Error, Result},
};
use machine::{Machine, Programs};
use packages::Kernel;
use processor::Processor;
use serde_json::Value;
use session::{Said, Session};

/// What the machines are made of: what shows that it is there, and the package that brings it.
const TOOLS: [(&str, &str); 5] = [
    ("busybox", "busybox-static"),
    ("dpkg-deb", "dpkg"),
    ("openssl", "openssl"),
    ("strip", "binutils"),
    ("xz", "xz-utils"),
];

/// A kernel, how it is booted, and what has to come of it.
struct Case {
    name: &'static str,
    /// Of Debian's kernel packages, the newest whose version begins so.
    kernel: &'static str,
    /// The Debian release that has it, where the machine may not know it.
    release: Option<&'static str>,
    /// What is added to the kernel's command line.
    options: &'static str,
    processor: Processor,
    /// The tests of the probes run there too.
    probes: bool,
    /// Sockets tell what moves (6.3 and later): packets and QUIC are tested there too, and TLS is spoken.
    sockets: bool,
    check: fn(&Session) -> Checked,
}

type Checked = std::result::Result<(), String>;

const CASES: [Case; 6] = [
    Case { name: "5.10", kernel: "5.10.", release: Some("bullseye"), ..USUAL },
    Case { name: "6.1", kernel: "6.1.", ..USUAL },
    Case { name: "6.12", kernel: "6.12.", sockets: true, ..USUAL },
    Case {
        name: "6.12-confidentiality",
        kernel: "6.12.",
        options: "lockdown=confidentiality",
        sockets: true,
        check: hears_though_locked_down,
        ..USUAL
    },
    Case {
        name: "5.10-aarch64",
        kernel: "5.10.",
        release: Some("bullseye"),
        processor: Processor::Aarch64,
        ..USUAL
    },
    Case { name: "6.12-aarch64", kernel: "6.12.", processor: Processor::Aarch64, sockets: true, ..USUAL },
];

const USUAL: Case = Case {
    name: "",
    kernel: "",
    release: None,
    options: "",
    processor: Processor::X86_64,
    probes: true,
    sockets: false,
    check: hears,
};

/// Boots the machines of these names; all when none is named.
pub(crate) fn run(names: &[&str]) -> Result<()> {
    let unknown = names.iter().find(|name| CASES.iter().all(|case| case.name != **name));
    if let Some(unknown) = unknown {
        let known: Vec<_> = CASES.iter().map(|case| case.name).collect();
        return Err(Error::Refused(format!("no machine {unknown}: there are {}", known.join(", "))));
    }
    let wanted = |case: &&Case| names.is_empty() || names.contains(&case.name);
    let mut failed = Vec::new();
    for processor in Processor::ALL {
        let cases: Vec<_> = CASES.iter().filter(wanted).filter(|case| case.processor == processor).collect();
        failed.extend(boot(processor, &cases)?);
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Error::Refused(format!("not as it should be: {}", failed.join(", "))))
    }
}

/// Installs what every machine is made of.
pub(crate) fn setup() -> Result<()> {
    Processor::ALL.into_iter().try_for_each(prepare)
}

fn prepare(processor: Processor) -> Result<()> {
    setup::ensure(&TOOLS)?;
    setup::ensure(&[processor.emulator()])?;
    processor.prepare()
}

/// Boots these machines, whose programs are the same, and says which are not as they should be.
fn boot(processor: Processor, cases: &[&Case]) -> Result<Vec<&'static str>> {
    if cases.is_empty() {
        return Ok(Vec::new());
    }
    prepare(processor)?;
    let programs = Programs::build(processor)?;
    let mut failed = Vec::new();
    for case in cases {
        let &Case { kernel: version, release, .. } = *case;
        let kernel = packages::kernel(Kernel { version, release, processor: processor.debian() })?;
        let machine =
            Machine { kernel: &kernel, options: case.options, probes: case.probes, sockets: case.sockets };
        let session = machine.boot(&programs)?;
        let checked = (case.check)(&session);
        match checked.and_then(|()| if case.sockets { hears_more(&session) } else { Ok(()) }) {
            Ok(()) => println!("kernel-test: {}: {}: as it should be", case.name, session.release()),
            Err(error) => {
                println!("kernel-test: {}: {error}\n{}", case.name, session.text());
                failed.push(case.name);
            }
        }
    }
    Ok(failed)
}

/// Every one of these tests passes, and none for want of something.
fn tests_pass(session: &Session, name: &str) -> Checked {
    let tests = session.said(name)?;
    tests.ends_with(0)?;
    match tests.text.lines().find(|line| line.contains("unavailable")) {
        None => Ok(()),
        Some(line) => Err(format!("not everything is there to be tested: {line}")),
    }
}

/// Packets, QUIC, and what is said within TLS, that of the kernel too.
fn hears_more(session: &Session) -> Checked {
    tests_pass(session, "packets")?;
    tests_pass(session, "datagrams")?;
    let watch = session.said("tls")?;
    watch.ends_with(0)?;
    exchanges_are(&watch, &tls::CALLS)?;
    tls::hears_what_the_kernel_encrypts(session)
}

/// The strictest lockdown refuses only the way of listening that older kernels need.
fn hears_though_locked_down(session: &Session) -> Checked {
    session
        .said("doctor")?
        .contains("the kernel is locked down (confidentiality): the probes keep within that")?;
    let by_system_calls = session.said("by-system-calls")?;
    by_system_calls.ends_with(2)?;
    by_system_calls.contains(
        "the kernel is locked down (confidentiality), and refuses to be heard by its system calls",
    )?;
    one_message(&by_system_calls)?;
    session.said("watch")?.lacks("TLS is not read")?;
    hears(session)
}

/// The message, and the line that says where there is more.
fn one_message(said: &Said<'_>) -> Checked {
    match said.text.lines().filter(|line| !line.trim().is_empty()).count() {
        1..=2 => Ok(()),
        lines => Err(format!("one clear message, not {lines} lines")),
    }
}

/// Two calls, of which one goes wrong.
fn hears(session: &Session) -> Checked {
    tests_pass(session, "probes")?;
    session.said("doctor")?.ends_with(0)?;
    let watch = session.said("watch")?;
    watch.ends_with(0)?;
    watch.contains("overhear: listening on port 8080")?;
    exchanges_are(&watch, &[("/hello", 200), ("/absent", 404)])
}

/// The exchanges it told, and its statistics.
fn told(watch: &Said<'_>) -> (Vec<Value>, Vec<Value>) {
    let lines = watch.text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.partition(|line| line.get("statistics").is_none())
}

/// These exchanges were heard, in this order.
fn exchanges_are(watch: &Said<'_>, wanted: &[(&str, u64)]) -> Checked {
    let (exchanges, last) = told(watch);
    let told: Vec<_> = exchanges
        .iter()
        .map(|exchange| (exchange["url.path"].as_str(), exchange["http.response.status_code"].as_u64()))
        .collect();
    if told != wanted.iter().map(|(path, status)| (Some(*path), Some(*status))).collect::<Vec<_>>() {
        return Err(format!("the calls are not what was heard: {told:?}"));
    }
    if exchanges.iter().any(|exchange| exchange["process.pid"].as_u64().is_none()) {
        return Err("whose the calls are is not known".to_owned());
    }
    match last.as_slice() {
        [statistics] if statistics["statistics"]["captured"]["exchanges"] == wanted.len() => Ok(()),
        other => Err(format!("the statistics are not those of {} exchanges: {other:?}", wanted.len())),
    }
}
