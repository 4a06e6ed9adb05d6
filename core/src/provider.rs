//! Providers: [`ProviderSpec`], a row of the registry, and [`Provider`], a configured instance.

use std::fmt;

use async_trait::async_trait;

use crate::call::Call;
use crate::config::{ConfigString, KeySpec, Options};
use crate::context::Context;
use crate::discovery::Discovery;
use crate::error::Result;
use crate::role::{CompareWithGoDiscover, WriteRole};

/// A configured provider, whose options were checked when it was built.
///
/// It may keep state between calls (tokens, connections, cached metadata), so a watch reuses it for
/// every poll. Dropping the future of [`Provider::discover`] cancels the call.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync {
    /// The name as written after `provider=`.
    fn name(&self) -> &'static str;

    /// What it searches for, in words: ``instance group `web` of project `prod` ``.
    fn subject(&self) -> String;

    /// The account, project or region it searches, as far as known: resolved from join string and
    /// environment, and from instance metadata after the first call. Pairs of a name and a value,
    /// as `("project", "...")`, without secrets. Results of different scopes are never mixed: a
    /// watch stores the scope with its last good result. The default is empty.
    fn scope(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Runs one discovery.
    ///
    /// Requests are recorded in `call`, also on failure. A result without a match is `Ok`, with no
    /// addresses in it.
    ///
    /// # Errors
    ///
    /// Any variant of [`Error`](crate::Error) except `NothingMatched`, which the caller creates.
    /// `Config` is for problems that only a call can find, such as a missing program; the others
    /// are found by [`ProviderSpec::build`]. If a part of a list can't be read, the call fails; it
    /// never returns a partial list.
    async fn discover(&self, call: &Call) -> Result<Discovery>;
}

/// Builds a provider from its options. It reads the options, adds the problems that the key table
/// can't express, and returns all problems with [`Options::check`].
pub type BuildProvider = fn(&mut Options<'_>, &Context) -> Result<Box<dyn Provider>>;

/// A row of the registry: a provider's name, its keys, and how to build it from a join string.
///
/// Help, README, completions and the check of unknown keys use this table.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ProviderSpec {
    /// The name as written after `provider=`; compared exactly.
    pub name: &'static str,
    /// The display name: `Example Cloud`.
    pub title: &'static str,
    /// A description in one sentence.
    pub summary: &'static str,
    /// The keys it accepts, in display order.
    pub keys: &'static [KeySpec],
    /// Environment variables that hold a secret and aren't the default of a key: those of
    /// credential sources. User-configured programs don't inherit them.
    pub secret_env: &'static [&'static str],
    /// Further notes (permissions, environment), in paragraphs of plain text.
    pub notes: &'static str,
    /// Builds the provider from options that were checked against `keys`; callers use
    /// [`ProviderSpec::build`].
    pub from_options: BuildProvider,
    /// Writes the least-privilege role that a join string needs, for clouds with roles.
    pub role: Option<WriteRole>,
    /// Describes what go-discover would do with a join string, for providers that it has too.
    pub go_discover: Option<CompareWithGoDiscover>,
}

impl ProviderSpec {
    /// A provider with this name, title, key table and constructor.
    pub const fn new(
        name: &'static str,
        title: &'static str,
        keys: &'static [KeySpec],
        from_options: BuildProvider,
    ) -> Self {
        Self {
            name,
            title,
            summary: "",
            keys,
            secret_env: &[],
            notes: "",
            from_options,
            role: None,
            go_discover: None,
        }
    }

    /// Builds a provider from a join string and the environment. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) with *all* problems of the string.
    pub fn build(&self, config: &ConfigString, context: &Context) -> Result<Box<dyn Provider>> {
        (self.from_options)(
            &mut Options::new(self.name, self.keys, config, context.env()),
            context,
        )
    }

    /// Every environment variable that may hold a secret of this provider: `secret_env`, and
    /// those of secret keys.
    pub fn secret_variables(&self) -> impl Iterator<Item = &'static str> {
        let of_keys = self
            .keys
            .iter()
            .filter(|key| key.secret)
            .flat_map(|key| key.env);
        of_keys.chain(self.secret_env).copied()
    }

    /// The same provider with the variables of [`ProviderSpec::secret_env`].
    #[must_use]
    pub const fn with_secret_env(mut self, variables: &'static [&'static str]) -> Self {
        self.secret_env = variables;
        self
    }

    /// The same provider with a writer of roles.
    #[must_use]
    pub const fn with_role(mut self, role: WriteRole) -> Self {
        self.role = Some(role);
        self
    }

    /// The same provider with a comparison with go-discover.
    #[must_use]
    pub const fn with_go_discover(mut self, compare: CompareWithGoDiscover) -> Self {
        self.go_discover = Some(compare);
        self
    }

    /// The same provider with its summary.
    #[must_use]
    pub const fn with_summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// The same provider with its notes.
    #[must_use]
    pub const fn with_notes(mut self, notes: &'static str) -> Self {
        self.notes = notes;
        self
    }
}

impl fmt::Debug for ProviderSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderSpec")
            .field("name", &self.name)
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}
