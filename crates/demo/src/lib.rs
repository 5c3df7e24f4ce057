//! A small shop of real processes to listen to.
