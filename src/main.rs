//! The `tokenward` command.

use tokenward::cli::{Arguments, Exit, run};

fn main() -> Exit {
    run(Arguments::read())
}
