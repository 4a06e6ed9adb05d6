//! The query of a result.

use cloud_autojoin_core::{ConfigString, Env};

use crate::join_string::masked;
use crate::registry::Registry;

/// Variables that decide where every request goes and whom it trusts.
/// The HTTP client reads them itself.
const OF_ALL: &[&str] = &[
    "https_proxy",
    "HTTPS_PROXY",
    "http_proxy",
    "HTTP_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// The join strings with all their values, the environment variables that their providers' tables
/// name, the user and the machine. `Debug` shows no secrets.
pub struct Query {
    /// Length-prefixed, so that no two queries are the same text. May hold secrets.
    pub(super) material: zeroize::Zeroizing<Vec<u8>>,
    pub(super) identity: String,
    pub(super) env: Env,
}

impl Query {
    /// The query of these join strings together. Variables are read of `env`, which should record
    /// what the providers read of it: [`Env::Recorded`].
    ///
    /// `None` if a provider is unknown.
    pub fn new<'a>(
        configs: impl IntoIterator<Item = &'a ConfigString>,
        registry: &Registry,
        env: &Env,
    ) -> Option<Self> {
        let mut material = zeroize::Zeroizing::new(Vec::new());
        let mut add = |text: &str| {
            material.extend_from_slice(&(text.len() as u64).to_le_bytes());
            material.extend_from_slice(text.as_bytes());
        };
        add("1");
        add(&rustix::process::geteuid().as_raw().to_string());
        // A copy of the machine's disk may be another machine.
        add(&std::fs::read_to_string("/etc/machine-id").unwrap_or_default());
        let source = source_of(env);
        let mut identities = Vec::new();
        for config in configs {
            let spec = registry.provider_of(config).ok()?;
            add(&config.to_string());
            let of_keys = spec.keys.iter().flat_map(|key| key.env);
            for name in of_keys.chain(spec.secret_env).chain(OF_ALL) {
                if let Some(value) = source.var(name) {
                    add(name);
                    add(&value);
                }
            }
            add("");
            identities.push(masked(config, spec, registry));
        }
        Some(Self {
            material,
            identity: identities.join(" "),
            env: env.clone(),
        })
    }
}

/// The variables themselves: reading them here must not count as read by a provider.
pub(super) fn source_of(env: &Env) -> &Env {
    match env {
        Env::Recorded(record) => record.source(),
        env => env,
    }
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
