//! The effects that a provider may use: HTTP, environment, clock, DNS, commands.
//!
//! `core` and the providers access process state only through a [`Context`], so that tests can
//! replace it.

use std::sync::Arc;

use crate::clock::Clock;
use crate::command::{CommandRunner, PRIVATE_VARIABLES, ProcessRunner};
use crate::dns::DnsResolver;
use crate::env::Env;
use crate::error::Result;
use crate::http::{HttpClient, HttpSettings};

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
