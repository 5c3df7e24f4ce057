//! The binary `overhear`: arguments to one `match` over commands.

mod arguments;
mod ask;
mod choice;
mod commands;
mod fault;
mod file_name;
mod from;
mod json;
mod keeping;
mod knowledge;
mod listen;
mod output;
mod over_time;
mod page;
mod push;
mod reference;
mod rights;
mod stop;
mod summary;
mod table;
mod time;
mod units;

use arguments::{Arguments, Command};
use clap::Parser;
use fault::Fault;

#[expect(clippy::print_stderr, reason = "the only place that says why the program ends")]
fn main() {
    let code = match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(Fault::ReaderGone) => 0,
        Err(fault @ (Fault::Said(_) | Fault::Code(..))) => {
            eprintln!("{fault}");
            fault.code()
        }
    };
    std::process::exit(code);
}

fn run(command: Command) -> Result<i32, Fault> {
    match command {
        Command::Watch(arguments) => commands::watch::run(&arguments),
        Command::Run(arguments) => commands::run::run(&arguments),
        Command::Read(arguments) => commands::read::run(&arguments),
        Command::Requests(arguments) => commands::requests::run(&arguments),
        Command::Endpoints(arguments) => commands::endpoints::run(&arguments),
        Command::Map(arguments) => commands::map::run(&arguments),
        Command::Show(arguments) => commands::show::run(&arguments),
        Command::Spec(arguments) => commands::spec::run(&arguments),
        Command::Overlay(arguments) => commands::overlay::run(&arguments),
        Command::Export(arguments) => commands::export::run(&arguments),
        Command::Serve(arguments) => commands::serve::run(&arguments),
        Command::Doctor(arguments) => commands::doctor::run(&arguments),
        Command::Demo(arguments) => commands::demo::run(&arguments),
        Command::Completions(arguments) => commands::completions::run(&arguments),
        Command::Man => commands::man::run(),
        Command::Launch(arguments) => commands::run::launch(&arguments),
        Command::DemoProcess(arguments) => commands::demo::process(&arguments),
    }
}
