//! The command line: policy and token administration, with the same engine as the filter.
//!
//! Data goes to stdout, everything else to stderr. Exit 0 means yes or done, 1 means a valid "no" (denied, findings,
//! failed cases), 2 means the command failed.

use std::path::PathBuf;
use std::process::{ExitCode, Termination};

use clap::{Parser, Subcommand};

use crate::cli::failure::Failure;
use crate::cli::folder::PolicyFolder;

pub mod audit;
mod build;
mod clock;
mod dry_run;
mod excerpt;
mod explain;
pub mod failure;
mod files;
mod folder;
mod hash;
mod help;
mod init;
mod input;
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
mod renew;
mod retiring;
mod revoke;
mod rotate;
mod secret;
mod secret_state;
mod sign;
mod silence;
pub mod source;
mod stdin;
mod strength;
mod test;
mod token_options;
mod verify;
pub mod workspace;

/// Role policies for API tokens, enforced inside Envoy and Istio.
#[derive(Debug, Parser)]
#[command(name = "tokenward", version, max_term_width = 100)]
#[command(after_help = "`tokenward COMMAND --help` shows the options of a command and two examples.")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Folder of the policy; may also follow the command
    #[arg(short, long, value_name = "DIR")]
    policy: Option<PathBuf>,
    /// Print data as JSON, one value per line
    #[arg(long, global = true)]
    json: bool,
}

/// The commands, in the order of `--help`. A command without a description here has a longer one in its own file.
#[derive(Debug, Subcommand)]
enum Command {
    /// Write a small starter policy, which passes its own tests
    Init(init::Init),
    /// Check a policy and its tokens
    Lint(lint::Lint),
    /// Run a policy's test cases
    Test(test::Test),
    /// Show what the policy decides about a request, and why
    Explain(explain::Explain),
    /// Mint a secret for a new or an existing token
    Mint(mint::Mint),
    Rotate(rotate::Rotate),
    Renew(renew::Renew),
    Revoke(revoke::Revoke),
    /// List tokens and their secrets, with the state of each
    List(list::List),
    Prune(prune::Prune),
    Hash(hash::Hash),
    /// Build the bundle that ships
    Build(build::Build),
    Keygen(keygen::Keygen),
    Sign(sign::Sign),
    Verify(verify::Verify),
    /// Write the configuration that Envoy loads
    Render(render::Render),
    /// Check the filter's audit events
    Audit(audit::Audit),
}

/// The result of a command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Yes, or done.
    Yes,
    /// A valid "no".
    No,
    /// The command failed.
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

/// The output format of data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Format {
    Text,
    Json,
}

/// Runs the command in the arguments.
pub fn run(arguments: Arguments) -> Exit {
    let format = if arguments.json { Format::Json } else { Format::Text };
    let ended = ended(arguments, format);
    let ended = ended.and_then(|exit| output::lost().map_or(Ok(exit), |lost| Err(lost.into())));
    ended.unwrap_or_else(|failures| {
        failures.iter().for_each(output::failure);
        Exit::Failed
    })
}

fn ended(arguments: Arguments, format: Format) -> Result<Exit, Vec<Failure>> {
    let mut command = arguments.command;
    if let Some(folder) = arguments.policy {
        command.folder().ok_or_else(needs_none)?.or_before(folder)?;
    }
    match command {
        Command::Init(init) => init.run(format),
        Command::Mint(mint) => mint.run(format),
        Command::Rotate(rotate) => rotate.run(format),
        Command::Renew(renew) => renew.run(format),
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
    }
}

impl Command {
    /// The option that names the policy's folder. `None` if the command reads no policy.
    fn folder(&mut self) -> Option<&mut PolicyFolder> {
        match self {
            Self::Mint(mint) => Some(&mut mint.folder),
            Self::Rotate(rotate) => Some(&mut rotate.folder),
            Self::Renew(renew) => Some(&mut renew.folder),
            Self::Revoke(revoke) => Some(&mut revoke.folder),
            Self::List(list) => Some(&mut list.folder),
            Self::Prune(prune) => Some(&mut prune.folder),
            Self::Lint(lint) => Some(&mut lint.input.files.folder),
            Self::Test(test) => Some(&mut test.files.folder),
            Self::Explain(explain) => Some(&mut explain.input.files.folder),
            Self::Build(build) => Some(&mut build.files.folder),
            Self::Sign(sign) => Some(&mut sign.files.folder),
            Self::Verify(verify) => Some(&mut verify.files.folder),
            Self::Render(render) => render.folder(),
            Self::Init(_) | Self::Hash(_) | Self::Keygen(_) | Self::Audit(_) => None,
        }
    }
}

#[cold]
fn needs_none() -> Failure {
    Failure::new("this command reads no policy: it has no `-p`").hint("leave out `-p`")
}

impl From<Failure> for Vec<Failure> {
    fn from(failure: Failure) -> Self {
        vec![failure]
    }
}
