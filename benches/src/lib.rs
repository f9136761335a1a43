//! Criterion benches, and the load and report benchmarks.
