//! The way out against the real engine: asked over HTTP, answered from events that each test stores for a website of
//! its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod cancel;
mod core;
mod health;
mod house;
mod laws;
mod pages;
mod problems;
mod reports;
mod settings;
mod summary;
mod visit;
mod websites;
mod zones;
