//! Bytes into exchanges: pure observers of both directions.
