//! The binary `forebay`.

use std::process::ExitCode;

fn main() -> ExitCode {
    forebay::main(std::env::args_os())
}
