//! The command line: what PAP work there is on policies and tokens, over the same engine as the filter.
//!
//! Data goes to stdout, everything else to stderr. Exit 0 is yes or done, 1 a valid "no" (denied, findings,
//! failed cases), 2 could not.

use std::process::{ExitCode, Termination};

use clap::{Parser, Subcommand};

use crate::cli::failure::Failure;

pub mod audit;
mod build;
mod clock;
mod dry_run;
mod explain;
pub mod failure;
mod files;
mod hash;
mod init;
mod key;
mod keygen;
mod lint;
mod list;
mod lock;
mod mint;
mod nearest;
mod numbering;
mod output;
mod payload;
pub mod position;
mod prune;
mod registry;
mod render;
mod revoke;
mod rotate;
mod secret;
mod secret_state;
mod sign;
pub mod source;
mod stdin;
mod test;
mod token_options;
mod verify;
pub mod workspace;

/// Role policies for API tokens, enforced inside Envoy and Istio.
#[derive(Debug, Parser)]
#[command(name = "tokenward", version, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print data as JSON, one value a line
    #[arg(long, global = true)]
    json: bool,
}

/// The commands; one without a description here has a longer one of its own.
#[derive(Debug, Subcommand)]
enum Command {
    /// Write a small policy to begin with, which passes its own tests
    Init(init::Init),
    /// Mint a secret, for a new token or another one for a known token
    Mint(mint::Mint),
    Rotate(rotate::Rotate),
    Revoke(revoke::Revoke),
    /// List tokens and their secrets, with what they are good for
    List(list::List),
    Prune(prune::Prune),
    /// Print the SHA-256 of a secret read from standard input
    Hash(hash::Hash),
    /// Check a policy and its tokens
    Lint(lint::Lint),
    /// Run a policy's test cases
    Test(test::Test),
    /// Tell what the policy decides about a request, and why
    Explain(explain::Explain),
    /// Build the bundle that ships
    Build(build::Build),
    Keygen(keygen::Keygen),
    Sign(sign::Sign),
    /// Check who signed a bundle
    Verify(verify::Verify),
    /// Write the configuration that Envoy loads
    Render(render::Render),
    /// Check what the filter wrote
    Audit(audit::Audit),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Yes, or done.
    Yes,
    /// A valid "no".
    No,
    /// Could not do it.
    Failed,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Yes => 0,
            Self::No => 1,
            Self::Failed => 2,
        })
    }
}

/// How data is printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Format {
    Text,
    Json,
}

/// Runs the command that the arguments name.
pub fn run(arguments: Arguments) -> Exit {
    let format = if arguments.json { Format::Json } else { Format::Text };
    let ended = match arguments.command {
        Command::Init(init) => init.run(format),
        Command::Mint(mint) => mint.run(format),
        Command::Rotate(rotate) => rotate.run(format),
        Command::Revoke(revoke) => revoke.run(format),
        Command::List(list) => list.run(format),
        Command::Prune(prune) => prune.run(format),
        Command::Hash(hash) => hash.run(format),
        Command::Lint(lint) => lint.run(format),
        Command::Test(test) => test.run(format),
        Command::Explain(explain) => explain.run(format),
        Command::Build(build) => build.run(format),
        Command::Keygen(keygen) => keygen.run(format),
        Command::Sign(sign) => sign.run(format),
        Command::Verify(verify) => verify.run(format),
        Command::Render(render) => render.run(format),
        Command::Audit(audit) => audit.run(format),
    };
    ended.unwrap_or_else(|failures| {
        failures.iter().for_each(output::failure);
        Exit::Failed
    })
}

impl From<Failure> for Vec<Failure> {
    fn from(failure: Failure) -> Self {
        vec![failure]
    }
}
