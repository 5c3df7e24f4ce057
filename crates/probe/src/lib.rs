//! The kernel programs, their compiled objects and the records they emit.
