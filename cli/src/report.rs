//! Formats and writes standard error: errors with their causes, hints, warnings, and the log.

use std::io::{self, IsTerminal, Write as _};

use cloud_autojoin::escape::printable;
use cloud_autojoin::{Error, Finding};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::arguments::Arguments;
use crate::terminal::{Colour, LogWriter};

/// Writes to standard error at the verbosity that the flags select.
#[derive(Debug)]
pub(crate) struct Reporter {
    quiet: bool,
}

impl Reporter {
    /// A reporter for these flags; sets up the log.
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let level = match (arguments.quiet, arguments.verbose) {
            (true, _) => LevelFilter::OFF,
            #[cfg(all(feature = "sidecar", unix))]
            (false, verbose) if arguments.log_format().is_some() => {
                Self::start_daemon_log(arguments, verbose);
                return Self {
                    quiet: arguments.quiet,
                };
            }
            (false, 0) => LevelFilter::WARN,
            (false, 1) => LevelFilter::DEBUG,
            (false, _) => LevelFilter::TRACE,
        };
        if level != LevelFilter::OFF {
            let ours = Targets::new()
                .with_target("cloud_autojoin", level)
                .with_default(level.min(LevelFilter::WARN));
            let layer = tracing_subscriber::fmt::layer()
                .with_writer(|| LogWriter::new(io::stderr()))
                .with_ansi(Colour::on(io::stderr().is_terminal()).is_on())
                .without_time()
                .with_target(false);
            // The process has just started, so no other subscriber is set.
            let _ = tracing_subscriber::registry()
                .with(ours)
                .with(layer)
                .try_init();
        }
        Self {
            quiet: arguments.quiet,
        }
    }

    /// The log of the sidecar, which reports changes without `-v`.
    #[cfg(all(feature = "sidecar", unix))]
    fn start_daemon_log(arguments: &Arguments, verbose: u8) {
        let level = [LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE]
            [usize::from(verbose.min(2))];
        let ours = Targets::new()
            .with_target("cloud_autojoin", level)
            .with_default(LevelFilter::WARN);
        let layer = tracing_subscriber::fmt::layer().with_writer(|| LogWriter::new(io::stderr()));
        let log = tracing_subscriber::registry().with(ours);
        // The process has just started, so no other subscriber is set.
        let _ = match arguments.log_format() {
            // Events have a field named `target`, and JSON keys must be unique.
            Some(crate::arguments::LogFormat::Json) => log
                .with(layer.json().flatten_event(true).with_target(false))
                .try_init(),
            _ => {
                let layer = layer
                    .with_ansi(Colour::on(io::stderr().is_terminal()).is_on())
                    .with_target(false);
                // The journal adds the time.
                if is_read_by_the_journal() {
                    log.with(layer.without_time()).try_init()
                } else {
                    log.with(layer).try_init()
                }
            }
        };
    }

    /// A reporter that prints everything, for when the flags aren't parsed.
    pub(crate) const fn verbose() -> Self {
        Self { quiet: false }
    }

    /// A reporter that prints errors only, for when the flags aren't parsed.
    pub(crate) const fn silent() -> Self {
        Self { quiet: true }
    }

    /// Reports an error with its causes and hint. With `-q` this is one line, since go-netaddrs and
    /// the agents that use it log standard error as a whole.
    pub(crate) fn failure(&self, error: &Error) {
        self.error(&error.chain(), error.hint().as_deref());
    }

    /// Reports an error that standard output already shows: with `-q` only, for programs that read
    /// that line.
    pub(crate) fn failure_for_quiet(&self, error: &Error) {
        if self.quiet {
            self.failure(error);
        }
    }

    /// Reports an error message.
    pub(crate) fn error(&self, message: &str, hint: Option<&str>) {
        let line = one_line(message);
        match hint.map(one_line) {
            None => write_line(&format!("{} {line}", label("discover:", Colour::RED))),
            Some(hint) if self.quiet => write_line(&format!(
                "{} {line}; {hint}",
                label("discover:", Colour::RED)
            )),
            Some(hint) => write_line(&format!(
                "{} {line}\n{} {hint}",
                label("discover:", Colour::RED),
                label("hint:", Colour::GREEN)
            )),
        }
    }

    /// Prints a note.
    pub(crate) fn note(&self, message: &str) {
        if !self.quiet {
            write_line(&format!(
                "{} {}",
                label("note:", Colour::GREEN),
                one_line(message)
            ));
        }
    }

    /// Prints a finding, as a note or, with a hint, as a warning.
    pub(crate) fn finding(&self, finding: &Finding) {
        match &finding.hint {
            Some(hint) => self.warning(&format!("{}; {hint}", finding.message)),
            None => self.warning(&finding.message),
        }
    }

    /// Prints a warning.
    pub(crate) fn warning(&self, message: &str) {
        if !self.quiet {
            write_line(&format!(
                "{} {}",
                label("warning:", Colour::YELLOW),
                one_line(message)
            ));
        }
    }
}

/// Whether standard error is connected to systemd's journal.
#[cfg(all(feature = "sidecar", unix))]
fn is_read_by_the_journal() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "the destination of the log, read before a context exists"
    )]
    std::env::var_os("JOURNAL_STREAM").is_some()
}

/// The first word of a line, in colour on a terminal.
fn label(word: &str, colour: &str) -> String {
    if Colour::on(io::stderr().is_terminal()).is_on() {
        format!("{colour}{word}\x1b[0m")
    } else {
        word.to_owned()
    }
}

fn one_line(text: &str) -> String {
    printable(
        &text
            .split(['\n', '\r'])
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" "),
    )
}

fn write_line(text: &str) {
    // There is nowhere to report that standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
