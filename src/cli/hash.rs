//! `tokenward hash`: prints the digests of existing secrets.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::cli::strength::weakness;
use crate::cli::{Exit, Format, output, stdin};
use crate::engine::words::name::TokenId;
use crate::engine::words::secret::{Secret, SecretDigest};

/// Print the SHA-256 of a secret read from standard input, or of each secret in a file
///
/// A secret that can be guessed from its digest causes a warning.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  printf %s \"$SECRET\" | tokenward hash
  tokenward hash --many keys.txt")]
pub(super) struct Hash {
    /// File with lines `id secret`, `-` for standard input; each digest is printed after its id
    #[arg(long, value_name = "FILE")]
    many: Option<PathBuf>,
}

impl Hash {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        match self.many {
            Some(path) => many(&path, format),
            None => one(format),
        }
    }
}

fn one(format: Format) -> Result<Exit, Vec<Failure>> {
    let secret = stdin::secret("tokenward hash")?;
    let sha256 = SecretDigest::of(&secret).to_hex();
    let weakness = weakness(&secret, &[]);
    match format {
        Format::Text => output::data(&format!("{sha256}\n")),
        Format::Json => output::json(&json!({ "sha256": sha256, "weak": weakness.is_some() })),
    }
    weakness.iter().for_each(output::warning);
    Ok(Exit::Yes)
}

fn many(path: &Path, format: Format) -> Result<Exit, Vec<Failure>> {
    let text = read(path)?;
    let (mut hashed, mut failures) = (Vec::new(), Vec::new());
    let mut known = HashMap::new();
    let is_empty = |line: &[u8]| line.is_empty() || line.starts_with(b"#");
    let lines = (1_usize..).zip(text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii));
    for (number, line) in lines.filter(|(_, line)| !is_empty(line)) {
        let at = |failure| placed(path, number, failure);
        let found = Hashed::of(line).and_then(|(line, weakness)| match known.insert(line.digest, number) {
            Some(first) => Err(Failure::new(format!("the secret is that of line {first} too"))
                .hint("give each id a secret of its own: one secret would act as two tokens")),
            None => Ok((line, weakness)),
        });
        match found {
            Ok((line, weakness)) => hashed.push((line, weakness.map(at))),
            Err(failure) => failures.push(at(failure)),
        }
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    match format {
        Format::Text => output::data(&hashed.iter().map(|(line, _)| line.text()).collect::<String>()),
        Format::Json => hashed.iter().for_each(|(line, _)| output::json(line)),
    }
    hashed.iter().filter_map(|(_, weakness)| weakness.as_ref()).for_each(output::warning);
    Ok(Exit::Yes)
}

/// The digest of one line.
#[derive(Serialize)]
struct Hashed {
    id: TokenId,
    #[serde(rename = "sha256")]
    digest: SecretDigest,
    weak: bool,
}

impl Hashed {
    /// Reads a line; warns about a weak secret. Nothing of the line is shown, because id and secret may be swapped.
    fn of(line: &[u8]) -> Result<(Self, Option<Failure>), Failure> {
        let (id, secret) = line
            .iter()
            .position(u8::is_ascii_whitespace)
            .and_then(|blank| line.split_at_checked(blank))
            .ok_or_else(|| Failure::new("the line has no secret").hint("write `id secret` in each line"))?;
        let id = std::str::from_utf8(id).ok().and_then(|id| id.parse::<TokenId>().ok());
        let id = id.ok_or_else(|| {
            Failure::new("the line does not begin with a token id").hint("write `id secret` in each line")
        })?;
        let secret = secret.trim_ascii_start();
        if Secret::parse(secret).is_none() {
            return Err(Failure::new("what follows the id is not a secret").hint(stdin::form()));
        }
        let weakness = weakness(secret, &[id.as_str()]);
        Ok((Self { digest: SecretDigest::of(secret), weak: weakness.is_some(), id }, weakness))
    }

    fn text(&self) -> String {
        format!("{} {}\n", self.id, self.digest.to_hex())
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if path == Path::new("-") {
        return stdin::file();
    }
    let text = std::fs::read(path).map(Zeroizing::new);
    text.map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
}

fn placed(path: &Path, line: usize, failure: Failure) -> Failure {
    Failure { place: Some(format!("{}:{line}", path.display())), ..failure }
}
