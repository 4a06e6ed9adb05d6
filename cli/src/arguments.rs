//! The definition of the command line.
//!
//! Arguments and flags of go-discover's command are accepted as it accepts them (`-q`, `-q=false`,
//! `-help`, one dash or two). `arguments/go.rs` parses what is specific to Go, `usage.rs` reports
//! an invalid command line.

use std::ffi::OsString;

use clap::{
    ArgAction, ArgGroup, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand,
    ValueEnum,
};
use cloud_autojoin::DEFAULT_TIMEOUT;

mod deferred;
mod go;
#[cfg(all(feature = "sidecar", unix))]
mod watch;

use deferred::Deferred;
pub(crate) use go::{GoDuration, duration_or_zero};
#[cfg(all(feature = "sidecar", unix))]
pub(crate) use watch::{LogFormat, Watch};

const DISCOVER: &str = "\
Examples:
  discover addrs provider=azure resource_group=cluster vm_scale_set=consul-servers
  discover explain @/etc/discover/consul
  discover check @/etc/discover/consul

`discover SUBCOMMAND --help` describes a subcommand; `discover man` prints a manual page.

Exit status: 0 done, 1 failed, 2 invalid usage, 3 nothing matched.";

/// Resolves a cloud auto-join string to addresses.
#[derive(Debug, Parser)]
#[command(name = "discover", version, about, arg_required_else_help = false, max_term_width = 100, after_help = DISCOVER)]
pub(crate) struct Arguments {
    /// Print nothing on standard error except one line on failure
    #[arg(short, long, visible_alias = "q", global = true, overrides_with = "quiet", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_name = "BOOL", value_parser = go::boolean, action = ArgAction::Set)]
    pub(crate) quiet: bool,

    /// Log more to standard error: once for requests, twice for debug output
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Print the addresses of a join string
    Addrs(Deferred<Addrs>),
    /// Show every examined resource and why it matches or is excluded
    Explain(Deferred<Explain>),
    /// Check join strings offline
    Check(Deferred<Check>),
    /// List the providers, or the keys of one
    Providers(Deferred<Providers>),
    /// Keep files and running agents up to date
    #[cfg(all(feature = "sidecar", unix))]
    Watch(Box<Deferred<Watch>>),
    /// List or remove the results that `addrs` and `watch` keep on this host
    #[cfg(unix)]
    Cache(Deferred<Cache>),
    /// Print a shell completion script
    Completions(Deferred<Completions>),
    /// Print a manual page, or write all manual pages
    Man(Deferred<Man>),
}

// The text after the options, in help and in manual pages. Paragraphs that begin with `Examples:`,
// `Files:`, `Signals:` or `Exit status:` become sections of a manual page.

const ADDRS: &str = "\
The join string is one argument, several arguments, or @FILE, which reads it from a file; there, newlines count as spaces, and a # at the beginning of a word starts a comment. Further arguments are appended to @FILE.

Several join strings (arguments or files that each begin with provider=) give the addresses of all, without duplicates. If one fails or has no address, nothing is printed; with --any the addresses of the others are.

Examples:
  discover addrs provider=azure resource_group=cluster vm_scale_set=consul-servers
  discover -q addrs @/etc/discover/nomad
  discover addrs --output lines provider=azure tag_name=consul tag_value=server
  discover addrs 'provider=azure tag_name=consul tag_value=server' 'provider=aws tag_key=consul tag_value=server'
  discover addrs --max-age 30s --stale-if-error 24h @/etc/discover/consul

Files: /etc/discover/config.toml, or the file that DISCOVER_CONFIG names, may set max_age, stale_if_error and cache_directory. The variables DISCOVER_MAX_AGE, DISCOVER_STALE_IF_ERROR and DISCOVER_CACHE_DIRECTORY come before it, and flags before these.

Exit status: 0 addresses printed, 1 failed, 2 invalid usage, 3 nothing matched.";

const EXPLAIN: &str = "\
The join string is one argument, several arguments, or @FILE, which reads it from a file; there, newlines count as spaces, and a # at the beginning of a word starts a comment. Further arguments are appended to @FILE. Several join strings (arguments or files that each begin with provider=) are shown one after the other.

Examples:
  discover explain provider=azure tag_name=consul tag_value=server
  discover explain --only near @/etc/discover/consul
  discover explain --output json @/etc/discover/consul | jq .requests

Exit status: 0 something matched, 1 failed, 2 invalid usage, 3 nothing matched.";

/// The arguments that `addrs` and `explain` share.
#[derive(Debug, Args)]
pub(crate) struct QueryArguments {
    /// The join string: KEY=VALUE ..., or @FILE
    #[arg(value_name = "KEY=VALUE|@FILE", required = false)]
    pub(crate) words: Vec<OsString>,

    /// Fail after this time, as 30s or 1m30s
    #[arg(long, value_name = "DURATION", default_value_t = GoDuration(DEFAULT_TIMEOUT), value_parser = go::duration)]
    pub(crate) timeout: GoDuration,

    /// Treat unknown keys as errors instead of warnings
    #[arg(long)]
    pub(crate) strict: bool,

    /// With several join strings: print the addresses of those that succeed, and warn about the
    /// rest
    #[arg(long)]
    pub(crate) any: bool,
}

/// `discover addrs`
#[derive(Debug, Args)]
#[command(after_help = ADDRS)]
// A shared result is that of all sources.
#[cfg_attr(unix, command(group(ArgGroup::new("whole").args(["any", "shared"]))))]
pub(crate) struct Addrs {
    #[command(flatten)]
    pub(crate) query: QueryArguments,

    /// What standard output looks like
    #[arg(long, short, value_enum, default_value_t = OutputFormat::Text, value_name = "FORMAT")]
    pub(crate) output: OutputFormat,

    /// Use a result of an earlier call on this host that is younger than this, without a request
    ///
    /// [default: 0s, never]
    #[cfg(unix)]
    #[arg(long, value_name = "DURATION", value_parser = go::duration_or_zero)]
    pub(crate) max_age: Option<GoDuration>,

    /// When the cloud fails, use the last result on this host if it isn't older than this, with a
    /// warning
    ///
    /// [default: 0s, never]
    #[cfg(unix)]
    #[arg(long, value_name = "DURATION", value_parser = go::duration_or_zero)]
    pub(crate) stale_if_error: Option<GoDuration>,

    /// Keep results in this directory, which belongs to this user alone
    ///
    /// [default: /var/cache/discover for root, else $XDG_CACHE_HOME/discover or ~/.cache/discover]
    #[cfg(unix)]
    #[arg(long, value_name = "DIRECTORY", value_hint = clap::ValueHint::DirPath)]
    pub(crate) cache_directory: Option<std::path::PathBuf>,

    #[cfg(unix)]
    #[command(flatten)]
    pub(crate) shared: Shared,
}

/// A result that several machines share.
#[cfg(unix)]
#[derive(Debug, Clone, Args)]
pub(crate) struct Shared {
    /// Share one result with other machines through this store: one of them polls the cloud
    ///
    /// file:///DIRECTORY, consul+http(s)://HOST:PORT/PREFIX, or, if compiled in, s3://, az:// or
    /// gs:// BUCKET/PREFIX
    #[arg(id = "shared", long = "shared", value_name = "URL")]
    pub(crate) url: Option<String>,

    /// Sign shared results with the key in this file, and accept signed ones alone
    #[arg(id = "shared_key_file", long = "shared-key-file", value_name = "FILE", requires = "shared", value_hint = clap::ValueHint::FilePath)]
    pub(crate) key_file: Option<std::path::PathBuf>,
}

/// `discover cache`
#[cfg(unix)]
#[derive(Debug, Args)]
#[command(after_help = "\
Results are kept for `discover addrs --max-age` and `--stale-if-error`, by `addrs` itself and by `discover watch` with `cache_directory`. Join strings are shown without their secrets. `clear` removes no other files from the directory.

Examples:
  discover cache list
  discover cache clear --cache-directory /var/cache/discover

Exit status: 0 listed or removed, 1 failed, 2 wrong usage.")]
pub(crate) struct Cache {
    /// What to do
    #[arg(value_enum, value_name = "ACTION")]
    pub(crate) action: CacheAction,

    /// The directory of the results
    ///
    /// [default: as `discover addrs`]
    #[arg(long, value_name = "DIRECTORY", value_hint = clap::ValueHint::DirPath)]
    pub(crate) cache_directory: Option<std::path::PathBuf>,

    /// What standard output looks like
    #[arg(long, short, value_enum, default_value_t = CacheFormat::Text, value_name = "FORMAT")]
    pub(crate) output: CacheFormat,
}

#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CacheAction {
    /// Print each result's age, its number of addresses and its join string
    List,
    /// Remove all results
    Clear,
}

#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CacheFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// `discover explain`
#[derive(Debug, Args)]
#[command(after_help = EXPLAIN)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) query: QueryArguments,

    /// What standard output looks like
    #[arg(long, short, value_enum, default_value_t = ExplainFormat::Text, value_name = "FORMAT")]
    pub(crate) output: ExplainFormat,

    /// Show only these resources
    #[arg(long, value_enum, value_name = "WHICH")]
    pub(crate) only: Option<Only>,

    /// Show at most this many resources
    #[arg(long, value_name = "NUMBER", value_parser = go::whole_number(0_usize, 1_000_000))]
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// Resources that match
    Matched,
    /// Resources that are excluded
    Excluded,
    /// Resources excluded for a reason other than a missing tag or a different parent
    Near,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExplainFormat {
    /// Tables that fit the terminal or `COLUMNS`; lines aren't wrapped in a pipe
    Text,
    /// One JSON object
    Json,
    /// A flowchart: set, instance, interface, address
    Mermaid,
}

/// `discover check`
#[derive(Debug, Args)]
#[command(after_help = "\
The arguments form one join string, as for `discover addrs`, or several, if each has its provider= or is an @FILE; these are checked one by one. - reads one join string per line from standard input. Environment variables apply as they do for `discover addrs`.

JSON output has one object per string and line: input, values, error (a syntax error, in go-discover's words), normalized, problems (null for an unknown provider), warnings, go_discover. It contains the secrets of the string; text output masks them.

--role prints the least-privilege role that one string needs: a document for the cloud's own command line, or with `--output terraform` a resource for Terraform.

Examples:
  discover check provider=azure tag_name=consul tag_value=server
  discover check --strict @/etc/discover/consul @/etc/discover/nomad
  discover check --role --output terraform @/etc/discover/consul > role.tf

Exit status: 0 no problem found, 1 a problem found, 2 invalid usage.")]
pub(crate) struct Check {
    /// The join string: KEY=VALUE ..., or @FILE; several of them; or - for standard input, one per
    /// line
    #[arg(value_name = "KEY=VALUE|@FILE|-", required = true)]
    pub(crate) strings: Vec<OsString>,

    /// What standard output looks like
    ///
    /// [default: text; with --role: json]
    #[arg(long, short, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<CheckFormat>,

    /// Treat warnings as errors
    #[arg(long)]
    pub(crate) strict: bool,

    /// Print the least-privilege role that the string needs, instead of checking it
    #[arg(long, conflicts_with = "strict")]
    pub(crate) role: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// Human-readable, with secrets masked
    Text,
    /// One JSON object per string, secrets included; with --role the document that the cloud's own
    /// command line takes
    Json,
    /// With --role: a resource for Terraform
    Terraform,
}

/// `discover providers`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  discover providers
  discover providers azure

Exit status: 0 printed, 1 failed, 2 invalid usage or an unknown provider.")]
pub(crate) struct Providers {
    /// Describe this provider and its keys
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// What standard output looks like
    #[arg(long, short, value_enum, default_value_t = OutputFormat::Text, value_name = "FORMAT")]
    pub(crate) output: OutputFormat,
}

/// `discover completions`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  discover completions bash > /etc/bash_completion.d/discover
  discover completions zsh > /usr/local/share/zsh/site-functions/_discover
  discover completions fish > ~/.config/fish/completions/discover.fish

Exit status: 0 printed, 1 failed, 2 invalid usage.")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// `discover man`
#[derive(Debug, Args)]
#[command(after_help = "\
Without a name it prints the page of the whole command. Each subcommand has its own page.

Examples:
  discover man | man -l -
  discover man watch | man -l -
  discover man --out /usr/local/share/man/man1

Exit status: 0 printed or written, 1 failed, 2 invalid usage or an unknown subcommand.")]
pub(crate) struct Man {
    /// The subcommand
    #[arg(value_name = "SUBCOMMAND", conflicts_with = "out")]
    pub(crate) subcommand: Option<String>,

    /// Write all pages to this directory
    #[arg(long, value_name = "DIRECTORY", value_hint = clap::ValueHint::DirPath)]
    pub(crate) out: Option<std::path::PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// All addresses on one line, separated by spaces, as go-discover prints them
    Text,
    /// One address per line
    Lines,
    /// One JSON object
    Json,
}

impl Arguments {
    /// The log format of the daemon; `None` for subcommands that aren't one.
    #[cfg(all(feature = "sidecar", unix))]
    pub(crate) fn log_format(&self) -> Option<LogFormat> {
        match &self.action {
            Action::Watch(watch) if !watch.check => Some(watch.log),
            _ => None,
        }
    }

    /// The definition of the command line with the arguments of every subcommand.
    pub(crate) fn whole_command() -> Command {
        let mut command = Self::command();
        command.build();
        command
    }

    /// Parses the words of a command line, including the program's name.
    ///
    /// # Errors
    ///
    /// A request for help or the version, and invalid usage; `usage.rs` prints all three.
    pub(crate) fn parse_words(
        words: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, clap::Error> {
        let mut words: Vec<OsString> = go::flags(words);
        // Without arguments other than flags, go-discover prints its help and exits with 0.
        if words
            .iter()
            .skip(1)
            .all(|word| word.as_encoded_bytes().starts_with(b"-"))
        {
            words.push("--help".into());
        }
        // Freeing the definition piece by piece takes a thirtieth of a start, and the process ends
        // soon or runs for days.
        let mut command = std::mem::ManuallyDrop::new(Self::command());
        let matches = command.try_get_matches_from_mut(words)?;
        Self::from_arg_matches(&matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::parse_words(
            std::iter::once("discover")
                .chain(words.iter().copied())
                .map(OsString::from),
        )
    }

    fn addrs(words: &[&str]) -> (bool, Vec<String>) {
        let arguments = parse(words).unwrap();
        let Action::Addrs(addrs) = arguments.action else {
            panic!("not addrs")
        };
        (
            arguments.quiet,
            addrs
                .query
                .words
                .iter()
                .map(|word| word.to_str().unwrap().to_owned())
                .collect(),
        )
    }

    #[test]
    fn the_flags_of_go_discover_are_taken_with_one_dash_or_two_and_with_a_value() {
        for (words, quiet) in [
            (&["-q", "addrs", "a=b"][..], true),
            (&["--q", "addrs", "a=b"], true),
            (&["-q=true", "addrs", "a=b"], true),
            (&["-q=F", "addrs", "a=b"], false),
            (&["--quiet", "addrs", "a=b"], true),
            (&["-quiet", "addrs", "a=b"], true),
            (&["addrs", "a=b", "-q"], true),
            (&["addrs", "-q", "a=b"], true),
            (&["addrs", "a=b"], false),
            (&["-q", "--", "addrs", "a=b"], true),
            (&["-q", "-q", "addrs", "a=b"], true),
            (&["-q", "-q=false", "addrs", "a=b"], false),
        ] {
            assert_eq!(addrs(words), (quiet, vec!["a=b".to_owned()]), "{words:?}");
        }
    }

    #[test]
    fn help_and_version_exit_with_zero_and_wrong_usage_with_two() {
        for (words, status) in [
            (&[][..], 0),
            (&["-h"], 0),
            (&["--h"], 0),
            (&["-help"], 0),
            (&["--help"], 0),
            (&["-q", "-h"], 0),
            (&["-q"], 0),
            (&["-q", "--"], 0),
            (&["help"], 0),
            (&["help", "addrs"], 0),
            (&["--version"], 0),
            (&["-version"], 0),
            (&["-x"], 2),
            (&["-q=maybe", "addrs"], 2),
            (&["adrs", "a=b"], 2),
            (&["addrs", "--timeout", "0"], 2),
            (&["addrs", "--timeout", "soon"], 2),
            (&["addrs", "--output", "xml"], 2),
        ] {
            assert_eq!(parse(words).unwrap_err().exit_code(), status, "{words:?}");
        }
    }

    #[test]
    fn the_words_of_a_join_string_are_kept_as_given() {
        assert_eq!(
            addrs(&["addrs", "tag_value=a b", "x", "=", "y", "@file"]).1,
            ["tag_value=a b", "x", "=", "y", "@file"]
        );
        assert_eq!(addrs(&["addrs", "--", "-x=y"]).1, ["-x=y"]);
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
