//! Notifications to the service manager. Without one (no `NOTIFY_SOCKET`) they do nothing.

use std::time::Duration;

use sd_notify::NotifyState;

/// Sends a notification. A failure is logged and ignored.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("cannot notify the service manager: {error}");
    }
}

/// The first good result has come and the files are written.
pub(crate) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// The status in one line.
pub(crate) fn status(line: &str) {
    notify(&[NotifyState::Status(line)]);
}

/// A reload starts; `ready` ends it.
pub(crate) fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
}

/// The shutdown starts.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Resets the watchdog.
pub(crate) fn keepalive() {
    notify(&[NotifyState::Watchdog]);
}

/// How often to reset the watchdog: at a third of its timeout.
pub(crate) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
        .map(|timeout| timeout / 3)
        .filter(|period| !period.is_zero())
}
