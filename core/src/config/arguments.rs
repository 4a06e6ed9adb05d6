//! Join strings from command-line arguments whose values need the quotes that a shell removed.
//!
//! [`ConfigString::from_arguments`](super::ConfigString::from_arguments) documents the rules.

use super::error::ParseError;
use super::escape::write_quoted;
use super::{ConfigString, parser};

/// Parses arguments that don't parse as they are, with the values of single pairs in quotes.
/// Returns `error` if there is only one argument.
pub(super) fn parse_quoted(
    arguments: &[String],
    error: ParseError,
) -> Result<ConfigString, ParseError> {
    // One argument is the whole join string, and its plain error is the most helpful one.
    if arguments
        .iter()
        .filter(|argument| !argument.trim().is_empty())
        .count()
        < 2
    {
        return Err(error);
    }
    let mut text = String::new();
    for argument in arguments {
        if let Some((key, value)) = pair_taken_whole(argument) {
            text.push_str(key);
            text.push('=');
            // Writing to a `String` does not fail.
            let _ = write_quoted(&mut text, value);
        } else {
            text.push_str(argument);
        }
        text.push(' ');
    }
    ConfigString::parse(&text)
}

/// The key and value of an argument that is one pair whose value lost its quotes to a shell.
fn pair_taken_whole(argument: &str) -> Option<(&str, &str)> {
    if parser::parse(argument).is_ok() {
        return None;
    }
    let (key, value) = argument.split_once('=')?;
    let key = key.trim();
    let start = value.trim_start_matches(' ');
    let key_is_plain = !key.is_empty() && !key.contains([' ', '"']);
    let value_is_plain = !start.trim().is_empty() && !start.starts_with(['=', '"']);
    (key_is_plain && value_is_plain && !holds_another_pair(start)).then_some((key, value))
}

/// Whether a word after a space, followed by `=`, looks like another key. A value such as `a b=c d`
/// can't be distinguished from two pairs, and a wrong guess would move a secret into an option that
/// is shown.
fn holds_another_pair(value: &str) -> bool {
    value.match_indices('=').any(|(at, _)| {
        value[..at]
            .trim_end_matches(' ')
            .rsplit_once(' ')
            .is_some_and(|(_, word)| {
                word.chars().all(|letter| {
                    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.')
                })
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(arguments: &[&str]) -> Result<ConfigString, String> {
        ConfigString::from_arguments(arguments.iter().map(|&argument| argument.to_owned()))
            .map_err(|error| error.to_string())
    }

    fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Result<ConfigString, String> {
        Ok(pairs.into_iter().collect())
    }

    #[test]
    fn words_are_joined_as_go_discover_joins_them() {
        let both = || pairs([("a", "b"), ("c", "d")]);
        assert_eq!(given(&["a=b", "c=d"]), both());
        assert_eq!(given(&["a=b c=d"]), both());
        assert_eq!(given(&["a", "=", "b", "", "c=", "d"]), both());
        assert_eq!(given(&[r#"a="x"#, r#"y""#]), pairs([("a", "x y")]));
        assert_eq!(
            given(&["a=b c=d", "e=f"]),
            pairs([("a", "b"), ("c", "d"), ("e", "f")])
        );
        assert_eq!(given(&[]), pairs([]));
        assert_eq!(given(&["", " "]), pairs([]));
    }

    #[test]
    fn a_value_that_the_shell_unquoted_stays_whole() {
        let whole = |value: &'static str| {
            let argument = format!("k={value}");
            assert_eq!(
                given(&["a=b", &argument]),
                pairs([("a", "b"), ("k", value)]),
                "{value:?}"
            );
        };
        whole("abc==");
        whole("b=c");
        whole("a b");
        whole(" a b ");
        whole("a=b c d");
        whole("a = b");
        whole(r#"say "hi" now"#);
        whole(r"C:\Program Files\x");
        whole("'a b'");
        whole("Host=x;User=y z");
        // Words in go-discover's own syntax may follow it.
        assert_eq!(
            given(&["k=abc==", r#"t="a"#, r#"b""#, "x", "=", "y"]),
            pairs([("k", "abc=="), ("t", "a b"), ("x", "y")])
        );
    }

    #[test]
    fn several_pairs_in_one_argument_are_never_swallowed_by_the_first() {
        let message = "t: missing '='";
        assert_eq!(given(&["a=b", "n=x v=y t"]), Err(message.into()));
        assert_eq!(given(&["a=b", "n=x v = y t"]), Err(message.into()));
        assert_eq!(
            given(&["a=b", "n=x client_secret=abc=="]),
            Err(r#"client_secret: - equals in key's value, enclosing double-quote needed client_secret="value-with-=-symbol""#.into())
        );
        // go-discover reads two pairs here, and so does this.
        assert_eq!(
            given(&["a=b", "k=x y=z"]),
            pairs([("a", "b"), ("k", "x"), ("y", "z")])
        );
    }

    #[test]
    fn what_is_wrong_stays_wrong_in_go_discovers_words() {
        let cases: &[(&[&str], &str)] = &[
            (&["provider=azure foo"], "foo: missing '='"),
            (&["k=a b"], "b: missing '='"),
            (&["a=b", "foo"], "foo: missing '='"),
            (&["k=a b", "foo"], "foo: missing '='"),
            (&["a=b", "k="], "k: missing value"),
            (&["a=b", "k==c"], "k: missing value"),
            (&["a=b", "k=x==", "a=c"], "a: duplicate key"),
            (&["a=b", r#"k="x y"#], "k: unbalanced quotes"),
            (&["-q", "provider=aws"], "-q: missing '='"),
        ];
        for (arguments, message) in cases {
            assert_eq!(
                given(arguments),
                Err((*message).to_owned()),
                "{arguments:?}"
            );
        }
    }
}
