//! A terminal that does not show what is typed, for secrets.

use std::io;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use crate::cli::failure::Failure;

/// Standard input shows nothing until this is dropped. What was typed but not read is then dropped as well: the shell
/// never sees the rest of what was pasted.
pub(super) struct Silence {
    before: Termios,
}

impl Silence {
    /// Begins it. Ctrl-C ends the line instead of the program, which would leave the terminal silent.
    ///
    /// # Errors
    /// That the terminal goes on showing what is typed.
    pub(super) fn begin() -> Result<Self, Failure> {
        let cannot = |error: rustix::io::Errno| {
            Failure::new(format!("the terminal would show the secret: {error}"))
                .hint("pass it through a pipe, or from a file")
        };
        let before = tcgetattr(io::stdin()).map_err(cannot)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        silent.local_modes.insert(LocalModes::ICANON | LocalModes::ECHONL);
        silent.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        tcsetattr(io::stdin(), OptionalActions::Now, &silent).map_err(cannot)?;
        Ok(Self { before })
    }

    /// Whether Ctrl-C is in the input.
    pub(super) fn is_broken(&self, input: &[u8]) -> bool {
        input.contains(&INTERRUPT)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}

/// What Ctrl-C types.
const INTERRUPT: u8 = 0x03;
