//! Throughput and overhead, repeatable.
