//! What a process costs, from `/proc`.

use crate::Result;
use std::{
    fs,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// `/proc/PID/stat` counts CPU time in these (`USER_HZ`, 100 on every architecture we run on).
const TICK: f64 = 0.01;

/// What one run of a program cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Seconds from start to end.
    pub(crate) wall: f64,
    /// Seconds of CPU, user and system, of all threads.
    pub(crate) cpu: f64,
    /// Most memory resident at once, in bytes.
    pub(crate) peak: u64,
}

/// Runs a program to its successful end, its output thrown away.
pub(crate) fn run(command: &mut Command) -> Result<Cost> {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut peak = 0;
    // A process that ended keeps its CPU time until it is waited for, but no longer its memory.
    while !is_over(&child)? {
        peak = peak.max(memory(child.id(), "VmHWM").unwrap_or(0));
        sleep(Duration::from_millis(2));
    }
    let wall = begun.elapsed().as_secs_f64();
    let cpu = ticks(child.id())? * TICK;
    let status = child.wait()?;
    if status.success() { Ok(Cost { wall, cpu, peak }) } else { Err(format!("{command:?}: {status}").into()) }
}

/// Bytes of one of the memory lines of `/proc/PID/status`.
pub(crate) fn memory(pid: u32, line: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Nanoseconds of CPU that the living threads of a process have had, from the scheduler's own account.
pub(crate) fn cpu(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(sum)
}

/// The direct children of a process.
pub(crate) fn children(pid: u32) -> Result<Vec<u32>> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(text.split_whitespace().filter_map(|child| child.parse().ok()).collect())
}

/// Asks a process to stop, as Ctrl-C does.
pub(crate) fn interrupt(child: &Child) -> Result<()> {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
    if status.success() { Ok(()) } else { Err("kill failed".into()) }
}

fn is_over(child: &Child) -> Result<bool> {
    Ok(fields(child.id())?.first().is_some_and(|state| state == "Z"))
}

fn ticks(pid: u32) -> Result<f64> {
    let fields = fields(pid)?;
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok(ticks(11) + ticks(12)) // utime and stime, counted from the state
}

/// The fields of `/proc/PID/stat` after the name, which may hold anything.
fn fields(pid: u32) -> Result<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(") ").ok_or("no name in /proc/PID/stat")?;
    Ok(rest.split(' ').map(ToOwned::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::{cpu, memory, run};
    use std::process::Command;

    #[test]
    fn a_busy_program_costs_what_it_takes() {
        let busy = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done";
        let cost = run(Command::new("sh").args(["-c", busy])).unwrap();
        assert!(cost.cpu > 0.02 && cost.cpu <= cost.wall + 0.03, "{cost:?}");
        assert!(cost.peak > 100_000, "{cost:?}");
        assert!(run(Command::new("sh").args(["-c", "exit 3"])).is_err());
    }

    #[test]
    fn we_ourselves_are_there() {
        assert!(cpu(std::process::id()).unwrap() > 0);
        assert!(memory(std::process::id(), "VmRSS").unwrap() > 100_000);
    }
}
