//! Authorises requests by the login of a kubeconfig's user: a token, a file with one, or a program
//! that gives one or a client certificate (`client.authentication.k8s.io`).

use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use cloud_autojoin_core::credential::{Expiring, TokenCache};
use cloud_autojoin_core::error::SourceReport;
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{Call, Context, CredentialError, Result, Secret};
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::kubeconfig::{Entry, read};
use crate::provider::NAME;
use crate::source::Login;

/// The end of a credential that has none: it is used until the API server refuses it.
const NO_END: Duration = Duration::from_secs(365 * 24 * 3600);

/// What a plugin gave.
#[derive(Clone, PartialEq)]
pub(crate) struct ExecCredential {
    token: Option<Secret>,
    /// Certificate and key in PEM.
    pub(crate) client_identity: Option<Secret>,
    expires_at: SystemTime,
}

impl Expiring for ExecCredential {
    fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

/// One login. Clones share the credential that a plugin gave.
#[derive(Clone)]
pub(crate) struct KubernetesAuthorizer {
    pub(crate) login: Login,
    pub(crate) context: Context,
    pub(crate) cache: Arc<TokenCache<ExecCredential>>,
}

impl KubernetesAuthorizer {
    /// The credential of the plugin, if the login is one.
    pub(crate) async fn exec_credential(&self, call: &Call) -> Result<Option<ExecCredential>> {
        let Login::Exec(exec, cluster) = &self.login else {
            return Ok(None);
        };
        // Hashed, as its variables may be secret.
        let scope = BuildHasherDefault::<DefaultHasher>::default()
            .hash_one(Value::from(exec.values.clone()).to_string())
            .to_string();
        let fetch = async |call: Call| {
            let run = run(exec, cluster, &self.context, &call).await;
            run.map_err(|(reason, hint)| {
                CredentialError::new(NAME, vec![SourceReport::failed("exec plugin", reason)])
                    .with_hint(hint)
            })
        };
        self.cache.token(&scope, call, fetch).await.map(Some)
    }
}

#[async_trait]
impl Authorizer for KubernetesAuthorizer {
    async fn authorize(&self, request: &mut Request, call: &Call) -> Result<()> {
        let failed = |reason: String| {
            CredentialError::new(NAME, vec![SourceReport::failed("token", reason)])
        };
        let token = match &self.login {
            Login::Nothing => None,
            Login::Token(token) => Some(token.clone()),
            Login::TokenFile(path) => Some(Secret::new(read(path).await.map_err(failed)?.trim())),
            Login::Exec(..) => self
                .exec_credential(call)
                .await?
                .and_then(|credential| credential.token),
        };
        if let Some(token) = token {
            *request = request.clone().bearer(&token);
        }
        Ok(())
    }

    /// A plugin is run again. A client certificate that it gave belongs to the connection: the next
    /// discovery has a new one.
    async fn refresh(&self, refused: &Request) -> bool {
        let sent = refused
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        self.cache
            .invalidate(|held| held.token.as_ref().map(Secret::expose) == sent);
        matches!(self.login, Login::Exec(..)) && sent.is_some()
    }
}

/// Runs a plugin. What it prints is secret; the error is the reason and what to do.
async fn run(
    exec: &Entry,
    cluster: &Value,
    context: &Context,
    call: &Call,
) -> Result<ExecCredential, (String, String)> {
    let invalid = |reason| {
        (
            reason,
            "check the `exec` of the kubeconfig's user".to_owned(),
        )
    };
    let text = |entry: &Entry, name: &str| {
        entry
            .text(name)
            .map(|text| text.unwrap_or_default().to_owned())
            .map_err(invalid)
    };
    let (command, install_hint) = (
        &exec.program("command").map_err(invalid)?,
        text(exec, "installHint")?,
    );
    let by_hand =
        || format!("run `{command}` by hand with the arguments and variables of the kubeconfig");
    if text(exec, "interactiveMode")? == "Always" {
        let hint = "use a login that needs no terminal, such as a service account's token";
        return Err((
            format!("`{command}` needs a terminal (`interactiveMode: Always`)"),
            hint.to_owned(),
        ));
    }
    let cluster = exec.is_true("provideClusterInfo").then_some(cluster);
    let info = json!({"kind": "ExecCredential", "apiVersion": text(exec, "apiVersion")?, "spec": {"interactive": false, "cluster": cluster}});
    let mut env = vec![("KUBERNETES_EXEC_INFO".to_owned(), info.to_string())];
    for variable in exec.objects("env").map_err(invalid)? {
        env.push((text(&variable, "name")?, text(&variable, "value")?));
    }
    let args: Option<Vec<&str>> = exec.values.get("args").map_or(Some(Vec::new()), |args| {
        args.as_array()?.iter().map(Value::as_str).collect()
    });
    let args = args.ok_or_else(|| invalid("`args` isn't a list of texts".to_owned()))?;
    let output = context
        .commands()
        .run_with_env(command, &args, &env, call.remaining())
        .await
        .map_err(|error| {
            let hint = match error.kind() {
                ErrorKind::NotFound if !install_hint.is_empty() => install_hint.trim().to_owned(),
                ErrorKind::NotFound => {
                    format!("install `{command}`, or add its directory to `PATH`")
                }
                _ => by_hand(),
            };
            (format!("`{command}` can't be run: {error}"), hint)
        })?;
    if output.status != Some(0) {
        let status = output.status.map_or_else(
            || "was ended by a signal".to_owned(),
            |status| format!("ended with status {status}"),
        );
        return Err((format!("`{command}` {status}"), by_hand()));
    }
    let output: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let text = |name: &str| {
        output["status"][name]
            .as_str()
            .filter(|text| !text.is_empty())
    };
    let identity = text("clientCertificateData").zip(text("clientKeyData"));
    let now = context.clock().wall();
    let credential = ExecCredential {
        token: text("token").map(Secret::new),
        client_identity: identity
            .map(|(certificate, key)| Secret::new(format!("{certificate}\n{key}\n"))),
        // With a time that can't be read, it is good for this discovery only.
        expires_at: text("expirationTimestamp").map_or(now + NO_END, |end| {
            humantime::parse_rfc3339(end).unwrap_or(now + Duration::from_secs(1))
        }),
    };
    if credential.token.is_none() && credential.client_identity.is_none() {
        return Err((
            format!(
                "`{command}` didn't print an ExecCredential with a token or a client certificate"
            ),
            by_hand(),
        ));
    }
    Ok(credential)
}

impl fmt::Debug for KubernetesAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesAuthorizer")
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "credential_tests.rs"]
mod tests;
