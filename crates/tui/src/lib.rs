//! The live table on a terminal: what `overhear watch` shows.
//!
//! [`run`] owns the terminal until the user quits or `stop` is set. State lives in one struct per view under
//! `views`; keys become actions by the one table in `action`; `App::update` applies an action and
//! `views::render` draws the state and the last answers of the source, changing neither.
//! Everything that comes from the traffic goes through `text::clean` before it reaches the terminal.

mod action;
mod app;
mod asking;
mod body;
mod cursor;
mod data;
mod histogram;
mod json;
mod keyboard;
mod run;
mod sort;
mod terminal;
mod text;
mod theme;
mod units;
mod views;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use asking::Kept;
pub use data::Clock;
pub use run::{Error, Options, Outcome, run};
pub use theme::Colour;
