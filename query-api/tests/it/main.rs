//! The way out against the real engine: asked over HTTP, answered from events that each test stores for a website of
//! its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod administration;
mod cache;
mod cancel;
mod core;
mod document;
mod erase;
mod funnel;
mod health;
mod hostile;
mod house;
mod laws;
mod matrix;
mod openapi;
mod pages;
mod problems;
mod published;
mod realtime;
mod reports;
mod series;
mod settings;
mod summary;
mod tables;
mod visit;
mod websites;
mod zones;
