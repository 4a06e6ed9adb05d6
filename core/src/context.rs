//! The effects that a provider may use: HTTP, environment, clock, DNS, commands.
//!
//! `core` and the providers access process state only through a [`Context`], so that tests can
//! replace it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Clock;
use crate::command::{CommandRunner, PRIVATE_VARIABLES, ProcessRunner};
use crate::dns::DnsResolver;
use crate::error::Result;
use crate::http::{HttpClient, HttpSettings};

/// The source of environment variables.
#[derive(Clone)]
#[non_exhaustive]
pub enum Env {
    /// The variables of this process.
    Process,
    /// Only these variables.
    Memory(Arc<BTreeMap<String, String>>),
    /// Those of another source; the names of those that are read are recorded.
    Recorded(EnvRecord),
}

/// The names of the environment variables that were read, whether they are set or not. A result
/// depends on them, as a response depends on the headers that its `Vary` names.
#[derive(Clone)]
pub struct EnvRecord {
    source: Box<Env>,
    names: Arc<Mutex<BTreeSet<String>>>,
}

impl EnvRecord {
    /// Records what is read of `source` through [`Env::Recorded`].
    pub fn new(source: Env) -> Self {
        Self {
            source: Box::new(source),
            names: Arc::default(),
        }
    }

    /// Where the variables come from.
    pub fn source(&self) -> &Env {
        &self.source
    }

    /// The names read so far, sorted.
    pub fn names(&self) -> Vec<String> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().cloned().collect()
    }

    fn var(&self, name: &str) -> Option<String> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.contains(name) {
            names.insert(name.to_owned());
        }
        drop(names);
        self.source.var(name)
    }
}

impl fmt::Debug for EnvRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvRecord").finish_non_exhaustive()
    }
}

impl Env {
    /// No variables at all.
    pub fn empty() -> Self {
        Self::Memory(Arc::default())
    }

    /// The value of a variable; one that is not UTF-8 counts as absent, an empty one is `Some("")`.
    pub fn var(&self, name: &str) -> Option<String> {
        match self {
            #[expect(
                clippy::disallowed_methods,
                reason = "the one place that reads the process environment"
            )]
            Self::Process => std::env::var(name).ok(),
            Self::Memory(variables) => variables.get(name).cloned(),
            Self::Recorded(record) => record.var(name),
        }
    }

    /// Records that a result depends on these variables: a program that is run reads them.
    pub fn note<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        if let Self::Recorded(record) = self {
            names.into_iter().for_each(|name| _ = record.var(name));
        }
    }

    /// The value of a variable that is set and not empty.
    pub fn filled(&self, name: &str) -> Option<String> {
        self.var(name).filter(|value| !value.is_empty())
    }

    /// The value of the first of these variables that is set and not empty.
    pub fn first_filled(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.filled(name))
    }

    /// The home directory of the user.
    pub fn home(&self) -> Option<String> {
        self.first_filled(&["HOME", "USERPROFILE"])
    }

    /// `path` with the home directory in place of a leading `~`, as a shell expands it; unchanged
    /// if there is no home directory.
    pub fn expand_home(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        match (path.strip_prefix("~"), self.home()) {
            (Ok(below), Some(home)) => Path::new(&home).join(below),
            _ => path.to_owned(),
        }
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for Env {
    fn from(variables: [(K, V); N]) -> Self {
        Self::Memory(Arc::new(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        ))
    }
}

impl FromIterator<(String, String)> for Env {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self::Memory(Arc::new(variables.into_iter().collect()))
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "Env::Process",
            Self::Memory(_) => "Env::Memory",
            Self::Recorded(_) => "Env::Recorded",
        })
    }
}

/// The effects that a provider may use. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Context {
    http: HttpClient,
    env: Env,
    clock: Clock,
    commands: Arc<dyn CommandRunner>,
    dns: Option<Arc<dyn DnsResolver>>,
    secret_variables: Arc<[&'static str]>,
}

impl Context {
    /// The context of this process: its environment, the real clock, the network with its proxies
    /// and CA certificates.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`](crate::Error::Transport) when no HTTP client can be made.
    pub fn from_process() -> Result<Self> {
        Self::builder().build()
    }

    /// A builder that starts from [`Context::from_process`].
    pub fn builder() -> ContextBuilder {
        ContextBuilder {
            http: HttpSettings::default(),
            client: None,
            env: Env::Process,
            clock: None,
            commands: None,
            dns: None,
        }
    }

    /// The HTTP client.
    pub fn http(&self) -> &HttpClient {
        &self.http
    }

    /// A separate client with other settings: another CA, a client certificate. It shares no
    /// connections with [`Context::http`], so a provider should keep it.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`](crate::Error::Transport) when a setting can't be used.
    pub fn http_with(&self, change: impl FnOnce(&mut HttpSettings)) -> Result<HttpClient> {
        let mut settings = self.http.settings().clone();
        change(&mut settings);
        HttpClient::new(settings)
    }

    /// The environment variables.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The same context with other environment variables.
    #[must_use]
    pub fn with_env(mut self, env: impl Into<Env>) -> Self {
        self.env = env.into();
        self
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The DNS resolver, if one was set. Otherwise providers use the system's configuration.
    pub fn dns(&self) -> Option<&Arc<dyn DnsResolver>> {
        self.dns.as_ref()
    }

    /// The runner of other programs.
    pub fn commands(&self) -> &Arc<dyn CommandRunner> {
        &self.commands
    }

    /// The environment variables that user-configured programs don't inherit: secrets of the known
    /// providers, and [`PRIVATE_VARIABLES`].
    pub fn secret_variables(&self) -> &[&'static str] {
        if self.secret_variables.is_empty() {
            PRIVATE_VARIABLES
        } else {
            &self.secret_variables
        }
    }

    /// The same context with these variables added to [`PRIVATE_VARIABLES`] as
    /// [`Context::secret_variables`]; a registry sets those of its providers.
    #[must_use]
    pub fn with_secret_variables(
        mut self,
        variables: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        self.secret_variables = PRIVATE_VARIABLES.iter().copied().chain(variables).collect();
        self
    }
}

/// Builds a [`Context`].
#[derive(Debug)]
pub struct ContextBuilder {
    http: HttpSettings,
    client: Option<HttpClient>,
    env: Env,
    clock: Option<Clock>,
    commands: Option<Arc<dyn CommandRunner>>,
    dns: Option<Arc<dyn DnsResolver>>,
}

impl ContextBuilder {
    /// Sets the source of environment variables.
    #[must_use]
    pub fn env(mut self, env: impl Into<Env>) -> Self {
        self.env = env.into();
        self
    }

    /// Sets the HTTP settings.
    #[must_use]
    pub fn http(mut self, settings: HttpSettings) -> Self {
        self.http = settings;
        self
    }

    /// Sets the HTTP client: for tests with a fake transport.
    #[must_use]
    pub fn http_client(mut self, client: HttpClient) -> Self {
        self.client = Some(client);
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets the runner of other programs.
    #[must_use]
    pub fn commands(mut self, commands: Arc<dyn CommandRunner>) -> Self {
        self.commands = Some(commands);
        self
    }

    /// Sets the DNS resolver.
    #[must_use]
    pub fn dns(mut self, dns: Arc<dyn DnsResolver>) -> Self {
        self.dns = Some(dns);
        self
    }

    /// Builds the context.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`](crate::Error::Transport) when no HTTP client can be made of the
    /// settings.
    pub fn build(self) -> Result<Context> {
        Ok(Context {
            http: match self.client {
                Some(client) => client,
                None => HttpClient::new(self.http)?,
            },
            env: self.env,
            clock: self.clock.unwrap_or_default(),
            commands: self.commands.unwrap_or_else(|| Arc::new(ProcessRunner)),
            dns: self.dns,
            secret_variables: Arc::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_tilde_is_the_home_directory() {
        let env = Env::from([("HOME", "/home/a")]);
        for (path, expanded) in [
            ("~/.oci/config", "/home/a/.oci/config"),
            ("~", "/home/a"),
            ("~b/config", "~b/config"),
            ("/etc/~/config", "/etc/~/config"),
        ] {
            assert_eq!(env.expand_home(path), Path::new(expanded));
        }
        assert_eq!(Env::empty().expand_home("~/a"), Path::new("~/a"));
    }
}
