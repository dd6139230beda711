//! Hides typed text on a terminal, for secrets.

use std::io;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use crate::cli::failure::Failure;

/// While this exists, the terminal does not show typed text. When it is dropped, unread input is discarded, so the
/// shell does not get the rest of a pasted text.
pub(super) struct Silence {
    before: Termios,
}

impl Silence {
    /// Starts hiding. Ctrl-C ends the line, because ending the program would leave the terminal silent.
    ///
    /// # Errors
    /// Fails if the terminal continues to show typed text.
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

/// The byte that Ctrl-C sends.
const INTERRUPT: u8 = 0x03;
