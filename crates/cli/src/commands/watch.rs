use crate::{
    arguments::{Period, Socket, Watch},
    ask,
    choice::Choice,
    fault::Fault,
    keeping::{self, Place},
    knowledge::Knowledge,
    listen::{self, Plan, View},
    output::tell,
    push,
    rights::{self, Mine, User},
    stop::Stop,
    units::many,
};
use overhear_capture::live::{self, Error, Options};
use overhear_pipeline::Kernel;
use overhear_protocol::Limits;
use std::time::{Duration, Instant};

pub(crate) fn run(arguments: &Watch) -> Result<i32, Fault> {
    let choice = Choice::new(&arguments.scope, Period::default())?;
    let stop = Stop::on_signals()?;
    let options = Options {
        ports: arguments.ports.clone(),
        pids: (!arguments.pids.is_empty()).then(|| arguments.pids.clone()),
        tls: !arguments.no_tls,
        no_tls_for: arguments.left_alone.no_tls_for.clone(),
        ..Options::default()
    };
    let push = push::target(arguments.otlp.as_deref())?;
    // The folder may be out of reach for who goes on.
    let knowledge = Knowledge::read(&arguments.page.people.known)?;
    let user = arguments.user.as_deref().map(User::named).transpose()?;
    let (kernel, took) = attach_silently(options)?;
    // Both depend on who we are, which is about to change.
    let socket = Socket { socket: ask::path(&arguments.socket) };
    let mut keeping = arguments.keeping.clone();
    keeping.at.store = keeping::path(&keeping.at);
    let mine = Mine {
        store: keeping.at.store.as_deref(),
        socket: socket.socket.as_deref(),
        save: arguments.ending.save.as_deref(),
    };
    rights::give_up(user, &mine, kernel.needs_rights())?;
    let place = Place::open(&keeping);
    // Who reads that may count on both: what is heard from here on is kept, and rights are given up.
    tell_of(&listening_to(arguments), took);
    let plan = Plan {
        choice,
        view: if arguments.quiet { View::Quiet } else { View::new(arguments.json) },
        socket: &socket,
        save: arguments.ending.save.as_deref(),
        page: &arguments.page,
        knowledge,
        place,
        listening_to: listening_to(arguments),
        push,
    };
    listen::listen(Box::new(kernel), plan, &stop.within(arguments.ending.duration))
}

/// Attaches, and says so.
pub(crate) fn attach(options: Options, listening_to: &str) -> Result<Kernel, Fault> {
    let (kernel, took) = attach_silently(options)?;
    tell_of(listening_to, took);
    Ok(kernel)
}

fn attach_silently(options: Options) -> Result<(Kernel, Duration), Fault> {
    let begun = Instant::now();
    let plan = asked(PLAN, "plan", live::Plan::ALL, live::Plan::name)?;
    let uprobes = asked(UPROBES, "way of probing", live::Uprobes::ALL, live::Uprobes::name)?;
    let options = Options { plan, uprobes, ..options };
    let kernel = Kernel::attach(options, Limits::default()).map_err(refused)?;
    if let Some(reason) = kernel.tls_unheard() {
        tell(&format!("overhear: TLS is not read, everything else is: {reason}"));
    }
    Ok((kernel, begun.elapsed()))
}

/// For tests: another way of listening than the best that the kernel has, …
const PLAN: &str = "OVERHEAR_PLAN";
/// … and of probing TLS libraries.
const UPROBES: &str = "OVERHEAR_UPROBES";

/// The one of `all` that a variable of the environment names, if it is set.
fn asked<T: Copy, const N: usize>(
    variable: &str,
    what: &str,
    all: [T; N],
    name: fn(T) -> &'static str,
) -> Result<Option<T>, Fault> {
    let Ok(asked) = std::env::var(variable) else { return Ok(None) };
    let found = all.into_iter().find(|one| name(*one) == asked);
    let names = || all.map(name).join(", ");
    found
        .map(Some)
        .ok_or_else(|| Fault::new(format_args!("{variable}={asked}: no such {what}; there are {}", names())))
}

fn tell_of(listening_to: &str, took: Duration) {
    tell(&format!("overhear: listening on {listening_to} (attached in {:.1} s)", took.as_secs_f64()));
}

/// Why not, and what there is instead.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn refused(error: Error) -> Fault {
    let instead = match &error {
        Error::NotPermitted { .. }
        | Error::NoBtf
        | Error::TooOld { .. }
        | Error::Lacks { .. }
        | Error::LockedDown
        | Error::Unsupported => {
            "\noverhear: `overhear demo` shows what it does without any rights; `overhear doctor` says what is missing"
        }
        Error::Refused { .. } | Error::TooManyPorts(_) | Error::Io(_) => "",
    };
    Fault::new(format_args!("{error}{instead}"))
}

fn listening_to(arguments: &Watch) -> String {
    let list = |what: &str, numbers: Vec<String>| match numbers.as_slice() {
        [] => None,
        [one] => Some(format!("{what} {one}")),
        more => Some(format!("{} {}", many(what), more.join(", "))),
    };
    let ports = list("port", arguments.ports.iter().map(ToString::to_string).collect());
    let pids = list("process", arguments.pids.iter().map(ToString::to_string).collect());
    match (ports, pids) {
        (None, None) => "every port".to_owned(),
        (Some(one), None) | (None, Some(one)) => one,
        (Some(ports), Some(pids)) => format!("{ports} of {pids}"),
    }
}
