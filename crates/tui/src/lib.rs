//! The live table on a terminal.
