//! Other kernels, in virtual machines: Debian's, with nothing in them but `overhear`, busybox and a script.
//!
//! Each machine boots from memory, says on its serial line what `overhear` said and how it ended, and powers off.

mod machine;
pub(crate) mod packages;
mod session;

use crate::{
    setup,
    shell::{Error, Result},
};
use machine::{Machine, Programs};
use serde_json::Value;
use session::{Said, Session};

/// What the machines are made of: what shows that it is there, and the package that brings it.
const TOOLS: [(&str, &str); 5] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("dpkg-deb", "dpkg"),
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
    /// The tests of the probes run there too.
    probes: bool,
    check: fn(&Session) -> Checked,
}

type Checked = std::result::Result<(), String>;

const CASES: [Case; 4] = [
    Case {
        name: "5.10",
        kernel: "5.10.",
        release: Some("bullseye"),
        options: "",
        probes: true,
        check: hears,
    },
    Case { name: "6.1", kernel: "6.1.", release: None, options: "", probes: true, check: hears },
    Case { name: "6.12", kernel: "6.12.", release: None, options: "", probes: true, check: hears },
    Case {
        name: "6.12-confidentiality",
        kernel: "6.12.",
        release: None,
        options: "lockdown=confidentiality",
        probes: true,
        check: hears_though_locked_down,
    },
];

/// Boots the machines of these names; all when none is named.
pub(crate) fn run(names: &[&str]) -> Result<()> {
    let unknown = names.iter().find(|name| CASES.iter().all(|case| case.name != **name));
    if let Some(unknown) = unknown {
        let known: Vec<_> = CASES.iter().map(|case| case.name).collect();
        return Err(Error::Refused(format!("no machine {unknown}: there are {}", known.join(", "))));
    }
    setup::ensure(&TOOLS)?;
    let programs = Programs::build()?;
    let mut failed = Vec::new();
    for case in CASES.iter().filter(|case| names.is_empty() || names.contains(&case.name)) {
        let kernel = packages::kernel(case.kernel, case.release)?;
        let machine = Machine { kernel: &kernel, options: case.options, probes: case.probes };
        let session = machine.boot(&programs)?;
        match (case.check)(&session) {
            Ok(()) => println!("kernel-test: {}: {}: as it should be", case.name, session.release()),
            Err(error) => {
                println!("kernel-test: {}: {error}\n{}", case.name, session.text());
                failed.push(case.name);
            }
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Error::Refused(format!("not as it should be: {}", failed.join(", "))))
    }
}

/// Every test of the probes passes, and none for want of something.
fn probes_do(session: &Session) -> Checked {
    let probes = session.said("probes")?;
    probes.ends_with(0)?;
    match probes.text.lines().find(|line| line.contains("unavailable")) {
        None => Ok(()),
        Some(line) => Err(format!("not everything is there to be tested: {line}")),
    }
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
    probes_do(session)?;
    session.said("doctor")?.ends_with(0)?;
    let watch = session.said("watch")?;
    watch.ends_with(0)?;
    watch.contains("overhear: listening on port 8080")?;
    let lines = watch.text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let (exchanges, last): (Vec<_>, Vec<_>) = lines.partition(|line| line.get("statistics").is_none());
    let told: Vec<_> = exchanges
        .iter()
        .map(|exchange| (exchange["url.path"].as_str(), exchange["http.response.status_code"].as_u64()))
        .collect();
    if told != [(Some("/hello"), Some(200)), (Some("/absent"), Some(404))] {
        return Err(format!("the two calls are not what was heard: {told:?}"));
    }
    if exchanges.iter().any(|exchange| exchange["process.pid"].as_u64().is_none()) {
        return Err("whose the calls are is not known".to_owned());
    }
    match last.as_slice() {
        [statistics] if statistics["statistics"]["captured"]["exchanges"] == 2 => Ok(()),
        other => Err(format!("the statistics are not those of two exchanges: {other:?}")),
    }
}
