use crate::{
    arguments::{Serve, StoreAt},
    fault::Fault,
    keeping,
    knowledge::Knowledge,
    output::tell,
    page,
    stop::Stop,
};
use std::{thread, time::Duration};

/// How soon it is noticed that it is to stop.
const TICK: Duration = Duration::from_millis(50);

pub(crate) fn run(arguments: &Serve) -> Result<i32, Fault> {
    let stop = Stop::on_signals()?;
    let at = StoreAt { store: arguments.store.clone(), no_store: false };
    let path = keeping::path(&at)
        .ok_or_else(|| Fault::new("there is no place for a store: name one with --store"))?;
    let knowledge = Knowledge::read(&arguments.people.known)?;
    let monitor = keeping::monitor(&path, &knowledge)?;
    let page = page::alone(arguments.listen, monitor, &path, knowledge.people(&arguments.people))?;
    tell(&format!("overhear: the page is {}", page.url()));
    while !stop.is_set() {
        thread::sleep(TICK);
    }
    Ok(0)
}
