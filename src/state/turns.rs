//! Turns of those who append to one log at the same time: how long one tries, and with which pauses. Knows
//! nothing of logs.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    thread,
    time::{Duration, Instant},
};

use crate::diagnostic::Diagnostic;

/// Turns of one who wants to append while others do as well: each lost one is tried again, after a pause.
#[derive(Debug)]
pub(crate) struct Turns {
    until: Instant,
    lost: u64,
}

/// How long one goes on trying. Where eight write at once to a slow store, one of eight turns is won.
const CROWD: Duration = Duration::from_secs(60);
/// The longest pause in milliseconds; the first ones are shorter.
const PAUSE: u64 = 120;

impl Turns {
    pub(crate) fn new() -> Self {
        Self { until: Instant::now() + CROWD, lost: 0 }
    }

    /// Another was first. Pauses for a time that is drawn: those who lost together do not come back together.
    ///
    /// # Errors
    /// It has been too often (`SKY0803`).
    pub(crate) fn again(&mut self) -> Result<(), Diagnostic> {
        if Instant::now() >= self.until {
            return Err(Diagnostic::error("SKY0803", "others change the state all the time")
                .hint("run the same again in a moment"));
        }
        self.lost += 1;
        let drawn = RandomState::new().build_hasher().finish() % (self.lost * 8).min(PAUSE);
        thread::sleep(Duration::from_millis(drawn));
        Ok(())
    }
}
