//! The program as people meet it: what it prints, what it answers, what it says when something is wrong, how it ends.

mod commands;
mod pasted;
pub mod process;
mod settings;
mod start;
