//! The compiled-in providers, and the lookup of a join string's provider.

use std::fmt;

use cloud_autojoin_core::config::{ParseError, key};
use cloud_autojoin_core::{
    ConfigError, ConfigProblem, ConfigString, Context, Error, Provider, ProviderSpec, Result,
};

/// The providers a join string may name.
///
/// [`Registry::compiled_in`] has those of the cargo features; [`Registry::with`] adds one from
/// outside this workspace.
#[derive(Debug, Clone)]
pub struct Registry {
    providers: Vec<ProviderSpec>,
}

/// A key of a join string that its provider does not know. `Display` names it: ``unknown key
/// `tag_nmae` ``.
///
/// An unquoted secret with spaces or `=` can look like a key, so a key that neither is near a known
/// one nor looks like a word isn't named.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownKey {
    /// The key as written.
    pub key: String,
    /// The known key it is nearest to as help writes it (`tag.NAME`), if one is near.
    pub nearest: Option<String>,
}

impl UnknownKey {
    /// Whether the key may be shown.
    pub fn is_showable(&self) -> bool {
        self.nearest.is_some() || reads_like_a_word(&self.key)
    }
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_showable() {
            write!(f, "unknown key `{}`", self.key)
        } else {
            f.write_str("an unknown key (not shown: it may be a part of a secret)")
        }
    }
}

impl fmt::Debug for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnknownKey({self})")
    }
}

/// Whether a text is a short word of letters, or a very short one with digits, which no generated
/// secret is.
fn reads_like_a_word(text: &str) -> bool {
    let digits = text.len() <= 6;
    text.len() <= 24
        && text.chars().all(|letter| {
            letter.is_ascii_alphabetic()
                || matches!(letter, '_' | '-' | '.')
                || digits && letter.is_ascii_digit()
        })
}

impl Registry {
    /// The providers of the cargo features, in the order of their names.
    pub fn compiled_in() -> Self {
        Self {
            providers: vec![
                #[cfg(feature = "aliyun")]
                cloud_autojoin_aliyun::SPEC,
                #[cfg(feature = "aws")]
                cloud_autojoin_aws::SPEC,
                #[cfg(feature = "azure")]
                cloud_autojoin_azure::SPEC,
                #[cfg(feature = "consul")]
                cloud_autojoin_consul::SPEC,
                #[cfg(feature = "digitalocean")]
                cloud_autojoin_digitalocean::SPEC,
                #[cfg(feature = "dns")]
                cloud_autojoin_dns::SPEC,
                #[cfg(feature = "exec")]
                cloud_autojoin_exec::SPEC,
                #[cfg(feature = "gce")]
                cloud_autojoin_gce::SPEC,
                #[cfg(feature = "hetzner")]
                cloud_autojoin_hetzner::SPEC,
                #[cfg(feature = "k8s")]
                cloud_autojoin_k8s::SPEC,
                #[cfg(feature = "linode")]
                cloud_autojoin_linode::SPEC,
                #[cfg(feature = "mdns")]
                cloud_autojoin_mdns::SPEC,
                #[cfg(feature = "oracle")]
                cloud_autojoin_oracle::SPEC,
                #[cfg(feature = "os")]
                cloud_autojoin_os::SPEC,
                #[cfg(feature = "packet")]
                cloud_autojoin_packet::SPEC,
                #[cfg(feature = "scaleway")]
                cloud_autojoin_scaleway::SPEC,
                #[cfg(feature = "softlayer")]
                cloud_autojoin_softlayer::SPEC,
                #[cfg(feature = "srv")]
                cloud_autojoin_srv::SPEC,
                #[cfg(feature = "tencentcloud")]
                cloud_autojoin_tencentcloud::SPEC,
                #[cfg(feature = "triton")]
                cloud_autojoin_triton::SPEC,
                #[cfg(feature = "vsphere")]
                cloud_autojoin_vsphere::SPEC,
            ],
        }
    }

    /// A registry without providers.
    pub const fn empty() -> Self {
        Self {
            providers: Vec::new(),
        }
    }

    /// The same registry with one more provider; it takes the place of one with the same name.
    #[must_use]
    pub fn with(mut self, spec: ProviderSpec) -> Self {
        self.providers.retain(|known| known.name != spec.name);
        self.providers.push(spec);
        self.providers.sort_by_key(|known| known.name);
        self
    }

    /// The providers, in the order of their names.
    pub fn providers(&self) -> &[ProviderSpec] {
        &self.providers
    }

    /// The provider of this name, compared exactly.
    pub fn provider(&self, name: &str) -> Option<&ProviderSpec> {
        self.providers.iter().find(|spec| spec.name == name)
    }

    /// The provider that `config` names.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when it names none or an unknown one; the message lists the known ones.
    pub fn provider_of(&self, config: &ConfigString) -> Result<&ProviderSpec> {
        let known = || {
            self.providers
                .iter()
                .map(|spec| format!("`{}`", spec.name))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let Some(name) = config.provider() else {
            let problem = ConfigProblem::of_key("provider", "no provider")
                .with_hint(format!("write `provider=NAME`; known here: {}", known()));
            return Err(ConfigError::new(None, problem).into());
        };
        self.provider(name).ok_or_else(|| {
            let near = key::nearest_name(name, self.providers.iter().map(|spec| spec.name));
            let hint = near.map_or_else(
                || format!("known here: {}", known()),
                |near| format!("did you mean `{near}`? known here: {}", known()),
            );
            let message = if reads_like_a_word(name) {
                format!("unknown provider `{name}`")
            } else {
                "unknown provider".to_owned()
            };
            ConfigError::new(
                None,
                ConfigProblem::of_key("provider", message).with_hint(hint),
            )
            .into()
        })
    }

    /// The keys of `config` that its provider does not know, in their order. go-discover ignores
    /// such keys, and strings are shared with agents that do, so this is for a warning.
    ///
    /// # Errors
    ///
    /// As [`Registry::provider_of`].
    pub fn unknown_keys(&self, config: &ConfigString) -> Result<Vec<UnknownKey>> {
        let spec = self.provider_of(config)?;
        Ok(config
            .unknown_keys(spec.keys)
            .map(|name| UnknownKey {
                key: name.to_owned(),
                nearest: key::nearest_spelling(spec.keys, name).map(|(_, spelling)| spelling),
            })
            .collect())
    }

    /// Parses a join string as [`ConfigString::parse`] does.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] in go-discover's words if they repeat nothing but a known key; an unknown
    /// key isn't repeated, since it may be a part of an unquoted secret.
    pub fn parse(&self, join_string: &str) -> Result<ConfigString> {
        ConfigString::parse(join_string).map_err(|error| self.refuse(&error))
    }

    /// Parses the words of a command line as [`ConfigString::from_arguments`] does.
    ///
    /// # Errors
    ///
    /// As [`Registry::parse`].
    pub fn parse_arguments(&self, words: impl IntoIterator<Item = String>) -> Result<ConfigString> {
        ConfigString::from_arguments(words).map_err(|error| self.refuse(&error))
    }

    /// The error for a text that didn't parse, as [`Registry::parse`] returns it.
    pub fn refuse(&self, error: &ParseError) -> Error {
        let known = self.providers.iter().any(|spec| {
            key::is_safe(spec.keys, error.key()) || key::find(spec.keys, error.key()).is_some()
        });
        let message = if known {
            error.to_string()
        } else {
            error.redacted().to_string()
        };
        ConfigError::new(None, ConfigProblem::new(message).with_hint(error.hint())).into()
    }

    /// Builds the provider that `config` names. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with all problems of the string.
    pub fn build(&self, config: &ConfigString, context: &Context) -> Result<Box<dyn Provider>> {
        let spec = self.provider_of(config)?;
        spec.build(
            config,
            &context
                .clone()
                .with_secret_variables(self.secret_variables()),
        )
    }

    /// Every environment variable that may hold a secret of one of the providers.
    pub fn secret_variables(&self) -> impl Iterator<Item = &'static str> + use<'_> {
        self.providers
            .iter()
            .flat_map(ProviderSpec::secret_variables)
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::compiled_in()
    }
}

#[cfg(test)]
mod tests {
    use cloud_autojoin_core::config::Options;
    use cloud_autojoin_core::{Env, KeySpec};

    use super::*;

    const KEYS: &[KeySpec] = &[
        KeySpec::new("tag_on", "place"),
        KeySpec::new("tag_name", "tag").common_mistakes(&["tag_key"]),
        KeySpec::new("secret_access_key", "secret")
            .aliases(&["client_secret"])
            .secret(),
        KeySpec::family("tag.", "NAME", "more tags"),
    ];

    fn refuse(_: &mut Options<'_>, _: &Context) -> Result<Box<dyn Provider>> {
        Err(ConfigError::new(Some("example"), ConfigProblem::new("refused")).into())
    }

    fn registry() -> Registry {
        Registry::empty()
            .with(ProviderSpec::new("example", "Example", KEYS, refuse))
            .with(ProviderSpec::new("another", "Another", &[], refuse))
    }

    fn message<T: fmt::Debug>(result: Result<T>) -> String {
        let error = result.unwrap_err();
        format!("{error} | {}", error.hint().unwrap_or_default())
    }

    #[test]
    fn providers_are_in_the_order_of_their_names_each_once() {
        let registry = registry().with(ProviderSpec::new("example", "Again", &[], refuse));
        let names: Vec<_> = registry
            .providers()
            .iter()
            .map(|spec| (spec.name, spec.title))
            .collect();
        assert_eq!(names, [("another", "Another"), ("example", "Again")]);
    }

    #[test]
    fn a_string_without_a_known_provider_is_refused_with_the_known_ones() {
        let of = |text: &str| {
            message(
                registry()
                    .provider_of(&ConfigString::parse(text).unwrap())
                    .map(|spec| spec.name),
            )
        };
        assert_eq!(
            of("tag_name=a"),
            "no provider | write `provider=NAME`; known here: `another`, `example`"
        );
        assert_eq!(of(r#"provider="""#), of("tag_name=a"));
        assert_eq!(
            of("provider=exmaple"),
            "unknown provider `exmaple` | did you mean `example`? known here: `another`, `example`"
        );
        assert_eq!(
            of("provider=Example"),
            "unknown provider `Example` | did you mean `example`? known here: `another`, `example`"
        );
        assert_eq!(
            of("provider=k8s"),
            "unknown provider `k8s` | known here: `another`, `example`"
        );
        assert_eq!(
            of("provider=Zx8Q~canary.1"),
            "unknown provider | known here: `another`, `example`"
        );
    }

    #[test]
    fn unknown_keys_come_with_the_nearest_spelling_and_without_pieces_of_secrets() {
        let config = ConfigString::parse("provider=example tag_name=a tag.role=b tag_nmae=c client_secert=d tags=e region=f Zx8Q~canary=g tag_key=h").unwrap();
        let unknown = registry().unknown_keys(&config).unwrap();
        let messages: Vec<_> = unknown
            .iter()
            .map(|key| (key.to_string(), key.nearest.clone().unwrap_or_default()))
            .collect();
        let secretive = "an unknown key (not shown: it may be a part of a secret)";
        assert_eq!(
            messages,
            [
                (secretive.to_owned(), String::new()),
                (
                    "unknown key `client_secert`".to_owned(),
                    "client_secret".to_owned()
                ),
                ("unknown key `region`".to_owned(), String::new()),
                ("unknown key `tag_key`".to_owned(), "tag_name".to_owned()),
                ("unknown key `tag_nmae`".to_owned(), "tag_name".to_owned()),
                ("unknown key `tags`".to_owned(), "tag.NAME".to_owned()),
            ]
        );
        assert!(!format!("{unknown:?}").contains("canary"));
    }

    #[test]
    fn a_string_that_does_not_parse_is_refused_in_go_discovers_words_unless_they_repeat_unknown_text()
     {
        let of = |text: &str| message(registry().parse(text));
        assert_eq!(
            of("provider=example tag_name"),
            format!(
                "tag_name: missing '=' | {}",
                ConfigString::parse("a").unwrap_err().hint()
            )
        );
        assert!(
            of("provider=example client_secret=a=b")
                .starts_with("client_secret: - equals in key's value"),
            "{}",
            of("client_secret=a=b")
        );
        assert!(
            of("provider=example client_secret=a canary")
                .starts_with("missing '=' (pair 3 of the join string) | ")
        );
    }

    #[test]
    fn building_uses_the_provider_that_is_named() {
        let context = Context::builder().env(Env::empty()).build().unwrap();
        let error = registry()
            .build(&ConfigString::parse("provider=example").unwrap(), &context)
            .unwrap_err();
        assert_eq!(
            (error.provider(), error.to_string().as_str()),
            (Some("example"), "refused")
        );
    }
}
