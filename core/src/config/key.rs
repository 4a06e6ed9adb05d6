//! Key tables: [`KeySpec`] describes an option of a provider.
//!
//! Parser, help, man page, README and tests use the same table. [`value`](super::value) converts
//! the text of an option to a typed value.

use std::fmt;

use super::PROVIDER;

/// One option of a provider.
///
/// Made in a `const` table:
///
/// ```
/// use cloud_autojoin_core::config::key::{KeySpec, Values, find, nearest};
///
/// const KEYS: &[KeySpec] = &[
///     KeySpec::new("tag_name", "name of the tag to look for").required(),
///     KeySpec::new("client_secret", "the application's secret").env(&["ARM_CLIENT_SECRET"]).secret(),
///     KeySpec::new("power_state", "which instances count").values(Values::OneOf(&["any", "running"])).default("any"),
///     KeySpec::family("tag.", "NAME", "a further tag that must have this value"),
/// ];
/// assert!(find(KEYS, "tag.role").is_some());
/// assert_eq!(nearest(KEYS, "tag_key").map(|spec| spec.name), Some("tag_name"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySpec {
    /// The key, `tag_name`; for a family of keys their prefix, `tag.`.
    pub name: &'static str,
    /// The placeholder after the prefix of a family, for help: `NAME`. `None` for a single key.
    pub placeholder: Option<&'static str>,
    /// Other spellings, such as go-discover's where it differs.
    pub aliases: &'static [&'static str],
    /// Common mistakes, such as another provider's name for the option (`tag_key` for `tag_name`):
    /// not accepted, but the error suggests this key.
    pub common_mistakes: &'static [&'static str],
    /// Environment variables that are read when the key is absent; the first one that is set is
    /// used.
    pub env: &'static [&'static str],
    /// Whether the variables are also read for a key with an empty value, as for some of
    /// go-discover's providers; by default they aren't.
    pub env_if_empty: bool,
    /// Whether the value must never be shown.
    pub secret: bool,
    /// Whether every join string of the provider needs it. `doc` mentions what is needed only with
    /// another key.
    pub required: bool,
    /// The default, as it would be written.
    pub default: Option<&'static str>,
    /// Whether the default depends on the machine, such as its own region, unless one of these
    /// other keys is given.
    pub machine_default: Option<&'static [&'static str]>,
    /// The accepted values.
    pub values: Values,
    /// The description: one or more sentences, lower case, no full stop at the end.
    pub doc: &'static str,
}

/// The values that an option accepts. `Display` describes them: `a duration such as 1m30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Values {
    /// Any non-empty text.
    Text,
    /// Go's spellings of a boolean.
    Boolean,
    /// A Go duration, not negative.
    Duration,
    /// A whole number from `min` to `max`.
    Number {
        /// The minimum.
        min: u64,
        /// The maximum.
        max: u64,
    },
    /// A comma-separated list without empty items.
    List,
    /// One of these words, case-insensitively.
    OneOf(&'static [&'static str]),
    /// A comma-separated list of these words, case-insensitively.
    ListOf(&'static [&'static str]),
    /// A GUID with its four hyphens.
    Guid,
    /// A GUID, or this word.
    GuidOr(&'static str),
    /// A URL of http or https with a host.
    Url,
    /// A URL that secrets are sent to: https with a host, or http to this machine.
    Endpoint,
}

impl KeySpec {
    /// A single optional key that accepts any text and isn't secret.
    pub const fn new(name: &'static str, doc: &'static str) -> Self {
        Self {
            name,
            placeholder: None,
            aliases: &[],
            common_mistakes: &[],
            env: &[],
            env_if_empty: false,
            secret: false,
            required: false,
            default: None,
            machine_default: None,
            values: Values::Text,
            doc,
        }
    }

    /// A family of keys with this prefix: `family("tag.", "NAME", ...)` is `tag.role`, `tag.zone`,
    /// ...
    pub const fn family(
        prefix: &'static str,
        placeholder: &'static str,
        doc: &'static str,
    ) -> Self {
        let mut spec = Self::new(prefix, doc);
        spec.placeholder = Some(placeholder);
        spec
    }

    /// Sets the aliases.
    #[must_use]
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Sets the common mistakes.
    #[must_use]
    pub const fn common_mistakes(mut self, words: &'static [&'static str]) -> Self {
        self.common_mistakes = words;
        self
    }

    /// Sets the environment variables.
    #[must_use]
    pub const fn env(mut self, variables: &'static [&'static str]) -> Self {
        self.env = variables;
        self
    }

    /// Reads the variables for an empty value too.
    #[must_use]
    pub const fn env_if_empty(mut self) -> Self {
        self.env_if_empty = true;
        self
    }

    /// Marks the value as secret.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Marks the key as required.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Sets the default.
    #[must_use]
    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// Marks the default as one that depends on the machine, unless a key of `unless` is given.
    #[must_use]
    pub const fn machine_default(mut self, unless: &'static [&'static str]) -> Self {
        self.machine_default = Some(unless);
        self
    }

    /// Sets the accepted values.
    #[must_use]
    pub const fn values(mut self, values: Values) -> Self {
        self.values = values;
        self
    }

    /// The name, then the aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Whether the key is this option, by name, alias or, for a family, prefix. Case-sensitive, as
    /// in go-discover.
    pub fn matches(&self, key: &str) -> bool {
        match self.placeholder {
            None => self.names().any(|name| name == key),
            Some(_) => self.member(key).is_some(),
        }
    }

    /// The part after the prefix of a family: `role` for `tag.role`. `None` for other keys and
    /// single options.
    pub fn member<'a>(&self, key: &'a str) -> Option<&'a str> {
        self.placeholder?;
        self.names()
            .find_map(|prefix| key.strip_prefix(prefix))
            .filter(|member| !member.is_empty())
    }

    /// The key as help prints it: `tag_name`, `tag.NAME`.
    pub fn label(&self) -> String {
        format!("{}{}", self.name, self.placeholder.unwrap_or_default())
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("any text"),
            Self::Boolean => f.write_str("true or false"),
            Self::Duration => f.write_str("a duration such as 30s, 1m30s, 1.5h"),
            Self::Number { min, max } if *max == u64::MAX => {
                write!(f, "a whole number, {min} or more")
            }
            Self::Number { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::List => f.write_str("a comma-separated list"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Self::ListOf(words) => write!(f, "a comma-separated list of {}", words.join(", ")),
            Self::Guid => f.write_str("a GUID such as 00000000-0000-0000-0000-000000000000"),
            Self::GuidOr(word) => write!(f, "{}, or `{word}`", Self::Guid),
            Self::Url => f.write_str("a URL such as https://host.example/path"),
            Self::Endpoint => {
                f.write_str("an https URL with a host (http only to 127.0.0.1, ::1 or localhost)")
            }
        }
    }
}

/// The option of a key.
pub fn find<'a>(table: &'a [KeySpec], key: &str) -> Option<&'a KeySpec> {
    table.iter().find(|spec| spec.matches(key))
}

/// Whether the value of a key may be shown: the key is `provider`, or known and not secret.
pub fn is_safe(table: &[KeySpec], key: &str) -> bool {
    key == PROVIDER || find(table, key).is_some_and(|spec| !spec.secret)
}

/// The option that an unknown key probably means: one that has it as a common mistake, otherwise
/// the nearest by [`nearest_name`], if any.
pub fn nearest<'a>(table: &'a [KeySpec], unknown: &str) -> Option<&'a KeySpec> {
    nearest_spelling(table, unknown).map(|(spec, _)| spec)
}

/// As [`nearest`], with the similar spelling: the name or an alias, for a family as help prints it.
pub fn nearest_spelling<'a>(table: &'a [KeySpec], unknown: &str) -> Option<(&'a KeySpec, String)> {
    if let Some(meant) = table
        .iter()
        .find(|spec| spec.common_mistakes.contains(&unknown))
    {
        return Some((meant, meant.label()));
    }
    let name = nearest_name(unknown, table.iter().flat_map(KeySpec::names))?;
    let spec = table
        .iter()
        .find(|spec| spec.names().any(|other| other == name))?;
    let is_family = spec.placeholder.is_some() && spec.name == name;
    Some((
        spec,
        if is_family {
            spec.label()
        } else {
            name.to_owned()
        },
    ))
}

/// The name that an unknown word probably means, the first of several equally near ones; `None` if
/// no name is near.
///
/// A name is near if at most a third of the longer spelling differs (transposed characters count
/// once), or half of it if both begin or end with the same word, as `tag_key` and `tag_name` do.
pub fn nearest_name<'a>(
    unknown: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let unknown = unknown.to_lowercase().replace('-', "_");
    names
        .into_iter()
        .filter_map(|name| {
            let distance = strsim::damerau_levenshtein(&unknown, name);
            let longer = unknown.chars().count().max(name.chars().count());
            let allowed = if share_a_word(&unknown, name) {
                longer / 2
            } else {
                longer / 3
            };
            (distance <= allowed).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Whether the first or the last words, separated by `_`, are the same.
fn share_a_word(one: &str, other: &str) -> bool {
    one.split('_').next() == other.split('_').next()
        || one.rsplit('_').next() == other.rsplit('_').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[KeySpec] = &[
        KeySpec::new("tenant_id", "tenant"),
        KeySpec::new("client_id", "client").env(&["ARM_CLIENT_ID"]),
        KeySpec::new("client_secret", "secret")
            .aliases(&["secret_access_key"])
            .secret(),
        KeySpec::new("tag_name", "tag"),
        KeySpec::new("tag_value", "tag"),
        KeySpec::new("resource_group", "group"),
        KeySpec::new("vm_scale_set", "set"),
        KeySpec::family("tag.", "NAME", "more tags"),
    ];

    #[test]
    fn a_key_is_found_by_name_alias_and_family() {
        let name = |key| find(TABLE, key).map(|spec| spec.name);
        assert_eq!(name("tag_name"), Some("tag_name"));
        assert_eq!(name("secret_access_key"), Some("client_secret"));
        assert_eq!(name("tag.role"), Some("tag."));
        assert_eq!(name("tag."), None);
        assert_eq!(name("Tag_Name"), None);
        assert_eq!(name(""), None);
        assert_eq!(TABLE[7].member("tag.a.b"), Some("a.b"));
        assert_eq!(TABLE[3].member("tag_name"), None);
        assert_eq!(TABLE[7].label(), "tag.NAME");
    }

    #[test]
    fn an_unknown_key_has_the_nearest_known_one_or_none() {
        let cases = [
            ("tag_key", Some("tag_name")),
            ("tag_nmae", Some("tag_name")),
            ("tag_vaule", Some("tag_value")),
            ("Tag-Name", Some("tag_name")),
            ("tagName", Some("tag_name")),
            ("scale_set", Some("vm_scale_set")),
            ("vmss_scale_set", Some("vm_scale_set")),
            ("resource_group_name", Some("resource_group")),
            ("resourcegroup", Some("resource_group")),
            ("secret_acces_key", Some("client_secret")),
            ("clientid", Some("client_id")),
            ("region", None),
            ("zone", None),
            ("x", None),
            ("", None),
        ];
        for (unknown, expected) in cases {
            assert_eq!(
                nearest(TABLE, unknown).map(|spec| spec.name),
                expected,
                "{unknown:?}"
            );
        }
    }

    #[test]
    fn a_known_mistake_has_its_key_whatever_else_is_nearer() {
        const CONFUSED: &[KeySpec] = &[
            KeySpec::new("tag_on", "place"),
            KeySpec::new("tag_name", "tag").common_mistakes(&["tag_key"]),
        ];
        assert_eq!(
            nearest(CONFUSED, "tag_key").map(|spec| spec.name),
            Some("tag_name")
        );
        assert!(find(CONFUSED, "tag_key").is_none());
    }

    #[test]
    fn a_mistyped_word_has_the_nearest_name_or_none() {
        let near = |unknown| nearest_name(unknown, ["aws", "azure", "gce"]);
        assert_eq!(near("azrue"), Some("azure"));
        assert_eq!(near("Azure"), Some("azure"));
        assert_eq!(near("asw"), Some("aws"));
        assert_eq!(near("digitalocean"), None);
        assert_eq!(near(""), None);
    }

    #[test]
    fn a_value_is_safe_only_under_a_known_key_that_is_no_secret() {
        assert!(is_safe(TABLE, "provider"));
        assert!(is_safe(TABLE, "tag.role"));
        assert!(!is_safe(TABLE, "client_secret"));
        assert!(!is_safe(TABLE, "secret_access_key"));
        assert!(!is_safe(TABLE, "client_secert"));
    }
}
