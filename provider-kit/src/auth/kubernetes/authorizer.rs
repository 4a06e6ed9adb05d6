//! Authorises requests by a token, a file with one, a password, or a program that prints a token or
//! a client certificate (`client.authentication.k8s.io`).

use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use cloud_autojoin_core::credential::{Expiring, TokenCache};
use cloud_autojoin_core::error::SourceReport;
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{Call, Context, CredentialError, Result, Secret};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::read;
use crate::auth::{CredentialProgram, ProgramError};
use crate::tls::Tls;

/// The end of a credential that has none: it is used until the API server refuses it.
const NO_END: Duration = Duration::from_secs(365 * 24 * 3600);

/// How requests are authorised.
#[derive(Default)]
pub(super) struct Login {
    pub(super) credential: Credential,
    /// The headers of the impersonated user.
    pub(super) impersonation: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Default)]
pub(super) enum Credential {
    /// A client certificate, or nothing.
    #[default]
    None,
    /// The value of the header `Authorization`.
    Header(Secret),
    /// A file with a token, which is read for every request.
    TokenFile(PathBuf),
    Exec(ExecPlugin),
}

/// A program that prints a credential, as a kubeconfig describes it.
#[derive(Deserialize, Default, Hash)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ExecPlugin {
    api_version: String,
    command: String,
    args: Vec<String>,
    env: Vec<Variable>,
    install_hint: String,
    interactive_mode: String,
    provide_cluster_info: bool,
}

#[derive(Deserialize, Default, Hash)]
#[serde(default)]
struct Variable {
    name: String,
    value: String,
}

impl ExecPlugin {
    /// The plugin of the kubeconfig at `file`, with the variable that describes the `cluster`.
    pub(super) fn resolved(mut self, file: &Path, cluster: &impl Serialize) -> Self {
        if self.command.contains(std::path::is_separator) {
            let path = file.with_file_name(&self.command);
            self.command = path.to_string_lossy().into_owned();
        }
        let cluster = self.provide_cluster_info.then_some(cluster);
        let info = json!({"kind": "ExecCredential", "apiVersion": self.api_version, "spec": {"interactive": false, "cluster": cluster}});
        let (name, value) = ("KUBERNETES_EXEC_INFO".to_owned(), info.to_string());
        self.env.push(Variable { name, value });
        self
    }

    /// Runs it. The error has what to do.
    async fn run(
        &self,
        context: &Context,
        call: &Call,
    ) -> Result<ExecCredential, (String, String)> {
        let command = &self.command;
        if self.interactive_mode == "Always" {
            let reason = format!("`{command}` needs a terminal (`interactiveMode: Always`)");
            let hint = "use a login that needs no terminal, such as a service account's token";
            return Err((reason, hint.to_owned()));
        }
        let by_hand = || {
            format!("run `{command}` by hand with the arguments and variables of the kubeconfig")
        };
        let env = self.env.iter();
        let env: Vec<_> = env
            .map(|each| (each.name.clone(), each.value.clone()))
            .collect();
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let program = CredentialProgram::new(command, &args).with_env(&env);
        let printed = program.json::<Printed>(context, call).await;
        let Printed { status } = printed.map_err(|error| {
            let hint = match &error {
                ProgramError::NotFound { .. } => match self.install_hint.trim() {
                    "" => format!("install `{command}`, or add its directory to `PATH`"),
                    hint => hint.to_owned(),
                },
                _ => by_hand(),
            };
            (error.to_string(), hint)
        })?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let certificate = filled(status.client_certificate_data);
        let identity = Tls::client_identity(certificate, filled(status.client_key_data));
        let now = context.clock().wall();
        let credential = ExecCredential {
            authorization: filled(status.token).map(|token| bearer(&token)),
            client_identity: identity.ok().flatten(),
            // With a time that can't be read, it is good for this call only.
            expires_at: filled(status.expiration_timestamp).map_or(now + NO_END, |end| {
                humantime::parse_rfc3339(&end).unwrap_or(now + Duration::from_secs(1))
            }),
        };
        if credential.authorization.is_none() && credential.client_identity.is_none() {
            let reason = format!(
                "`{command}` didn't print an ExecCredential with a token or a client certificate"
            );
            return Err((reason, by_hand()));
        }
        Ok(credential)
    }
}

/// An `ExecCredential`.
#[derive(Deserialize)]
struct Printed {
    status: ExecStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecStatus {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<String>,
}

/// What a plugin printed.
#[derive(Clone, PartialEq)]
pub(super) struct ExecCredential {
    /// The value of the header `Authorization`.
    authorization: Option<Secret>,
    /// Certificate and key in PEM.
    pub(super) client_identity: Option<Secret>,
    expires_at: SystemTime,
}

impl Expiring for ExecCredential {
    fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

/// Authorises requests by a login.
pub(super) struct KubernetesAuthorizer {
    pub(super) provider: &'static str,
    pub(super) login: Login,
    pub(super) context: Context,
    pub(super) credentials: Arc<TokenCache<ExecCredential>>,
}

impl KubernetesAuthorizer {
    /// The credential of the plugin, if the login is one.
    pub(super) async fn exec_credential(&self, call: &Call) -> Result<Option<ExecCredential>> {
        let Credential::Exec(plugin) = &self.login.credential else {
            return Ok(None);
        };
        // Hashed, as its variables may be secret.
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let scope = hasher.hash_one(plugin).to_string();
        let fetch = async |call: Call| {
            let printed = plugin.run(&self.context, &call).await;
            printed.map_err(|(reason, hint)| self.failed("exec plugin", reason).with_hint(hint))
        };
        self.credentials.token(&scope, call, fetch).await.map(Some)
    }

    fn failed(&self, source: &'static str, reason: String) -> CredentialError {
        CredentialError::new(self.provider, vec![SourceReport::failed(source, reason)])
    }
}

#[async_trait]
impl Authorizer for KubernetesAuthorizer {
    async fn authorize(&self, request: &mut Request, call: &Call) -> Result<()> {
        let failed = |reason| self.failed("token", reason);
        let value = match &self.login.credential {
            Credential::None => None,
            Credential::Header(value) => Some(value.clone()),
            Credential::TokenFile(path) => {
                let token = read(path.clone()).await.map_err(failed)?;
                Some(bearer(token.trim()))
            }
            Credential::Exec(_) => {
                let credential = self.exec_credential(call).await?;
                credential.and_then(|credential| credential.authorization)
            }
        };
        if let Some(value) = value {
            let mut value = HeaderValue::from_str(value.expose())
                .map_err(|_| failed("it holds characters that a token can't have".to_owned()))?;
            value.set_sensitive(true);
            request.set_header(AUTHORIZATION, value);
        }
        for (name, value) in &self.login.impersonation {
            request.append_header(name.clone(), value.clone());
        }
        Ok(())
    }

    /// A plugin is run again. A client certificate that it printed belongs to the connection: the
    /// next call has a new one.
    async fn refresh(&self, refused: &Request) -> bool {
        let sent = refused.headers().get(AUTHORIZATION);
        let sent = sent.and_then(|value| value.to_str().ok());
        self.credentials
            .invalidate(|held| held.authorization.as_ref().map(Secret::expose) == sent);
        sent.is_some() && matches!(self.login.credential, Credential::Exec(_))
    }
}

impl fmt::Debug for KubernetesAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesAuthorizer")
            .finish_non_exhaustive()
    }
}

pub(super) fn bearer(token: &str) -> Secret {
    Secret::new(format!("Bearer {token}"))
}

#[cfg(test)]
#[path = "authorizer_tests.rs"]
mod tests;
