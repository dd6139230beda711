//! The `tokenward` command.

use clap::Parser;
use tokenward::cli::{Arguments, Exit, run};

fn main() -> Exit {
    run(Arguments::parse())
}
