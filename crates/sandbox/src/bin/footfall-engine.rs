//! The engine's child process on its own, for tests and tools that are not the `footfall` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    sandbox::engine_child_main(std::env::args_os().skip(1))
}
