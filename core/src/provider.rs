//! What a provider is: a row in the registry, and a configured value that can be asked.

use std::fmt;

use async_trait::async_trait;

use crate::call::Call;
use crate::config::{ConfigString, KeySpec, Options};
use crate::context::Context;
use crate::discovery::Discovery;
use crate::error::Result;
use crate::role::{CompareWithGoDiscover, WriteRole};

/// A configured provider: everything it needs was checked when it was built.
///
/// It may keep state between calls (a token, a connection, what it learned of the cloud), so a
/// watcher asks the same value again and again. Dropping the future of [`Provider::discover`] stops
/// its work.
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

    /// Asks the cloud once.
    ///
    /// The requests made are written into `call`, also when the answer is an error. Nothing matched
    /// is `Ok`, with no address in it.
    ///
    /// # Errors
    ///
    /// Any variant of [`Error`](crate::Error) but `NothingMatched`, which the caller makes.
    /// `Config` is for what only a call can show, such as a program that doesn't exist; the rest of
    /// it is found by [`ProviderSpec::build`]. A list of which a part could not be read is an
    /// error, never a short list.
    async fn discover(&self, call: &Call) -> Result<Discovery>;
}

/// Makes a provider of its options. It reads the options, adds the problems that only it can know,
/// and returns all problems with [`Options::check`] before it makes anything.
pub type BuildProvider = fn(&mut Options<'_>, &Context) -> Result<Box<dyn Provider>>;

/// A provider as the registry knows it: its name, its keys, and how one is built from a join
/// string.
///
/// Help, README, completions and the check of unknown keys all read this one table.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ProviderSpec {
    /// The name as written after `provider=`; compared exactly.
    pub name: &'static str,
    /// The display name: `Example Cloud`.
    pub title: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Every key it takes, in the order in which they are to be read.
    pub keys: &'static [KeySpec],
    /// Environment variables that hold a secret and stand in for no key: those of credential
    /// sources. Programs that are run for the user don't inherit them.
    pub secret_env: &'static [&'static str],
    /// What else to know (permissions, environment), in paragraphs of plain text.
    pub notes: &'static str,
    /// Makes one of its options, which were checked against `keys`; callers use
    /// [`ProviderSpec::build`].
    pub from_options: BuildProvider,
    /// Writes the least role that a join string needs, where the cloud has such a thing.
    pub role: Option<WriteRole>,
    /// Says what go-discover would do with a join string, for a provider that go-discover has too.
    pub go_discover: Option<CompareWithGoDiscover>,
}

impl ProviderSpec {
    /// A provider with its name, its title, its keys and how it is built.
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

    /// The same provider, which writes roles.
    #[must_use]
    pub const fn with_role(mut self, role: WriteRole) -> Self {
        self.role = Some(role);
        self
    }

    /// The same provider, which knows what go-discover does.
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
