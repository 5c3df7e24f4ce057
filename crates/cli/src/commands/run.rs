use crate::{
    arguments::{Launch, Period, Run},
    choice::{Choice, NO_ROUTES},
    commands::watch,
    fault::Fault,
    keeping::Place,
    listen, output, summary,
};
use overhear_capture::live::Options;
use overhear_model::Hints;
use overhear_pipeline::Listener;
use overhear_query::{LiveSource, Selection, endpoints};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2},
    iterator::Signals,
};
use std::{
    ffi::OsString,
    fs::File,
    io::{self, IsTerminal, PipeWriter, Read, Write},
    os::{
        fd::AsRawFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    path::Path,
    process::{Child, Command, ExitStatus},
    thread,
};

/// The command cannot be executed, and cannot be found (POSIX, sh, "Exit Status for Commands").
const CANNOT_EXECUTE: i32 = 126;
const NOT_FOUND: i32 = 127;

/// Attaches first, then starts the command: it waits at a gate until the probes know it.
pub(crate) fn run(arguments: &Run) -> Result<i32, Fault> {
    let choice = Choice::new(&arguments.scope, Period::default())?;
    let options = Options {
        pids: Some(Vec::new()),
        no_tls_for: arguments.left_alone.no_tls_for.clone(),
        ..Options::default()
    };
    let mut kernel = watch::attach(options, "this command")?;
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2])
        .map_err(|error| Fault::new(format_args!("cannot listen for signals: {error}")))?;
    let (mut child, gate) = prepare(&arguments.command)?;
    kernel.target(child.id()).map_err(Fault::new)?;
    let place = Place::open(&arguments.keeping);
    let listener = Listener::start(
        Box::new(kernel),
        Box::new(move |exchange| choice.includes(exchange, NO_ROUTES)),
        Vec::new(),
        place.as_ref().map(Place::counting),
    )
    .map_err(|error| Fault::new(format_args!("cannot start a thread: {error}")))?;
    let kept = place.map(|place| place.keep(listener.picture(), Hints::default(), false)).transpose()?;
    // Both ends stay open until the child has ended: it may not have come to the gate yet.
    let (_reader, mut writer) = gate;
    writer.write_all(&[1]).map_err(|error| Fault::new(format_args!("cannot start the command: {error}")))?;
    let handle = signals.handle();
    let pid = child.id();
    let passing = thread::spawn(move || pass_on(&mut signals, pid));
    let status = child.wait();
    handle.close();
    // It only passed signals on; there is nothing of it to report.
    let _ = passing.join();
    let picture = listener.picture().clone();
    let over = listener.stop();
    drop(kept.map(|kept| kept.keeping.finish()));
    let rows = endpoints(&picture.model(), &Selection::default());
    summary::write(&mut io::stderr(), rows, &picture.statistics(), output::error_style())?;
    if let Some(path) = &arguments.save {
        listen::save(&picture.model(), path)?;
    }
    over.map_err(|error| Fault::new(format_args!("listening ended early: {error}")))?;
    status.map(exit_code).map_err(|error| Fault::new(format_args!("cannot wait for the command: {error}")))
}

/// Waits at the gate, then becomes the command: the same process, which the probes know by then.
pub(crate) fn launch(arguments: &Launch) -> Result<i32, Fault> {
    let mut byte = [0];
    let opened = File::open(&arguments.gate).and_then(|mut gate| gate.read_exact(&mut byte));
    opened.map_err(|error| Fault::new(format_args!("the command was not started: {error}")))?;
    let Some((program, rest)) = arguments.command.split_first() else { return Ok(NOT_FOUND) };
    let error = Command::new(program).args(rest).exec();
    let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_EXECUTE };
    Err(Fault::Code(code, format!("overhear: {}: cannot be started: {error}", Path::new(program).display())))
}

/// Starts this program once more, to wait at a gate.
///
/// The gate is a pipe that the child opens through our `/proc`: it inherits neither end, so it goes on only when a
/// byte is written, and not at all when we are gone.
fn prepare(command: &[OsString]) -> Result<(Child, (io::PipeReader, PipeWriter)), Fault> {
    let failed = |error: io::Error| Fault::new(format_args!("cannot start the command: {error}"));
    let (reader, writer) = io::pipe().map_err(failed)?;
    let gate = format!("/proc/{}/fd/{}", std::process::id(), reader.as_raw_fd());
    let program = std::env::current_exe().map_err(failed)?;
    let child = Command::new(program)
        .args(["launch", "--gate", &gate, "--"])
        .args(command)
        .spawn()
        .map_err(failed)?;
    Ok((child, (reader, writer)))
}

/// Signals meant for the command go to it. Those typed at the terminal it gets from there, as we do.
fn pass_on(signals: &mut Signals, pid: u32) {
    let typed_reach_it = io::stdin().is_terminal();
    for number in signals.forever() {
        let typed = matches!(number, SIGINT | SIGQUIT);
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(number))
            && !(typed && typed_reach_it)
        {
            // It may have ended a moment ago.
            let _ = kill_process(pid, signal);
        }
    }
}

/// As a shell says it: 128 and the signal's number where one ended it.
fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}
