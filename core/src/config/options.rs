//! The options of a join string, parsed by a provider's key table.

use std::time::Duration;

use url::Url;

use super::value::parse_boolean;
use super::{ConfigString, KeySpec, Value, ValueError};
use crate::env::Env;
use crate::error::{ConfigError, ConfigProblem, Result};
use crate::secret::Secret;

/// The options of one provider, as a join string and the environment give them.
///
/// The [`KeySpec`] table is the parser. [`Options::new`] checks every key of the table: invalid
/// values and missing required keys become problems. The accessors return typed values, or `None`
/// or the default for invalid and absent ones, so a provider reads everything, adds further
/// problems ([`Options::add_problem`]), and returns all together with [`Options::check`].
///
/// A key is looked up in the join string under its name and aliases, then in its environment
/// variables. An empty value counts as absent, as in go-discover. In the join string it also
/// disables the variables, unless the table allows it ([`KeySpec::env_if_empty`]).
///
/// ```
/// use cloud_autojoin_core::config::{KeySpec, Options, Values};
/// use cloud_autojoin_core::{ConfigString, Env};
///
/// const API_TOKEN: KeySpec =
///     KeySpec::new("api_token", "the token").env(&["TOKEN"]).secret().required();
/// const REGION: KeySpec = KeySpec::new("region", "the region").default("nyc3");
/// const KEYS: &[KeySpec] = &[API_TOKEN, REGION];
///
/// let config: ConfigString = "provider=example api_token=s3cret".parse()?;
/// let env = Env::empty();
/// let options = Options::new("example", KEYS, &config, &env);
/// let (token, region) = (options.secret(&API_TOKEN), options.text(&REGION));
/// options.check()?;
/// assert_eq!((token.is_some(), region.as_deref()), (true, Some("nyc3")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Options<'a> {
    provider: &'static str,
    config: &'a ConfigString,
    env: &'a Env,
    problems: Vec<ConfigProblem>,
}

impl<'a> Options<'a> {
    /// Checks `config` against the key table of `provider`.
    ///
    /// Unknown keys are no problem: join strings are shared between programs, so callers only warn
    /// about them.
    pub fn new(
        provider: &'static str,
        keys: &'static [KeySpec],
        config: &'a ConfigString,
        env: &'a Env,
    ) -> Self {
        let mut options = Self {
            provider,
            config,
            env,
            problems: Vec::new(),
        };
        for spec in keys {
            options.check_key(spec);
        }
        options
    }

    fn check_key(&mut self, spec: &'static KeySpec) {
        if spec.placeholder.is_some() {
            let members: Vec<ValueError> = self
                .members(spec)
                .filter_map(|(_, value)| value.check().err())
                .collect();
            members.iter().for_each(|error| self.refuse(error));
            return;
        }
        match self.given(spec) {
            Err(error) => self.refuse(&error),
            Ok(Some(value)) => {
                if let Err(error) = value.check() {
                    self.refuse(&error);
                }
            }
            Ok(None) if spec.required => self.add_missing(spec, None),
            Ok(None) => {}
        }
    }

    /// The name of the provider.
    pub fn provider(&self) -> &'static str {
        self.provider
    }

    /// The join string itself.
    pub fn config(&self) -> &'a ConfigString {
        self.config
    }

    /// Whether the key has a value, valid or not, in the join string or the environment.
    pub fn is_given(&self, spec: &KeySpec) -> bool {
        match spec.placeholder {
            Some(_) => self.members(spec).next().is_some(),
            None => !matches!(self.given(spec), Ok(None)),
        }
    }

    /// Where the value of a key was given: the key as written, or the variable.
    pub fn given_as(&self, spec: &KeySpec) -> Option<&'static str> {
        let written = |name: &&str| self.config.get(name).is_some_and(|value| !value.is_empty());
        let variable = || {
            spec.env
                .iter()
                .copied()
                .find(|name| self.env.filled(name).is_some())
        };
        spec.names().find(written).or_else(|| {
            if self.keeps_variables_out(spec) {
                None
            } else {
                variable()
            }
        })
    }

    /// Any text.
    pub fn text(&self, spec: &KeySpec) -> Option<String> {
        self.read(spec, |value| value.text().map(str::to_owned))
    }

    /// A secret text.
    pub fn secret(&self, spec: &KeySpec) -> Option<Secret> {
        self.text(spec).map(Secret::new)
    }

    /// A boolean in Go's spellings; absent is `false` unless the table has another default.
    pub fn boolean(&self, spec: &KeySpec) -> bool {
        self.read(spec, |value| value.boolean()).unwrap_or_default()
    }

    /// The boolean of an environment variable that isn't the variable of a key, in Go's spellings;
    /// any other text counts as absent.
    pub fn boolean_variable(&self, name: &str) -> Option<bool> {
        parse_boolean(&self.env.filled(name)?)
    }

    /// A duration in Go's notation.
    pub fn duration(&self, spec: &KeySpec) -> Option<Duration> {
        self.read(spec, |value| value.duration())
    }

    /// A whole number within the bounds of the table.
    pub fn number(&self, spec: &KeySpec) -> Option<u64> {
        let super::Values::Number { min, max } = spec.values else {
            return None;
        };
        self.read(spec, |value| value.number(min, max))
    }

    /// A comma-separated list; absent is empty.
    pub fn list(&self, spec: &KeySpec) -> Vec<String> {
        self.read(spec, |value| {
            Ok(value.list()?.into_iter().map(str::to_owned).collect())
        })
        .unwrap_or_default()
    }

    /// One of the words of the table, as `of` maps it.
    pub fn word<T>(&self, spec: &KeySpec, of: impl Fn(&'static str) -> Option<T>) -> Option<T> {
        let super::Values::OneOf(words) = spec.values else {
            return None;
        };
        self.read(spec, |value| value.one_of(words)).and_then(of)
    }

    /// Some of the words of the table, as `of` maps them; absent is empty unless the table has a
    /// default.
    pub fn words<T>(&self, spec: &KeySpec, of: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let super::Values::ListOf(words) = spec.values else {
            return Vec::new();
        };
        self.read(spec, |value| value.list_of(words))
            .unwrap_or_default()
            .into_iter()
            .filter_map(of)
            .collect()
    }

    /// A GUID in lower case, or the word that the table accepts in its place.
    pub fn guid(&self, spec: &KeySpec) -> Option<String> {
        self.read(spec, |value| value.guid())
    }

    /// A URL of http or https.
    pub fn url(&self, spec: &KeySpec) -> Option<Url> {
        self.read(spec, |value| value.url())
    }

    /// A URL that secrets may be sent to: https, or http to this machine.
    pub fn endpoint(&self, spec: &KeySpec) -> Option<Url> {
        self.read(spec, |value| value.endpoint())
    }

    /// The members of a key family in the order of their keys: `(role, server)` for
    /// `tag.role=server`.
    pub fn family(&self, spec: &KeySpec) -> Vec<(String, String)> {
        self.members(spec)
            .filter_map(|(member, value)| Some((member.to_owned(), value.text().ok()?.to_owned())))
            .collect()
    }

    /// Adds a problem that the table can't express, such as two mutually exclusive keys.
    pub fn add_problem(&mut self, problem: ConfigProblem) {
        self.problems.push(problem);
    }

    /// A problem of a key, by the name that its value is given under: "`NAME` MESSAGE".
    pub fn problem(&self, spec: &KeySpec, message: &str) -> ConfigProblem {
        let name = self.given_as(spec).unwrap_or(spec.name);
        ConfigProblem::of_key(spec.name, format!("`{name}` {message}"))
    }

    /// Drops the problems of a key that another key overrides.
    pub fn ignore(&mut self, spec: &KeySpec) {
        self.problems
            .retain(|problem| problem.key.as_deref() != Some(spec.name));
    }

    /// The value of `result`; an error is added to the problems.
    pub fn accept<T>(&mut self, result: Result<T, ConfigProblem>) -> Option<T> {
        result.map_err(|problem| self.add_problem(problem)).ok()
    }

    /// Adds the problem that `spec` is missing, with the reason why it's needed if it isn't always.
    pub fn add_missing(&mut self, spec: &KeySpec, because: Option<&str>) {
        let reason = because.map_or_else(String::new, |because| format!(" ({because})"));
        let empty = spec.names().find(|name| self.config.get(name) == Some(""));
        let message = match empty {
            Some(name) => format!("`{name}` is empty: give it a value or omit it"),
            None => format!("`{}` is missing{reason}", spec.name),
        };
        let problem = ConfigProblem::of_key(spec.name, message);
        self.add_problem(problem.with_hint(match spec.env.first() {
            Some(variable) => format!("add `{}=...`, or set `{variable}`", spec.name),
            None => format!("add `{}=...`", spec.name),
        }));
    }

    /// Builds the provider, unless there is a problem.
    ///
    /// `make` runs only if every option is valid, so it can unwrap required options with `?`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) with every problem found.
    pub fn finish<T>(&mut self, make: impl FnOnce() -> Option<T>) -> Result<T> {
        self.check()?;
        make().ok_or_else(|| {
            let problem =
                ConfigProblem::new("an option is missing that the key table doesn't require");
            ConfigError::new(Some(self.provider), problem).into()
        })
    }

    /// Returns the problems found so far as an error.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) with all of them, if there are any.
    pub fn check(&self) -> Result<()> {
        match ConfigError::from_problems(Some(self.provider), self.problems.clone()) {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// Whether the key has an empty value in the join string that disables its variables.
    fn keeps_variables_out(&self, spec: &KeySpec) -> bool {
        !spec.env_if_empty && spec.names().any(|name| self.config.contains(name))
    }

    /// The value given for a key; an empty one counts as absent.
    fn given<'s>(&'s self, spec: &'s KeySpec) -> Result<Option<Value<'s>>, ValueError> {
        if let Some(value) = self.config.value(spec)?
            && !value.raw().is_empty()
        {
            return Ok(Some(value));
        }
        if self.keeps_variables_out(spec) {
            return Ok(None);
        }
        let variable = spec
            .env
            .iter()
            .find_map(|name| Some((*name, self.env.filled(name)?)));
        Ok(variable.map(|(name, text)| Value::from_variable(spec, name, text)))
    }

    /// The value of a key, or its default.
    fn read<T>(
        &self,
        spec: &KeySpec,
        parse: impl Fn(&Value<'_>) -> Result<T, ValueError>,
    ) -> Option<T> {
        match self.given(spec) {
            Ok(Some(value)) => parse(&value).ok(),
            Ok(None) => spec
                .default
                .and_then(|text| parse(&Value::from_key(spec, spec.name, text)).ok()),
            Err(_) => None,
        }
    }

    fn members<'s>(&'s self, spec: &'s KeySpec) -> impl Iterator<Item = (&'s str, Value<'s>)> {
        self.config.iter().filter_map(move |(key, text)| {
            Some((spec.member(key)?, Value::from_key(spec, key, text)))
        })
    }

    fn refuse(&mut self, error: &ValueError) {
        self.problems
            .push(ConfigProblem::of_key(error.option(), error.to_string()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::config::Values;

    const TOKEN: KeySpec = KeySpec::new("token", "the token")
        .env(&["TOKEN"])
        .secret()
        .required();
    const KIND: KeySpec = KeySpec::new("kind", "the kind")
        .values(Values::OneOf(&["one", "two"]))
        .default("one");
    const COUNT: KeySpec = KeySpec::new("count", "how many")
        .values(Values::Number { min: 1, max: 9 })
        .aliases(&["n"]);
    const TAG: KeySpec = KeySpec::family("tag.", "NAME", "a tag");
    const KEYS: &[KeySpec] = &[TOKEN, KIND, COUNT, TAG];

    fn problems(text: &str, env: &Env) -> Vec<String> {
        let config = text.parse().unwrap();
        let options = Options::new("example", KEYS, &config, env);
        options
            .problems
            .iter()
            .map(|problem| problem.message.clone())
            .collect()
    }

    #[test]
    fn the_table_alone_finds_what_is_missing_and_what_is_not_accepted() {
        let found = problems(r#"kind=three count=10 tag.a="""#, &Env::empty());
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(found[0], "`token` is missing");
        assert!(
            found[1].contains("`kind`") && found[1].contains("one, two"),
            "{found:?}"
        );
        assert!(
            found[2].contains("`count`") && found[2].contains("from 1 to 9"),
            "{found:?}"
        );
        assert!(found[3].contains("`tag.a`"), "{found:?}");
    }

    #[test]
    fn values_come_from_the_string_the_environment_or_the_default_in_this_order() {
        let env = Env::from([("TOKEN", "from-env")]);
        let read = |text: &str| {
            let config: ConfigString = text.parse().unwrap();
            let options = Options::new("example", KEYS, &config, &env);
            let token = options.secret(&TOKEN).unwrap().expose().to_owned();
            let kind = options.word(&KIND, |word| Some(word.to_owned())).unwrap();
            (token, kind, options.number(&COUNT), options.family(&TAG))
        };
        let none = Vec::new;
        assert_eq!(read(""), ("from-env".into(), "one".into(), None, none()));
        assert_eq!(
            read("token=here kind=TWO n=3 tag.role=server tag.a=b"),
            (
                "here".into(),
                "two".into(),
                Some(3),
                vec![("a".into(), "b".into()), ("role".into(), "server".into())]
            )
        );
    }

    #[test]
    fn an_empty_value_counts_as_absent_and_disables_the_variable_unless_the_table_allows_it() {
        const ZONE: KeySpec = KeySpec::new("zone", "the zone").env(&["ZONE"]);
        const REGION: KeySpec = KeySpec::new("region", "the region")
            .env(&["REGION"])
            .env_if_empty();
        let env = Env::from([("TOKEN", "t"), ("ZONE", "z"), ("REGION", "r")]);
        let config = r#"token="" count="" zone="" region="" "#.parse().unwrap();
        let options = Options::new("example", &[TOKEN, COUNT, ZONE, REGION], &config, &env);
        assert_eq!(
            (options.text(&ZONE), options.text(&REGION).as_deref()),
            (None, Some("r"))
        );
        assert_eq!(
            (options.given_as(&ZONE), options.given_as(&REGION)),
            (None, Some("REGION"))
        );
        let messages: Vec<_> = options
            .problems
            .iter()
            .map(|problem| problem.message.as_str())
            .collect();
        assert_eq!(messages, ["`token` is empty: give it a value or omit it"]);
    }

    #[test]
    fn a_guid_may_have_a_word_in_its_place_and_a_key_that_is_outranked_is_not_judged() {
        const PROJECT: KeySpec = KeySpec::new("project", "the project")
            .env(&["PROJECT"])
            .values(Values::GuidOr("self"));
        let guid = "AAAAAAAA-0000-4000-8000-000000000000";
        let env = Env::from([("PROJECT", guid)]);
        let read = |text: &str| {
            let config = text.parse().unwrap();
            let mut options = Options::new("example", &[PROJECT], &config, &env);
            let (found, wrong) = (options.guid(&PROJECT), options.check().is_err());
            options.ignore(&PROJECT);
            assert!(options.check().is_ok());
            (found, wrong)
        };
        assert_eq!(read(""), (Some(guid.to_lowercase()), false));
        assert_eq!(read("project=self"), (Some("self".to_owned()), false));
        assert_eq!(read("project=other"), (None, true));
    }

    #[test]
    fn a_refused_secret_is_named_and_not_shown() {
        const NUMBER: KeySpec = KeySpec::new("pin", "a pin")
            .values(Values::Number { min: 1, max: 2 })
            .secret();
        let config = "pin=canary".parse().unwrap();
        let error = Options::new("example", &[NUMBER], &config, &Env::empty())
            .check()
            .unwrap_err();
        assert!(error.to_string().contains("`pin`") && !error.to_string().contains("canary"));
    }

    #[test]
    fn a_key_given_under_two_names_with_different_values_is_a_problem() {
        let found = problems("token=a count=1 n=2", &Env::empty());
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
