//! The way in at its edges: asked over HTTP like by browsers and importers, on both streams, into the real ClickHouse.
//! A test owns a website, and where it disturbs others a house and a database.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod addresses;
mod bad_input;
mod bitcain;
mod collect;
mod cors;
mod dead_letters;
mod encodings;
mod erase;
mod forgetful;
mod hand;
mod health;
mod house;
mod import;
mod lena;
mod load;
mod opt_out;
mod poison;
mod refusals;
mod repeats;
mod salts;
mod settings;
mod telemetry;
mod tracker;
