use crate::{
    arguments::Doctor,
    ask,
    fault::Fault,
    output::{self, Style},
    summary,
    units::{bytes, clean, plural},
};
use overhear_capture::{
    live::{self, OLDEST, Plan, Types},
    process::{Heard, Survey, survey},
};
use serde_json::{Map, Value, json};
use std::{
    fs,
    io::{self, Write},
    time::Duration,
};

/// Capabilities by their bit (linux/capability.h), and what each is for.
const CAPABILITIES: [(u32, &str, &str); 4] = [
    (39, "cap_bpf", "to load the probes"),
    (38, "cap_perfmon", "to attach them"),
    (19, "cap_sys_ptrace", "to name other users' processes"),
    (2, "cap_dac_read_search", "to see their sockets"),
];
const CAP_PERFMON: u32 = 38;
/// Has the powers of the first two.
const CAP_SYS_ADMIN: u32 = 21;

/// One thing that must be right, or should be known.
struct Check {
    key: &'static str,
    state: State,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Listening is not possible.
    Bad,
    /// Worth knowing.
    Note,
}

pub(crate) fn run(arguments: &Doctor) -> Result<i32, Fault> {
    let checks = checks();
    let survey = survey();
    let watch = ask::statistics(&arguments.socket);
    let can_listen = checks.iter().all(|check| check.state != State::Bad);
    let mut out = output::stdout();
    if arguments.json {
        writeln!(out, "{}", as_json(&checks, survey.as_ref().ok(), &watch, can_listen))?;
    } else {
        write(&mut out, &checks, survey.as_ref(), output::style())?;
        write_watch(&mut out, &watch, output::style())?;
    }
    out.flush()?;
    Ok(i32::from(!can_listen))
}

fn checks() -> Vec<Check> {
    let mut checks = vec![kernel()];
    checks.extend(plan());
    checks.extend(packets(effective_capabilities()));
    checks.extend(capabilities(effective_capabilities()));
    checks.push(lockdown());
    checks
}

fn kernel() -> Check {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    let good = live::version(&release).is_some_and(|version| version >= OLDEST);
    let text = if good {
        format!("kernel {release}")
    } else {
        format!(
            "kernel {release} is too old: {}.{} or newer is needed; captures can be read (`overhear read`)",
            OLDEST.0, OLDEST.1
        )
    };
    Check { key: "kernel", state: if good { State::Good } else { State::Bad }, text }
}

/// How it listens here, and why so.
fn plan() -> Vec<Check> {
    let Ok(types) = Types::read() else {
        let text = format!("{} is missing: the kernel was built without CONFIG_DEBUG_INFO_BTF", Types::FILE);
        return vec![Check { key: "btf", state: State::Bad, text }];
    };
    let has = |name: &str| types.name(name);
    let (state, text) = match Plan::choose(has) {
        Ok(Plan::Sockets) => (State::Good, "listens where sockets send and receive".to_owned()),
        Ok(Plan::Syscalls) => (State::Note, by_system_calls(has)),
        Err(missing) => (State::Bad, format!("{missing} is missing, without which there is no listening")),
    };
    let btf = "the kernel describes its types (BTF)".to_owned();
    vec![Check { key: "btf", state: State::Good, text: btf }, Check { key: "plan", state, text }]
}

fn by_system_calls(has: impl Fn(&str) -> bool + Copy) -> String {
    let why =
        Plan::Sockets.missing(has).map_or_else(String::new, |missing| format!(": {missing} is missing"));
    let uring = if Plan::Syscalls.times_uring(has) {
        ""
    } else {
        "; of what io_uring moves, how much it was is told with the socket's next call or its end"
    };
    format!(
        "listens by the system calls, which costs more{why} (it came with kernel 6.3), does not hear QUIC, and counts what sendfile, splice and io_uring move without reading it{uring}"
    )
}

/// Whether the bytes can be had that programs have the kernel move without a buffer of theirs. By the system calls they cannot;
/// and without the right to listen it does not show whether there is room.
fn packets(effective: u64) -> Option<Check> {
    let types = Types::read().ok()?;
    let has = |name: &str| types.name(name);
    if Plan::choose(has) != Ok(Plan::Sockets) {
        return None;
    }
    let missing = Plan::missing_for_packets(has).map(|missing| format!("{missing} is missing"));
    let may_try = [CAP_PERFMON, CAP_SYS_ADMIN].iter().any(|bit| effective & (1 << bit) != 0);
    match missing {
        None if !may_try => None,
        Some(why) => Some(by_packets(Err(why))),
        None => Some(by_packets(live::packets_have_room().map_err(|error| {
            format!(
                "no room for packets, {error} (kernel.perf_event_mlock_kb, `ulimit -l`, or a `watch` that has it)"
            )
        }))),
    }
}

fn by_packets(can: Result<(), String>) -> Check {
    let (state, text) = match can {
        Ok(()) => {
            (State::Good, "reads what sendfile, splice and io_uring move on TCP, out of packets".to_owned())
        }
        Err(why) => (
            State::Note,
            format!("counts what sendfile, splice and io_uring move, and cannot read it: {why}"),
        ),
    };
    Check { key: "packets", state, text }
}

/// The effective set of this process (proc_pid_status(5)).
fn effective_capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or_default()
}

fn capabilities(effective: u64) -> Vec<Check> {
    let has = |bit: u32| effective & (1 << bit) != 0;
    CAPABILITIES
        .into_iter()
        .map(|(bit, name, purpose)| {
            let to_load = bit == 39 || bit == 38;
            if has(bit) || (to_load && has(CAP_SYS_ADMIN)) {
                return Check { key: name, state: State::Good, text: format!("{name}, {purpose}") };
            }
            let text = format!("{name} is missing, {purpose}: run with sudo, or `sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep` on the binary");
            // Without the other two it listens, and knows less.
            Check { key: name, state: if to_load { State::Bad } else { State::Note }, text }
        })
        .collect()
}

/// Where sockets send and receive, probes read users' memory and typed kernel structures only, which every level allows.
fn lockdown() -> Check {
    let mode = live::lockdown();
    let by_sockets =
        || Types::read().is_ok_and(|types| Plan::Sockets.missing(|name| types.name(name)).is_none());
    let (state, text) = match mode.as_deref() {
        Some("none") => (State::Good, "the kernel is not locked down".to_owned()),
        Some("confidentiality") if !by_sockets() => (
            State::Bad,
            "the kernel is locked down (confidentiality), and before 6.3 it refuses the probes then: boot it with lockdown=integrity".to_owned(),
        ),
        Some(mode) => (State::Note, format!("the kernel is locked down ({mode}): the probes keep within that")),
        None => (
            State::Note,
            "whether the kernel is locked down is not told: /sys/kernel/security/lockdown cannot be read".to_owned(),
        ),
    };
    Check { key: "lockdown", state, text }
}

fn write(
    out: &mut dyn Write,
    checks: &[Check],
    survey: Result<&Survey, &io::Error>,
    style: Style,
) -> io::Result<()> {
    for check in checks {
        let mark = match check.state {
            State::Good => style.good("✓"),
            State::Bad => style.bad("✗"),
            State::Note => "!".to_owned(),
        };
        writeln!(out, "{mark} {}", check.text)?;
    }
    writeln!(out)?;
    let survey = match survey {
        Ok(survey) => survey,
        Err(error) => return writeln!(out, "{} processes cannot be listed: {error}", style.bad("✗")),
    };
    writeln!(out, "{}", style.strong("Processes that talk over TCP"))?;
    for heard in &survey.processes {
        let mark = if heard.obstacles.is_empty() { style.good("✓") } else { "!".to_owned() };
        writeln!(out, "{mark} {}", process(heard))?;
        for obstacle in &heard.obstacles {
            writeln!(out, "    {obstacle}")?;
        }
    }
    if survey.hidden > 0 {
        writeln!(
            out,
            "! {} of other users cannot be looked at: run as root",
            plural(survey.hidden, "process")
        )?;
    }
    Ok(())
}

/// What `watch` says of itself when it ends, while it runs.
fn write_watch(out: &mut dyn Write, watch: &Result<Option<Value>, Fault>, style: Style) -> io::Result<()> {
    let statistics = match watch {
        Ok(Some(statistics)) => statistics,
        Ok(None) => {
            return writeln!(
                out,
                "\nNo `overhear watch` runs here: what it captures and loses is told while it does"
            );
        }
        Err(fault) => return writeln!(out, "\n! {fault}"),
    };
    writeln!(out, "\n{}", style.strong("The running watch"))?;
    let captured = |key: &str| statistics["captured"][key].as_u64().unwrap_or_default();
    writeln!(
        out,
        "{} {} with {} on {}: {}",
        style.good("✓"),
        plural(captured("events"), "event"),
        bytes(captured("bytes")),
        plural(captured("connections"), "connection"),
        plural(captured("exchanges"), "exchange"),
    )?;
    let lost = statistics["lost"].as_object().into_iter().flatten();
    for (reason, loss) in lost {
        let number = |key: &str| loss[key].as_u64().unwrap_or_default();
        writeln!(out, "! {}", summary::lost(reason, number("events"), number("bytes")))?;
    }
    let unreadable = statistics["unreadable"].as_object().filter(|kinds| !kinds.is_empty());
    if let Some(kinds) = unreadable {
        let kinds = kinds.iter().map(|(kind, number)| (kind.as_str(), number.as_u64().unwrap_or_default()));
        writeln!(out, "! {}", summary::unreadable(kinds))?;
    }
    for program in statistics["unreadable_programs"].as_array().into_iter().flatten() {
        write_unread(out, program)?;
    }
    Ok(())
}

/// A program whose encrypted connections cannot be read, as the watch says it.
fn write_unread(out: &mut dyn Write, program: &Value) -> io::Result<()> {
    writeln!(out, "! {}", clean(program["message"].as_str().unwrap_or_default()))?;
    let number = |key: &str| program[key].as_u64().unwrap_or_default();
    let lasted = Duration::try_from_secs_f64(program["duration"].as_f64().unwrap_or_default());
    let names = program["names"].as_array().into_iter().flatten();
    let names: Vec<&str> = names.filter_map(|name| name["server.address"].as_str()).collect();
    let to = if program["direction"] == "inbound" { "as" } else { "to" };
    let names =
        if names.is_empty() { String::new() } else { format!("{to} {} · ", clean(&names.join(", "))) };
    let moved = summary::moved(number("sent"), number("received"), lasted.unwrap_or_default());
    writeln!(out, "    {names}{moved}")
}

fn process(heard: &Heard) -> String {
    let ports: Vec<String> = heard.listening.iter().map(ToString::to_string).collect();
    let listens = if ports.is_empty() { String::new() } else { format!(", listens on {}", ports.join(", ")) };
    let talks = if heard.connections > 0 {
        format!(", {}", plural(heard.connections, "connection"))
    } else {
        String::new()
    };
    let runs = version(heard).map_or_else(String::new, |version| format!(", runs {}", clean(version)));
    let libraries: Vec<String> = heard.tls.iter().map(ToString::to_string).collect();
    let tls = if libraries.is_empty() {
        String::new()
    } else {
        format!(", its TLS is heard ({})", clean(&libraries.join(", ")))
    };
    format!("{} ({}){listens}{talks}{runs}{tls}", clean(&heard.process.service), heard.process.pid)
}

fn as_json(
    checks: &[Check],
    survey: Option<&Survey>,
    watch: &Result<Option<Value>, Fault>,
    can_listen: bool,
) -> Value {
    let mut checks: Map<String, Value> = checks
        .iter()
        .map(|check| {
            let state = match check.state {
                State::Good => "good",
                State::Bad => "bad",
                State::Note => "note",
            };
            (check.key.to_owned(), json!({"state": state, "message": check.text}))
        })
        .collect();
    let processes = survey.map(|survey| survey.processes.iter().map(process_json).collect::<Vec<_>>());
    if let Err(fault) = watch {
        checks.insert("watch".to_owned(), json!({"state": "note", "message": fault.to_string()}));
    }
    let mut document = json!({
        "can_listen": can_listen,
        "checks": checks,
        "processes": processes.unwrap_or_default(),
        "hidden_processes": survey.map_or(0, |survey| survey.hidden),
    });
    if let Ok(Some(statistics)) = watch {
        document["statistics"] = statistics.clone();
    }
    document
}

fn version(heard: &Heard) -> Option<&str> {
    heard.process.build.as_ref()?.version.as_deref()
}

fn process_json(heard: &Heard) -> Value {
    let obstacles: Vec<String> = heard.obstacles.iter().map(ToString::to_string).collect();
    let tls: Vec<String> = heard.tls.iter().map(ToString::to_string).collect();
    json!({
        "process.pid": heard.process.pid,
        "service.name": &*heard.process.service,
        "service.version": version(heard),
        "listening": heard.listening,
        "connections": heard.connections,
        "tls": tls,
        "obstacles": obstacles,
    })
}

#[cfg(test)]
mod tests {
    use super::{State, capabilities};

    #[test]
    fn says_which_capability_is_missing() {
        let bad = |effective: u64| -> Vec<&str> {
            capabilities(effective)
                .iter()
                .filter(|check| check.state == State::Bad)
                .map(|check| check.key)
                .collect()
        };
        assert_eq!(bad(0), ["cap_bpf", "cap_perfmon"]);
        assert_eq!(bad(1 << 39), ["cap_perfmon"]);
        assert_eq!(bad(1 << 21), [""; 0]);
        assert_eq!(capabilities(u64::MAX).iter().filter(|check| check.state != State::Good).count(), 0);
    }
}
