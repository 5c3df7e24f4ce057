use crate::{
    arguments::{Demo, DemoProcess},
    choice::Choice,
    commands::watch,
    fault::Fault,
    keeping::Place,
    knowledge::Knowledge,
    listen::{self, Plan, View},
    output::tell,
    stop::Stop,
};
use overhear_capture::live::Options;
use overhear_demo::{RECORDING, Shop, service_of_port};
use overhear_pipeline::{Replay, Source};
use std::io::Cursor;

pub(crate) fn run(arguments: &Demo) -> Result<i32, Fault> {
    let stop = Stop::on_signals()?;
    let (shop, source) = if rustix::process::geteuid().is_root() {
        let (shop, kernel) = live()?;
        (Some(shop), kernel)
    } else {
        (None, recorded()?)
    };
    let plan = Plan {
        choice: Choice::default(),
        view: View::new(arguments.json),
        socket: &arguments.socket,
        save: arguments.ending.save.as_deref(),
        page: &arguments.page,
        knowledge: Knowledge::read(&arguments.page.people.known)?,
        place: Place::temporary(None),
        push: None,
        listening_to: "the demo's shop".to_owned(),
    };
    let code = listen::listen(source, plan, &stop.within(arguments.ending.duration));
    drop(shop);
    code
}

/// One process of the shop, which this program is when the shop starts it.
pub(crate) fn process(arguments: &DemoProcess) -> Result<i32, Fault> {
    overhear_demo::serve(arguments.arguments.iter().cloned()).map(|()| 0).map_err(Fault::new)
}

/// Real processes, heard in the kernel. The listener comes first: nothing is missed.
fn live() -> Result<(Shop, Box<dyn Source>), Fault> {
    let failed = |error: &dyn std::fmt::Display| Fault::new(format_args!("the demo cannot start: {error}"));
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let shop = Shop::start(&program, overhear_demo::Options::default()).map_err(|error| failed(&error))?;
    let ports: Vec<u16> = shop.ports().into_iter().map(|(_, port)| port).collect();
    let kernel =
        watch::attach(Options { ports, ..Options::default() }, &format!("the demo's shop, {}", shop.url()))?;
    Ok((shop, Box::new(kernel)))
}

fn recorded() -> Result<Box<dyn Source>, Fault> {
    let replay = Replay::new(Cursor::new(RECORDING), service_of_port)
        .map_err(|error| Fault::new(format_args!("the recording {error}")))?;
    tell(
        "overhear: listening to a recording of a small shop; as root, the demo starts and hears it for real",
    );
    Ok(Box::new(replay))
}
