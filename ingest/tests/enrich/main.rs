//! Enrichment against the world: real user agents, real hints, real and broken geo databases. Collections that are not
//! part of the project are used where they lie beside it; a test that misses its own says so and is skipped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod agents;
mod bots;
mod geo;
mod hints;
mod mmdb;
mod testsets;
mod world;
