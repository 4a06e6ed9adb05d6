//! The command line: what may be written, and what it means.
//!
//! The words and flags of go-discover's command are accepted as it accepts them (`-q`, `-q=false`,
//! `-help`, one dash or two); the rest goes beyond it. `arguments/go.rs` has what is Go's,
//! `usage.rs` says what is wrong with a command line.

use std::ffi::OsString;

use clap::{
    ArgAction, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
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

`discover SUBCOMMAND --help` says more about one; `discover man` prints a manual page.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 asked and nothing matched.";

/// Prints the addresses that a cloud auto-join string stands for.
#[derive(Debug, Parser)]
#[command(name = "discover", version, about, arg_required_else_help = false, max_term_width = 100, after_help = DISCOVER)]
pub(crate) struct Arguments {
    /// Print nothing on standard error but one line when it fails
    #[arg(short, long, visible_alias = "q", global = true, overrides_with = "quiet", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_name = "BOOL", value_parser = go::boolean, action = ArgAction::Set)]
    pub(crate) quiet: bool,

    /// Say more on standard error: once for each request, twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Ask the cloud and print the addresses
    Addrs(Deferred<Addrs>),
    /// Ask the cloud and show everything that was looked at, and why it is in or out
    Explain(Deferred<Explain>),
    /// Judge join strings without asking anybody
    Check(Deferred<Check>),
    /// List the providers, or the keys of one
    Providers(Deferred<Providers>),
    /// Keep files and running agents up to date
    #[cfg(all(feature = "sidecar", unix))]
    Watch(Box<Deferred<Watch>>),
    /// List or remove the results that `addrs` and `watch` keep on this host
    #[cfg(unix)]
    Cache(Deferred<Cache>),
    /// Print a script by which a shell completes this command
    Completions(Deferred<Completions>),
    /// Print a manual page, or write all of them
    Man(Deferred<Man>),
}

// What stands after the options, in help and in manual pages: paragraphs, of which those that begin
// with `Examples:`, `Files:`, `Signals:` or `Exit status:` are sections of a manual page.

const ADDRS: &str = "\
The join string is given as one argument or as many, or as @FILE: then it is read from that file, where line ends are blanks and a # that begins a word begins a comment. Words beside @FILE add to it.

Several join strings, arguments or files that each begin with provider=, give the addresses of all of them, each once. If one fails or has no address, nothing is printed, unless --any settles for the others.

Examples:
  discover addrs provider=azure resource_group=cluster vm_scale_set=consul-servers
  discover -q addrs @/etc/discover/nomad
  discover addrs --output lines provider=azure tag_name=consul tag_value=server
  discover addrs 'provider=azure tag_name=consul tag_value=server' 'provider=aws tag_key=consul tag_value=server'
  discover addrs --max-age 30s --stale-if-error 24h @/etc/discover/consul

Files: /etc/discover/config.toml, or the file that DISCOVER_CONFIG names, may set max_age, stale_if_error and cache_directory. The variables DISCOVER_MAX_AGE, DISCOVER_STALE_IF_ERROR and DISCOVER_CACHE_DIRECTORY come before it, and flags before these.

Exit status: 0 addresses printed, 1 failed, 2 wrong usage, 3 asked and nothing matched.";

const EXPLAIN: &str = "\
The join string is given as one argument or as many, or as @FILE: then it is read from that file, where line ends are blanks and a # that begins a word begins a comment. Words beside @FILE add to it. Several join strings, arguments or files that each begin with provider=, are shown one after the other.

Examples:
  discover explain provider=azure tag_name=consul tag_value=server
  discover explain --only near @/etc/discover/consul
  discover explain --output json @/etc/discover/consul | jq .requests

Exit status: 0 something matched, 1 failed, 2 wrong usage, 3 asked and nothing matched.";

/// A question to a cloud: what `addrs` and `explain` take.
#[derive(Debug, Args)]
pub(crate) struct Question {
    /// The join string: KEY=VALUE ..., or @FILE
    #[arg(value_name = "KEY=VALUE|@FILE", required = false)]
    pub(crate) words: Vec<OsString>,

    /// Give up after this time, as 30s or 1m30s
    #[arg(long, value_name = "DURATION", default_value_t = GoDuration(DEFAULT_TIMEOUT), value_parser = go::duration)]
    pub(crate) timeout: GoDuration,

    /// Fail on a key that the provider does not know, instead of warning
    #[arg(long)]
    pub(crate) strict: bool,

    /// With several join strings: settle for those that have addresses, and warn of the others
    #[arg(long)]
    pub(crate) any: bool,
}

/// `discover addrs`
#[derive(Debug, Args)]
#[command(after_help = ADDRS)]
pub(crate) struct Addrs {
    #[command(flatten)]
    pub(crate) question: Question,

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
    pub(crate) question: Question,

    /// What standard output looks like
    #[arg(long, short, value_enum, default_value_t = ExplainFormat::Text, value_name = "FORMAT")]
    pub(crate) output: ExplainFormat,

    /// Show these resources only
    #[arg(long, value_enum, value_name = "WHICH")]
    pub(crate) only: Option<Only>,

    /// Show at most this many resources
    #[arg(long, value_name = "NUMBER", value_parser = go::whole_number(0_usize, 1_000_000))]
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// Those whose addresses are printed
    Matched,
    /// Those that are excluded
    Excluded,
    /// Those that are excluded for another reason than a missing tag or another owner
    Near,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExplainFormat {
    /// Tables, as wide as the terminal or `COLUMNS`; in a pipe no line is broken
    Text,
    /// One JSON object
    Json,
    /// A flowchart: set, instance, interface, address
    Mermaid,
}

/// `discover check`
#[derive(Debug, Args)]
#[command(after_help = "\
The arguments are the words of one join string, as for `discover addrs`, or whole join strings: several that each name a provider, or each are @FILE, are judged one by one. - stands for the lines of standard input. Environment variables count as they do for `discover addrs`.

JSON has one object a string, on one line: input, values, error (of the grammar, in go-discover's words), normalized, problems (null where the provider is not known), warnings, go_discover. It repeats the string with its secrets; text does not.

--role prints, for one string, the least role that it needs: a document for the cloud's own command line, or with `--output terraform` a resource for Terraform.

Examples:
  discover check provider=azure tag_name=consul tag_value=server
  discover check --strict @/etc/discover/consul @/etc/discover/nomad
  discover check --role --output terraform @/etc/discover/consul > role.tf

Exit status: 0 nothing is wrong, 1 something is, 2 wrong usage.")]
pub(crate) struct Check {
    /// The join string: KEY=VALUE ..., or @FILE; several of them; or - for the lines of standard
    /// input
    #[arg(value_name = "KEY=VALUE|@FILE|-", required = true)]
    pub(crate) strings: Vec<OsString>,

    /// What standard output looks like
    ///
    /// [default: text; with --role: json]
    #[arg(long, short, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<CheckFormat>,

    /// Take warnings for errors
    #[arg(long)]
    pub(crate) strict: bool,

    /// Print the least role that the string needs in its cloud, instead of a judgement
    #[arg(long, conflicts_with = "strict")]
    pub(crate) role: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people, with secrets masked
    Text,
    /// One JSON object a string, secrets and all; with --role the document of the cloud's own
    /// command line
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

Exit status: 0 printed, 1 failed, 2 wrong usage or an unknown provider.")]
pub(crate) struct Providers {
    /// Print everything about this one
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

Exit status: 0 printed, 1 failed, 2 wrong usage.")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// `discover man`
#[derive(Debug, Args)]
#[command(after_help = "\
Without a name it's the page of the whole command. There is one page for each subcommand.

Examples:
  discover man | man -l -
  discover man watch | man -l -
  discover man --out /usr/local/share/man/man1

Exit status: 0 printed or written, 1 failed, 2 wrong usage or an unknown subcommand.")]
pub(crate) struct Man {
    /// The subcommand
    #[arg(value_name = "SUBCOMMAND", conflicts_with = "out")]
    pub(crate) subcommand: Option<String>,

    /// Write all pages into this directory
    #[arg(long, value_name = "DIRECTORY", value_hint = clap::ValueHint::DirPath)]
    pub(crate) out: Option<std::path::PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people and programs as go-discover prints it: all addresses on one line, one blank apart
    Text,
    /// One address a line
    Lines,
    /// One JSON object
    Json,
}

impl Arguments {
    /// What the log of a daemon looks like; `None` for everything that is not one.
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

    /// Reads the words of a command line, the program's name first.
    ///
    /// # Errors
    ///
    /// Help and version, which are asked for, and wrong usage: `usage.rs` prints all three.
    pub(crate) fn parse_words(
        words: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, clap::Error> {
        let mut words: Vec<OsString> = go::flags(words);
        // go-discover prints its help and exits with 0 when there is no word but flags.
        if words
            .iter()
            .skip(1)
            .all(|word| word.as_encoded_bytes().starts_with(b"-"))
        {
            words.push("--help".into());
        }
        let matches = Self::command().try_get_matches_from(words)?;
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
                .question
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
