//! What is right and wrong with one join string, and what go-discover would have done with it.

use std::ffi::OsStr;

use cloud_autojoin::config::{ParseError, ParseErrorKind};
use cloud_autojoin::join_string::{self, JoinArgument};
use cloud_autojoin::{ConfigProblem, ConfigString, Context, Error, ProviderSpec, Registry};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// What is to be said of one join string.
#[derive(Serialize)]
pub(crate) struct Judgement {
    /// The string as given, that of a file on one line. It may hold a secret, and so may `values`
    /// and `normalized`: they are for programs that gave the string.
    input: String,
    values: Map<String, Value>,
    /// What the grammar says, in go-discover's words.
    error: Option<String>,
    normalized: Option<String>,
    /// What else is wrong; absent where the provider is not known here, or not even the grammar is
    /// right.
    problems: Option<Vec<Remark>>,
    /// What is unwise, and wrong only where nothing but the right is allowed.
    warnings: Vec<Remark>,
    /// What go-discover makes of it, where that is known and not the same.
    go_discover: Vec<String>,
    /// What people are told, which holds no secret.
    #[serde(skip)]
    pub(super) shown: Shown,
}

/// The parts of a judgement that only people are told.
#[derive(Default)]
pub(super) struct Shown {
    /// The normalised string with secrets masked; none if there is none.
    pub(super) string: Option<String>,
    /// The problem of the grammar, the file or the provider.
    pub(super) refusal: Option<Remark>,
    /// What is looked for, of a string without problems.
    pub(super) subject: Option<String>,
}

/// One thing to be said, and what to do about it.
#[derive(Serialize)]
pub(super) struct Remark {
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

impl From<ConfigProblem> for Remark {
    fn from(problem: ConfigProblem) -> Self {
        Self {
            key: problem.key.unwrap_or_default(),
            message: problem.message,
            hint: problem.hint,
        }
    }
}

impl From<&Error> for Remark {
    fn from(error: &Error) -> Self {
        Self {
            key: String::new(),
            message: error.to_string(),
            hint: error.hint().map(Into::into),
        }
    }
}

impl Judgement {
    /// Judges a text.
    pub(super) fn of(text: &[u8], registry: &Registry, context: &Context) -> Self {
        let input = String::from_utf8_lossy(text).into_owned();
        match ConfigString::parse_bytes(text) {
            Ok(config) => Self::of_config(input, &config, &[], registry, context),
            Err(error) => Self::unparsed(input, &error, registry.refuse(&error)),
        }
    }

    /// Judges the string that words and files make together.
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

    /// People are told by `refusal`, which has no word that may be a piece of a secret.
    fn unparsed(input: String, error: &ParseError, refusal: Error) -> Self {
        let mut judgement = Self::refused(input, error.to_string(), Remark::from(&refusal));
        judgement.go_discover.push(match error.kind() {
            ParseErrorKind::EscapesNotUtf8 | ParseErrorKind::InputNotUtf8 { .. } => {
                "takes it, with bytes that spell no character".to_owned()
            }
            _ => "fails with the same words".to_owned(),
        });
        judgement
    }

    /// The judgement of a string that could not be read.
    pub(super) fn unreadable(word: &OsStr, error: &Error) -> Self {
        Self::refused(
            word.to_string_lossy().into_owned(),
            error.to_string(),
            Remark::from(error),
        )
    }

    fn refused(input: String, error: String, refusal: Remark) -> Self {
        Self {
            input,
            values: Map::new(),
            error: Some(error),
            normalized: None,
            problems: None,
            warnings: Vec::new(),
            go_discover: Vec::new(),
            shown: Shown {
                refusal: Some(refusal),
                ..Shown::default()
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
        let mut judgement = Self {
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
            shown: Shown::default(),
        };
        match registry.provider_of(config) {
            Ok(spec) => judgement.judge_by(spec, config, given, registry, context),
            // Nothing is known of any key, so none is shown.
            Err(error) => judgement.shown.refusal = Some(Remark::from(&error)),
        }
        judgement
    }

    fn judge_by(
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
                .map(|problem| Remark::from(join_string::located(problem, config, given, spec)))
                .collect(),
            Err(other) => vec![Remark::from(&other)],
        });
        self.go_discover = spec
            .go_discover
            .map(|compare| compare(config, context))
            .unwrap_or_default();
        let unknown = join_string::unknown_keys(registry, config).unwrap_or_default();
        self.warnings.extend(unknown.into_iter().map(|mut problem| {
            problem.message.push_str(" is ignored");
            Remark::from(problem)
        }));
        self.warnings.extend(open_secrets(spec, config, given));
    }

    /// Whether nothing is wrong with it; by `strict` also nothing unwise. A string of a provider
    /// that is not known here is judged by its grammar, and whether that is enough is the caller's
    /// affair.
    pub(super) fn is_fine(&self, strict: bool, grammar_is_enough: bool) -> bool {
        let is_judged = grammar_is_enough || self.shown.refusal.is_none();
        self.error.is_none()
            && self.problems().is_empty()
            && (!strict || self.warnings.is_empty())
            && is_judged
    }

    /// What is wrong beyond the grammar.
    pub(super) fn problems(&self) -> &[Remark] {
        self.problems.as_deref().unwrap_or_default()
    }

    /// What is unwise.
    pub(super) fn warnings(&self) -> &[Remark] {
        &self.warnings
    }

    /// What go-discover makes of it.
    pub(super) fn go_discover(&self) -> &[String] {
        &self.go_discover
    }
}

/// Secrets that others may read, and how to keep them out.
fn open_secrets(spec: &ProviderSpec, config: &ConfigString, given: &[JoinArgument]) -> Vec<Remark> {
    let keys = spec.keys.iter().filter(|key| key.secret).filter_map(|key| {
        Some((
            key,
            key.names()
                .find(|name| config.get(name).is_some_and(|value| !value.is_empty()))?,
        ))
    });
    let judge = |(key, name): (&cloud_autojoin::KeySpec, &'static str)| {
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
                    format!("the secret in `{name}` is in the open: arguments show in lists of processes, and agents log the strings they are configured with"),
                )
                .with_hint(format!(
                    "{variable}keep the string in a file that the agent's user alone may read and write `@FILE`, or use an identity that needs no secret"
                ))
            }
            Some(file) if file.readable_by_all == Some(true) => {
                let path = file.path.display();
                ConfigProblem::of_key(name, format!("the secret in `{name}` is in the open: every user of this machine may read {path}"))
                    .with_hint(format!("chmod o-r {path}"))
            }
            Some(_) => return None,
        };
        Some(Remark::from(problem))
    };
    keys.filter_map(judge).collect()
}
