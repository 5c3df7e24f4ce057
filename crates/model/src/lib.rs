//! What is learned from exchanges: routes, counts, latencies, callers; everything merges.
