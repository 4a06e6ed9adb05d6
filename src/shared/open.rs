//! From a URL to a store, and from join strings to what members must have in common.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use cloud_autojoin_core::config::{Options, key};
use cloud_autojoin_core::file::FileKind;
use cloud_autojoin_core::{
    ConfigError, ConfigProblem, ConfigString, Context, Env, KeySpec, ProviderSpec, Result, Secret,
    file,
};
use url::Url;

use super::{ConsulStore, FileStore, SharedKey, Store};
use crate::join_string::masked;
use crate::registry::Registry;

/// The schemes of stores, for messages.
#[cfg(feature = "shared-buckets")]
const KNOWN: &str = "file:///DIRECTORY, consul+http://HOST:PORT/PREFIX, consul+https://HOST:PORT/PREFIX, s3://BUCKET/PREFIX, az://CONTAINER/PREFIX, gs://BUCKET/PREFIX";
#[cfg(not(feature = "shared-buckets"))]
const KNOWN: &str =
    "file:///DIRECTORY, consul+http://HOST:PORT/PREFIX, consul+https://HOST:PORT/PREFIX";

/// Opens the store at a URL. Sends nothing. Credentials come from the environment of `context`:
/// `CONSUL_HTTP_TOKEN`, and for buckets the variables of their cloud's own tools.
///
/// # Errors
///
/// [`Error::Config`](crate::Error::Config) when there is no such store.
pub fn open_store(url: &str, context: &Context) -> Result<Arc<dyn Store>> {
    let unknown = || {
        // It may hold a password.
        let problem = ConfigProblem::new("the URL of the shared store can't be used");
        ConfigError::new(None, problem.with_hint(format!("write one of {KNOWN}"))).into()
    };
    let parsed = Url::parse(url).map_err(|_| unknown())?;
    match parsed.scheme() {
        "file" if parsed.host().is_none() && parsed.path() != "/" => {
            Ok(Arc::new(FileStore::new(Path::new(parsed.path()))))
        }
        "consul+http" | "consul+https" if parsed.host().is_some() => {
            let plain = url.trim_start_matches("consul+");
            let url = Url::parse(plain).map_err(|_| unknown())?;
            if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
                return Err(unknown());
            }
            let token = context.env().filled("CONSUL_HTTP_TOKEN").map(Secret::new);
            Ok(Arc::new(ConsulStore::new(
                context.http().clone(),
                context.clock().clone(),
                url,
                token,
            )))
        }
        #[cfg(feature = "shared-buckets")]
        "s3" | "az" | "gs" => super::buckets::open(&parsed, context),
        #[cfg(not(feature = "shared-buckets"))]
        scheme @ ("s3" | "az" | "gs") => {
            let problem = ConfigProblem::new(format!(
                "this build has no `{scheme}://` stores: it lacks the feature `shared-buckets`"
            ));
            let hint = format!("build with `--features shared-buckets`, or use one of {KNOWN}");
            Err(ConfigError::new(None, problem.with_hint(hint)).into())
        }
        _ => Err(unknown()),
    }
}

/// Reads the key by which members sign results.
///
/// # Errors
///
/// [`Error::Config`](crate::Error::Config) when the file can't be read, others can write it, or it
/// holds no key.
pub async fn read_key(path: &Path) -> Result<SharedKey> {
    let shown = path.display();
    let refused = |why: String| {
        let hint = "write at least 16 random bytes into it, as `openssl rand -hex 32` prints them, and let its user alone read it";
        ConfigError::new(None, ConfigProblem::new(why).with_hint(hint))
    };
    let contents = file::read(
        path,
        FileKind::Regular,
        file::MAX_SECRET_FILE,
        file::READ_TIMEOUT,
    )
    .await
    .map_err(|error| refused(format!("cannot read the key {shown}: {error}")))?;
    let mode = contents.metadata.mode();
    if mode & 0o022 != 0 {
        let why = format!("the key {shown} can be written by other users");
        return Err(refused(why).into());
    }
    if mode & 0o004 != 0 {
        // Secrets that are mounted into containers are like that.
        tracing::warn!(
            "the key {shown} can be read by all users: each of them can sign results; let its user alone read it"
        );
    }
    SharedKey::new(&contents.bytes).map_err(|error| refused(format!("{shown}: {error}")).into())
}

/// What identifies a query for all members: the join strings, with the values that they take from
/// environment variables, and without their secrets, which may differ.
///
/// # Errors
///
/// [`Error::Config`](crate::Error::Config) when a provider is unknown, or a value or a default means
/// something else on each machine.
pub fn query_of<'a>(
    configs: impl IntoIterator<Item = &'a ConfigString>,
    registry: &Registry,
    env: &Env,
) -> Result<String> {
    let mut identities = Vec::new();
    for config in configs {
        let spec = registry.provider_of(config)?;
        let refused = |key: &str, what: String| {
            let what = format!("{what} differs from machine to machine and can't be shared");
            let hint = "write the value that all members have in common";
            let problem = ConfigProblem::of_key(key.to_owned(), what).with_hint(hint);
            ConfigError::new(Some(spec.name), problem)
        };
        let options = Options::new(spec.name, spec.keys, config, env);
        let config = with_variables(config, spec, &options);
        let is_self = |value: &str| value.split(',').any(|item| item.trim() == "self");
        if let Some((key, _)) = config.iter().find(|(_, value)| is_self(value)) {
            return Err(refused(key, format!("`{key}=self`")).into());
        }
        let is_given = |name: &str| {
            let key = key::find(spec.keys, name);
            key.is_some_and(|key| options.is_given(key))
        };
        let is_default_of_machine = |key: &&KeySpec| match key.machine_default {
            Some(unless) => !is_given(key.name) && !unless.iter().copied().any(is_given),
            None => false,
        };
        if let Some(key) = spec.keys.iter().find(is_default_of_machine) {
            return Err(refused(key.name, format!("the default of `{}`", key.name)).into());
        }
        identities.push(masked(&config, spec, registry));
    }
    Ok(identities.join(" "))
}

/// The join string with the values that its provider takes from environment variables, except
/// secrets.
fn with_variables(
    config: &ConfigString,
    spec: &ProviderSpec,
    options: &Options<'_>,
) -> ConfigString {
    let mut config = config.clone();
    let is_of_variable = |key: &&KeySpec| {
        let source = options.given_as(key);
        !key.secret && source.is_some_and(|name| key.env.contains(&name))
    };
    for key in spec.keys.iter().filter(is_of_variable) {
        if let Some(value) = options.text(key) {
            config.insert(key.name, value);
        }
    }
    config
}
