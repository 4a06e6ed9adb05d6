//! Go's conventions on the command line: flags with one dash, booleans, durations.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use cloud_autojoin::config::value::Value;
use cloud_autojoin::config::{KeySpec, Values};

/// A duration that is displayed as it's written on the command line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GoDuration(pub(crate) Duration);

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs_f64())
    }
}

/// Turns the long flags that Go programs also take with one dash (`-help`), and `--h`, into the
/// usual ones, and takes out the `--` that ends Go's flags. Only words before the subcommand: what
/// follows may be part of a join string.
pub(super) fn flags(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.into_iter();
    let mut usual_words: Vec<OsString> = words.by_ref().take(1).collect();
    for word in words.by_ref() {
        if word == "--" {
            break;
        }
        let is_flag = word.as_encoded_bytes().starts_with(b"-");
        usual_words.push(word.to_str().and_then(usual).unwrap_or(word));
        if !is_flag {
            break;
        }
    }
    usual_words.extend(words);
    usual_words
}

fn usual(word: &str) -> Option<OsString> {
    const LONG: [&str; 4] = ["help", "version", "quiet", "verbose"];
    if word == "--h" {
        return Some("--help".into());
    }
    let name = word
        .strip_prefix('-')
        .filter(|name| !name.starts_with('-'))?;
    LONG.contains(&name.split('=').next()?)
        .then(|| format!("--{name}").into())
}

const FLAG: KeySpec = KeySpec::new("flag", "");

// Messages don't repeat the input: `usage.rs` decides whether it can be shown.

/// Reads one of Go's spellings of a boolean.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    Value::from_key(&FLAG, FLAG.name, text)
        .boolean()
        .map_err(|_| format!("must be {}", Values::Boolean))
}

/// Reads a Go duration above zero.
pub(super) fn duration(text: &str) -> Result<GoDuration, String> {
    match Value::from_key(&FLAG, FLAG.name, text).duration() {
        Ok(duration) if !duration.is_zero() => Ok(GoDuration(duration)),
        _ => Err(format!("must be {}, above zero", Values::Duration)),
    }
}

/// Reads a Go duration, which may be zero.
pub(crate) fn duration_or_zero(text: &str) -> Result<GoDuration, String> {
    Value::from_key(&FLAG, FLAG.name, text)
        .duration()
        .map(GoDuration)
        .map_err(|_| format!("must be {}", Values::Duration))
}

/// A parser of whole numbers from `least` to `most`.
pub(super) fn whole_number<N>(
    least: N,
    most: N,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static
where
    N: std::str::FromStr + PartialOrd + fmt::Display + Copy + Send + Sync + 'static,
{
    move |text| {
        let number = text
            .parse()
            .ok()
            .filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("must be a whole number from {least} to {most}"))
    }
}
