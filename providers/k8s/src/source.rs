//! Where the API server is and how to log in: from the keys of the join string, a kubeconfig, or
//! the service account that a pod has.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_autojoin_core::config::Value;
use cloud_autojoin_core::error::SourceReport;
use cloud_autojoin_core::{CredentialError, Env, Secret};
use cloud_autojoin_provider_kit::tls::Tls;
use serde_json::json;
use url::Url;

use crate::keys::ENDPOINT;
use crate::kubeconfig::{Entry, Kubeconfig, read};
use crate::provider::NAME;

/// Where the kubelet puts the files of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// An API server and the login for it. Read anew for every discovery: all of its files may be
/// rotated.
pub(crate) struct Connection {
    /// Where it comes from, for people: ``context `a` of /home/x/.kube/config``.
    pub(crate) source: String,
    pub(crate) server: Url,
    /// The namespace that kubectl would use.
    pub(crate) namespace: Option<String>,
    pub(crate) tls: Tls,
    pub(crate) login: Login,
}

/// How requests are authorised.
#[derive(Clone)]
pub(crate) enum Login {
    /// By the client certificate, or not at all.
    Nothing,
    Token(Secret),
    /// A file with a token, which is read for every request: the kubelet rotates it.
    TokenFile(PathBuf),
    /// A program, with the cluster that it may ask for.
    Exec(Entry, serde_json::Value),
}

/// What join string and environment say about where to look.
pub(crate) struct Sources {
    pub(crate) endpoint: Option<Url>,
    pub(crate) token: Option<Secret>,
    /// The value of `kubeconfig` or `KUBECONFIG`.
    pub(crate) kubeconfig: Option<String>,
    pub(crate) context: Option<String>,
    pub(crate) home: Option<PathBuf>,
    /// `KUBERNETES_SERVICE_HOST` and `_PORT`.
    pub(crate) service: Option<(String, String)>,
    pub(crate) service_account: PathBuf,
}

impl Sources {
    /// The sources of `env`, without those of the join string.
    pub(crate) fn of_environment(env: &Env) -> Self {
        let service = env
            .filled("KUBERNETES_SERVICE_HOST")
            .zip(env.filled("KUBERNETES_SERVICE_PORT"));
        let home = env
            .filled("HOME")
            .or_else(|| env.filled("USERPROFILE"))
            .map(PathBuf::from);
        Self {
            endpoint: None,
            token: None,
            kubeconfig: None,
            context: None,
            home,
            service,
            service_account: SERVICE_ACCOUNT.into(),
        }
    }

    /// The first source that is configured. One that is configured and can't be used is an error,
    /// not a reason to ask another cluster.
    pub(crate) async fn connect(&self) -> Result<Connection, CredentialError> {
        // Only with `token`: another server must not get the kubeconfig's credential.
        if let Some(server) = &self.endpoint {
            let login = self.token.clone().map_or(Login::Nothing, Login::Token);
            return Ok(Connection {
                source: "`endpoint`".to_owned(),
                server: server.clone(),
                namespace: None,
                tls: Tls::default(),
                login,
            });
        }
        let mut reports = Vec::new();
        let is_explicit = self.kubeconfig.is_some() || self.context.is_some();
        let paths = self.paths(self.kubeconfig.as_deref().unwrap_or("~/.kube/config"));
        let found = match self.kubeconfig_connection(&paths).await {
            Ok(Err(reason)) if !is_explicit => {
                reports.push(SourceReport::not_configured("kubeconfig", reason));
                match &self.service {
                    Some((host, port)) => self
                        .service_account_connection(host, port)
                        .await
                        .map_err(|reason| SourceReport::failed("service account", reason)),
                    None => Err(SourceReport::not_configured(
                        "service account",
                        "`KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` are not set: not in a pod",
                    )),
                }
            }
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(reason)) | Err(reason) => Err(SourceReport::failed("kubeconfig", reason)),
        };
        let mut connection = found.map_err(|report| {
            reports.push(report);
            let hint = "set `kubeconfig` or `KUBECONFIG` to a kubeconfig that works (`kubectl get pods`), or run in a pod with a service account";
            CredentialError::new(NAME, reports).with_hint(hint)
        })?;
        if let Some(token) = &self.token {
            connection.login = Login::Token(token.clone());
        }
        Ok(connection)
    }

    /// The paths of a list as `KUBECONFIG` has it, with `~` for the home directory.
    fn paths(&self, list: &str) -> Vec<PathBuf> {
        let expand = |path: PathBuf| match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path,
        };
        std::env::split_paths(list)
            .filter(|path| !path.as_os_str().is_empty())
            .map(expand)
            .collect()
    }

    /// The connection; or why there is none, which `Err` is not.
    async fn kubeconfig_connection(
        &self,
        paths: &[PathBuf],
    ) -> Result<Result<Connection, String>, String> {
        let shown = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
            .join(", ");
        let Some(config) = Kubeconfig::read(paths).await? else {
            return Ok(Err(format!("there is no file {shown}")));
        };
        let Some(name) = self.context.as_ref().or(config.current_context.as_ref()) else {
            return Ok(Err(format!(
                "{shown} has no current context: set `context`"
            )));
        };
        connection(&config, name, &shown)
            .await
            .map(Ok)
            .map_err(|error| format!("{shown}: {error}"))
    }

    async fn service_account_connection(
        &self,
        host: &str,
        port: &str,
    ) -> Result<Connection, String> {
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let server = Url::parse(&format!("https://{host}:{port}"))
            .map_err(|_| "`KUBERNETES_SERVICE_HOST` isn't a host")?;
        let file = |name: &str| self.service_account.join(name);
        read(&file("token")).await.map_err(|error| {
            format!("{error}; does the pod set `automountServiceAccountToken: false`?")
        })?;
        let tls = Tls {
            authority: Some(read(&file("ca.crt")).await?),
            ..Tls::default()
        };
        let namespace = read(&file("namespace"))
            .await
            .ok()
            .map(|text| text.trim().to_owned());
        Ok(Connection {
            source: "service account".to_owned(),
            server,
            namespace,
            tls,
            login: Login::TokenFile(file("token")),
        })
    }
}

/// The connection of the context `name`.
async fn connection(config: &Kubeconfig, name: &str, shown: &str) -> Result<Connection, String> {
    let context = config.find("context", name)?;
    let cluster = config.find("cluster", context.text("cluster")?.unwrap_or_default())?;
    let anonymous = Entry::default();
    let user = context
        .text("user")?
        .map_or(Ok(&anonymous), |user| config.find("user", user))?;
    let unsupported = [
        "auth-provider",
        "username",
        "as",
        "as-groups",
        "as-uid",
        "as-user-extra",
    ];
    if let Some(name) = unsupported
        .iter()
        .find(|name| user.values.contains_key(**name))
    {
        return Err(format!(
            "`{name}` isn't supported: use a token, a client certificate or an `exec` plugin"
        ));
    }
    if cluster.text("proxy-url")?.is_some() {
        return Err("`proxy-url` isn't supported: set `HTTPS_PROXY`".to_owned());
    }
    let server = cluster.text("server")?.unwrap_or_default();
    let server = if server.contains("://") {
        server.to_owned()
    } else {
        format!("https://{server}")
    };
    let server = Value::from_key(&ENDPOINT, "server", &server)
        .endpoint()
        .map_err(|_| "the cluster's `server` isn't an https URL")?;
    let certificate = user.pem("client-certificate").await?;
    let client_identity = Tls::client_identity(certificate, user.pem("client-key").await?)?;
    let authority = cluster.pem("certificate-authority").await?;
    let (server_name, insecure) = (
        cluster.text("tls-server-name")?.map(str::to_owned),
        cluster.is_true("insecure-skip-tls-verify"),
    );
    let login = match (
        user.path("tokenFile")?,
        user.text("token")?,
        user.object("exec")?,
    ) {
        (Some(path), ..) => Login::TokenFile(path),
        (_, Some(token), _) => Login::Token(Secret::new(token)),
        (.., Some(exec)) => {
            let authority = authority.as_ref().map(|pem| STANDARD.encode(pem));
            let cluster = json!({"server": server.as_str(), "certificate-authority-data": authority, "tls-server-name": server_name, "insecure-skip-tls-verify": insecure});
            Login::Exec(exec, cluster)
        }
        _ => Login::Nothing,
    };
    let tls = Tls {
        authority,
        client_identity,
        server_name,
        insecure,
    };
    let namespace = context.text("namespace")?.map(str::to_owned);
    Ok(Connection {
        source: format!("context `{name}` of {shown}"),
        server,
        namespace,
        tls,
        login,
    })
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
