//! What is said to the service manager. Without one (no `NOTIFY_SOCKET`) nothing is said.

use std::time::Duration;

use sd_notify::NotifyState;

/// Says it; a service manager that does not listen is nobody's trouble.
fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("cannot tell the service manager: {error}");
    }
}

/// The first good answer has come and the files are written.
pub(crate) fn ready() {
    say(&[NotifyState::Ready]);
}

/// How everything stands, in a line.
pub(crate) fn status(line: &str) {
    say(&[NotifyState::Status(line)]);
}

/// The configuration is being read again; `ready` says that it has been.
pub(crate) fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        say(&[NotifyState::Reloading, now]);
    }
}

/// The end has come.
pub(crate) fn stopping() {
    say(&[NotifyState::Stopping]);
}

/// This process is alive.
pub(crate) fn alive() {
    say(&[NotifyState::Watchdog]);
}

/// How often the service manager wants to hear that: a third of its patience.
pub(crate) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|patience| patience / 3).filter(|period| !period.is_zero())
}
