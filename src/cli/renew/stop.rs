//! Signals that stop a run: the run ends its commands, removes the secrets that no client received, and then exits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::cli::failure::Failure;

/// Whether a signal asked the run to stop.
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Watches for `SIGTERM`, `SIGINT` and `SIGHUP`. From now on, these signals do not end the process by themselves.
    ///
    /// # Errors
    /// Fails if the system does not allow it.
    pub(super) fn watch() -> Result<Self, Failure> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&asked))
                .map_err(|error| Failure::new(format!("cannot watch for signals: {error}")))?;
        }
        Ok(Self(asked))
    }

    /// Whether a signal arrived.
    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits for this long, or until a signal arrives.
    pub(super) fn sleep(&self, span: Duration) {
        let mut waited = Duration::ZERO;
        while waited < span && !self.is_asked() {
            let pause = PAUSE.min(span.saturating_sub(waited));
            std::thread::sleep(pause);
            waited = waited.saturating_add(pause);
        }
    }
}

const PAUSE: Duration = Duration::from_millis(20);
