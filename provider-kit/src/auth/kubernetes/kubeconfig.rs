//! Kubeconfig files: clusters, contexts and users by name.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_autojoin_core::config::Value as ConfigValue;
use cloud_autojoin_core::{Secret, file};
use http::header::{HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::authorizer::{Credential, ExecPlugin, Login, bearer};
use super::{KubernetesCluster, read};
use crate::keys;
use crate::tls::Tls;
use crate::yaml::from_yaml;

/// One file, or several merged: the first that has an entry wins, as for kubectl.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Kubeconfig {
    current_context: String,
    clusters: Vec<Entry>,
    contexts: Vec<Entry>,
    users: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(default, alias = "cluster", alias = "context", alias = "user")]
    value: Map<String, Value>,
    /// What its paths are relative to.
    #[serde(skip)]
    file: PathBuf,
}

/// Empty texts are absent ones, as for kubectl.
#[derive(Deserialize, Serialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct ClusterEntry {
    server: String,
    #[serde(skip_serializing)]
    certificate_authority: String,
    certificate_authority_data: String,
    tls_server_name: String,
    insecure_skip_tls_verify: bool,
    proxy_url: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ContextEntry {
    cluster: String,
    user: String,
    namespace: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct UserEntry {
    client_certificate: String,
    client_certificate_data: String,
    client_key: String,
    client_key_data: String,
    #[serde(rename = "tokenFile")]
    token_file: String,
    token: String,
    username: String,
    password: String,
    exec: Option<ExecPlugin>,
    auth_provider: Option<IgnoredAny>,
    r#as: String,
    as_uid: String,
    as_groups: Vec<String>,
    as_user_extra: BTreeMap<String, Vec<String>>,
}

impl Kubeconfig {
    /// Reads and merges `files`. Those that don't exist are skipped; `None` when none exists.
    pub(super) async fn read(files: &[PathBuf]) -> Result<Option<Self>, String> {
        let mut merged = None;
        for path in files {
            let text = match file::read_text(path, file::MAX_SECRET_FILE).await {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                text => text.map_err(|error| error.to_string()),
            };
            let kubeconfig = merged.get_or_insert_with(Self::default);
            text.and_then(|text| kubeconfig.add(&text, path))
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(merged)
    }

    /// Adds what a file has. The error repeats none of it: it may be a token.
    fn add(&mut self, text: &str, path: &Path) -> Result<(), String> {
        let file: Option<Self> = serde_json::from_value(from_yaml(text)?).map_err(|_| {
            "it isn't a kubeconfig, whose `clusters`, `contexts` and `users` are lists of entries with a `name`"
        })?;
        let mut file = file.unwrap_or_default();
        for (all, own) in [
            (&mut self.clusters, &mut file.clusters),
            (&mut self.contexts, &mut file.contexts),
            (&mut self.users, &mut file.users),
        ] {
            own.iter_mut()
                .for_each(|entry| entry.file = path.to_owned());
            all.append(own);
        }
        if self.current_context.is_empty() {
            self.current_context = file.current_context;
        }
        Ok(())
    }

    /// The name of the context that kubectl uses.
    pub(super) fn current_context(&self) -> Option<&str> {
        Some(self.current_context.as_str()).filter(|name| !name.is_empty())
    }

    /// The cluster of the context `name`; `shown` are the files.
    pub(super) async fn cluster(
        &self,
        name: &str,
        shown: &str,
    ) -> Result<KubernetesCluster, String> {
        let context: ContextEntry = find(&self.contexts, "context", name)?.0;
        let (mut entry, file) = find::<ClusterEntry>(&self.clusters, "cluster", &context.cluster)?;
        let server = match entry.server.contains("://") {
            true => entry.server.clone(),
            false => format!("https://{}", entry.server),
        };
        let server = ConfigValue::from_key(&keys::ENDPOINT, "server", &server).endpoint();
        let server = server.map_err(|_| "the cluster's `server` isn't an https URL")?;
        let mut cluster = KubernetesCluster::new(format!("context `{name}` of {shown}"), server);
        let (data, path) = (
            &entry.certificate_authority_data,
            &entry.certificate_authority,
        );
        let authority = pem("certificate-authority", data, path, file).await?;
        entry.certificate_authority_data = authority
            .as_ref()
            .map(|pem| STANDARD.encode(pem))
            .unwrap_or_default();
        cluster.namespace = filled(&context.namespace);
        cluster.tls = Tls {
            authority,
            client_identity: None,
            server_name: filled(&entry.tls_server_name),
            insecure: entry.insecure_skip_tls_verify,
            proxy: filled(&entry.proxy_url).map(Secret::new),
        };
        if cluster.tls.server_name.is_some() && cluster.tls.proxy.is_some() {
            return Err("`tls-server-name` and `proxy-url` exclude each other".to_owned());
        }
        if !context.user.is_empty() {
            let (user, file) = find::<UserEntry>(&self.users, "user", &context.user)?;
            cluster.tls.client_identity = user.client_identity(file).await?;
            cluster.login = user.login(file, &entry)?;
        }
        Ok(cluster)
    }
}

impl UserEntry {
    async fn client_identity(&self, file: &Path) -> Result<Option<Secret>, String> {
        let (data, path) = (&self.client_certificate_data, &self.client_certificate);
        let certificate = pem("client-certificate", data, path, file).await?;
        let key = pem("client-key", &self.client_key_data, &self.client_key, file).await?;
        Ok(Tls::client_identity(certificate, key)?)
    }

    /// How the user logs in to `cluster`; of several ways, the one that kubectl prefers.
    fn login(self, file: &Path, cluster: &ClusterEntry) -> Result<Login, String> {
        if self.auth_provider.is_some() {
            return Err("`auth-provider` isn't supported: use a token, a client certificate or an `exec` plugin".to_owned());
        }
        let impersonation = self.impersonation()?;
        let credential = if !self.token_file.is_empty() {
            Credential::TokenFile(file.with_file_name(self.token_file))
        } else if !self.token.is_empty() {
            Credential::Header(bearer(&self.token))
        } else if !self.username.is_empty() {
            let password = STANDARD.encode(format!("{}:{}", self.username, self.password));
            Credential::Header(format!("Basic {password}").into())
        } else if let Some(plugin) = self.exec {
            Credential::Exec(plugin.resolved(file, cluster))
        } else {
            Credential::None
        };
        Ok(Login {
            credential,
            impersonation,
        })
    }

    /// Whom the user acts as, in the headers that client-go sends.
    fn impersonation(&self) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
        let header = |name: &str, value: &String| {
            let name = HeaderName::try_from(format!("impersonate-{name}"));
            name.ok().zip(HeaderValue::try_from(value).ok())
        };
        let extra = self.as_user_extra.iter().flat_map(|(name, values)| {
            let name = format!("extra-{}", utf8_percent_encode(name, NON_ALPHANUMERIC));
            values.iter().map(move |value| header(&name, value))
        });
        let texts = [("user", &self.r#as), ("uid", &self.as_uid)].into_iter();
        let headers = texts
            .filter(|(_, value)| !value.is_empty())
            .chain(self.as_groups.iter().map(|group| ("group", group)))
            .map(|(name, value)| header(name, value))
            .chain(extra)
            .collect::<Option<Vec<_>>>()
            .ok_or("whom `as` impersonates can't be sent in a header")?;
        if self.r#as.is_empty() && !headers.is_empty() {
            return Err("`as-uid`, `as-groups` and `as-user-extra` need `as`".to_owned());
        }
        Ok(headers)
    }
}

/// The entry of this name, and its file.
fn find<'a, T: DeserializeOwned>(
    entries: &'a [Entry],
    kind: &str,
    name: &str,
) -> Result<(T, &'a Path), String> {
    let Some(entry) = entries.iter().find(|entry| entry.name == name) else {
        let known: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
        let known = known.join("`, `");
        return Err(format!("there is no {kind} `{name}`; it has `{known}`"));
    };
    // The cause would quote values.
    let value = T::deserialize(&entry.value).map_err(|_| {
        format!("the {kind} `{name}` has a value of another type than a kubeconfig's: put texts that look like numbers in quotes")
    })?;
    Ok((value, &entry.file))
}

/// A PEM text: base64 in `data`, else in the file at `path`, which is relative to `file`.
async fn pem(name: &str, data: &str, path: &str, file: &Path) -> Result<Option<String>, String> {
    if data.is_empty() {
        return match path {
            "" => Ok(None),
            path => read(file.with_file_name(path)).await.map(Some),
        };
    }
    let packed: String = data.split_whitespace().collect();
    let bytes = STANDARD.decode(packed).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or_else(|| format!("`{name}-data` isn't base64 of PEM"))?;
    Ok(Some(text))
}

fn filled(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
