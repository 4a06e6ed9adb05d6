//! The one printer of standard error: errors with their causes, hints, warnings, and the log.

use std::io::{self, IsTerminal, Write as _};

use cloud_autojoin::escape::printable;
use cloud_autojoin::{Error, Finding};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::arguments::Arguments;
use crate::terminal::{Colour, LogWriter};

/// Writes to standard error what the flags ask for.
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
            // A second subscriber cannot be there: this is the start of the process.
            let _ = tracing_subscriber::registry()
                .with(ours)
                .with(layer)
                .try_init();
        }
        Self {
            quiet: arguments.quiet,
        }
    }

    /// The log of the sidecar: what changed is said without being asked.
    #[cfg(all(feature = "sidecar", unix))]
    fn start_daemon_log(arguments: &Arguments, verbose: u8) {
        let level = [LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE]
            [usize::from(verbose.min(2))];
        let ours = Targets::new()
            .with_target("cloud_autojoin", level)
            .with_default(LevelFilter::WARN);
        let layer = tracing_subscriber::fmt::layer().with_writer(|| LogWriter::new(io::stderr()));
        let log = tracing_subscriber::registry().with(ours);
        // A second subscriber cannot be there: this is the start of the process.
        let _ = match arguments.log_format() {
            // Events have a field `target` of their own, and an object has each key once.
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

    /// A reporter that says everything, for when the flags are not known.
    pub(crate) const fn talkative() -> Self {
        Self { quiet: false }
    }

    /// A reporter that keeps quiet but for errors, for when the flags are not known.
    pub(crate) const fn silent() -> Self {
        Self { quiet: true }
    }

    /// Reports why it failed. With `-q` this is one line, since go-netaddrs and the agents behind
    /// it quote it whole.
    pub(crate) fn failure(&self, error: &Error) {
        self.error(&error.chain(), error.hint().as_deref());
    }

    /// Reports why it failed where standard output has said so already: with `-q` only, for
    /// programs that read that line.
    pub(crate) fn failure_for_quiet(&self, error: &Error) {
        if self.quiet {
            self.failure(error);
        }
    }

    /// Reports a failure in words.
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

    /// Says something that is good to know.
    pub(crate) fn note(&self, message: &str) {
        if !self.quiet {
            write_line(&format!(
                "{} {}",
                label("note:", Colour::GREEN),
                one_line(message)
            ));
        }
    }

    /// Reports what the answer is found to lack, with what to do about it.
    pub(crate) fn finding(&self, finding: &Finding) {
        match &finding.hint {
            Some(hint) => self.warning(&format!("{}; {hint}", finding.message)),
            None => self.warning(&finding.message),
        }
    }

    /// Reports what is not as it should be and does not stop the call.
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

/// Whether standard error goes to systemd's journal.
#[cfg(all(feature = "sidecar", unix))]
fn is_read_by_the_journal() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "says where the log goes, read before there is a context"
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
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
