//! The problems of one join string, and what go-discover would do with it.

use std::ffi::OsStr;

use cloud_autojoin::config::{ParseError, ParseErrorKind};
use cloud_autojoin::join_string::{self, JoinArgument};
use cloud_autojoin::{ConfigProblem, ConfigString, Context, Error, ProviderSpec, Registry};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// The result of checking one join string.
#[derive(Serialize)]
pub(crate) struct CheckReport {
    /// The string as given; that of a file is on one line. May contain a secret, as may `values`
    /// and `normalized`: these are for the program that passed the string.
    input: String,
    values: Map<String, Value>,
    /// The syntax error, in go-discover's words.
    error: Option<String>,
    normalized: Option<String>,
    /// Problems beyond the syntax; `None` if the syntax is invalid or the provider unknown.
    problems: Option<Vec<Diagnostic>>,
    /// Problems that are errors only with `--strict`.
    warnings: Vec<Diagnostic>,
    /// What go-discover does differently, where known.
    go_discover: Vec<String>,
    /// The parts for the text output, without secrets.
    #[serde(skip)]
    pub(super) shown: TextParts,
}

/// The parts of a report that only the text output has.
#[derive(Default)]
pub(super) struct TextParts {
    /// The normalised string with secrets masked.
    pub(super) string: Option<String>,
    /// The problem with the syntax, the file or the provider.
    pub(super) refusal: Option<Diagnostic>,
    /// What a string without problems searches for.
    pub(super) subject: Option<String>,
}

/// One problem, with a hint.
#[derive(Serialize)]
pub(super) struct Diagnostic {
    #[serde(serialize_with = "none_if_empty")]
    key: String,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

fn none_if_empty<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if text.is_empty() {
        serializer.serialize_none()
    } else {
        serializer.serialize_str(text)
    }
}

impl From<ConfigProblem> for Diagnostic {
    fn from(problem: ConfigProblem) -> Self {
        Self {
            key: problem.key.unwrap_or_default(),
            message: problem.message,
            hint: problem.hint,
        }
    }
}

impl From<&Error> for Diagnostic {
    fn from(error: &Error) -> Self {
        Self {
            key: String::new(),
            message: error.to_string(),
            hint: error.hint().map(Into::into),
        }
    }
}

impl CheckReport {
    /// Checks a join string.
    pub(super) fn of(text: &[u8], registry: &Registry, context: &Context) -> Self {
        let input = String::from_utf8_lossy(text).into_owned();
        match ConfigString::parse_bytes(text) {
            Ok(config) => Self::of_config(input, &config, &[], registry, context),
            Err(error) => Self::unparsed(input, &error, registry.refuse(&error)),
        }
    }

    /// Checks the join string that arguments and files form together.
    pub(super) fn of_words(given: &[JoinArgument], registry: &Registry, context: &Context) -> Self {
        let texts: Vec<String> = given.iter().map(|given| given.text.clone()).collect();
        let input = texts.join(" ");
        match ConfigString::from_arguments(texts) {
            Ok(config) => Self::of_config(input, &config, given, registry, context),
            Err(error) => {
                let refusal = registry.refuse(&error);
                let refusal = match join_string::line_of_error(given) {
                    Some(line) => join_string::with_line(refusal, &line),
                    None => refusal,
                };
                Self::unparsed(input, &error, refusal)
            }
        }
    }

    /// The report of a string with a syntax error; `refusal` repeats nothing that may be a secret.
    fn unparsed(input: String, error: &ParseError, refusal: Error) -> Self {
        let mut report = Self::refused(input, error.to_string(), Diagnostic::from(&refusal));
        report.go_discover.push(match error.kind() {
            ParseErrorKind::EscapesNotUtf8 | ParseErrorKind::InputNotUtf8 { .. } => {
                "accepts it, with bytes that aren't UTF-8".to_owned()
            }
            _ => "fails with the same message".to_owned(),
        });
        report
    }

    /// The report of a string that could not be read.
    pub(super) fn unreadable(word: &OsStr, error: &Error) -> Self {
        Self::refused(
            word.to_string_lossy().into_owned(),
            error.to_string(),
            Diagnostic::from(error),
        )
    }

    fn refused(input: String, error: String, refusal: Diagnostic) -> Self {
        Self {
            input,
            values: Map::new(),
            error: Some(error),
            normalized: None,
            problems: None,
            warnings: Vec::new(),
            go_discover: Vec::new(),
            shown: TextParts {
                refusal: Some(refusal),
                ..TextParts::default()
            },
        }
    }

    fn of_config(
        input: String,
        config: &ConfigString,
        given: &[JoinArgument],
        registry: &Registry,
        context: &Context,
    ) -> Self {
        let mut report = Self {
            input,
            values: config
                .iter()
                .map(|(key, value)| (key.to_owned(), Value::from(value)))
                .collect(),
            error: None,
            normalized: Some(config.to_string()),
            problems: None,
            warnings: Vec::new(),
            go_discover: Vec::new(),
            shown: TextParts::default(),
        };
        match registry.provider_of(config) {
            Ok(spec) => report.check_against(spec, config, given, registry, context),
            // Which keys are secret is unknown, so none is shown.
            Err(error) => report.shown.refusal = Some(Diagnostic::from(&error)),
        }
        report
    }

    fn check_against(
        &mut self,
        spec: &ProviderSpec,
        config: &ConfigString,
        given: &[JoinArgument],
        registry: &Registry,
        context: &Context,
    ) {
        self.shown.string = Some(join_string::masked(config, spec, registry));
        self.problems = Some(match registry.build(config, context) {
            Ok(provider) => {
                self.shown.subject = Some(provider.subject());
                Vec::new()
            }
            Err(Error::Config(error)) => error
                .problems()
                .iter()
                .cloned()
                .map(|problem| Diagnostic::from(join_string::located(problem, config, given, spec)))
                .collect(),
            Err(other) => vec![Diagnostic::from(&other)],
        });
        self.go_discover = spec
            .go_discover
            .map(|compare| compare(config, context))
            .unwrap_or_default();
        let unknown = join_string::unknown_keys(registry, config).unwrap_or_default();
        self.warnings.extend(unknown.into_iter().map(|mut problem| {
            problem.message.push_str(" is ignored");
            Diagnostic::from(problem)
        }));
        self.warnings.extend(exposed_secrets(spec, config, given));
    }

    /// Whether there is no problem; with `strict` no warning either. For an unknown provider only
    /// the syntax can be checked; `grammar_is_enough` is whether that passes.
    pub(super) fn is_fine(&self, strict: bool, grammar_is_enough: bool) -> bool {
        let is_known = grammar_is_enough || self.shown.refusal.is_none();
        self.error.is_none()
            && self.problems().is_empty()
            && (!strict || self.warnings.is_empty())
            && is_known
    }

    /// Problems beyond the syntax.
    pub(super) fn problems(&self) -> &[Diagnostic] {
        self.problems.as_deref().unwrap_or_default()
    }

    /// Problems that are errors only with `--strict`.
    pub(super) fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// What go-discover does differently.
    pub(super) fn go_discover(&self) -> &[String] {
        &self.go_discover
    }
}

/// Warnings about secrets that other users can read.
fn exposed_secrets(
    spec: &ProviderSpec,
    config: &ConfigString,
    given: &[JoinArgument],
) -> Vec<Diagnostic> {
    let keys = spec.keys.iter().filter(|key| key.secret).filter_map(|key| {
        Some((
            key,
            key.names()
                .find(|name| config.get(name).is_some_and(|value| !value.is_empty()))?,
        ))
    });
    let diagnose = |(key, name): (&cloud_autojoin::KeySpec, &'static str)| {
        let source = given.iter().find(|given| given.text.contains(name));
        let problem = match source.and_then(|source| source.file.as_ref()) {
            None => {
                let variable = key
                    .env
                    .first()
                    .map(|variable| format!("set `{variable}` instead, or "))
                    .unwrap_or_default();
                ConfigProblem::of_key(
                    name,
                    format!("the secret in `{name}` is exposed: other users can see it in the process list, and agents log their join strings"),
                )
                .with_hint(format!(
                    "{variable}keep the string in a file that only the agent's user can read and pass `@FILE`, or use an identity without a secret"
                ))
            }
            Some(file) if file.readable_by_all == Some(true) => {
                let path = file.path.display();
                ConfigProblem::of_key(name, format!("the secret in `{name}` is exposed: every user of this machine can read {path}"))
                    .with_hint(format!("chmod o-r {path}"))
            }
            Some(_) => return None,
        };
        Some(Diagnostic::from(problem))
    };
    keys.filter_map(diagnose).collect()
}
