//! Where the API server is and how to log in: from the keys of the join string, a kubeconfig, or the
//! service account that a pod has.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_autojoin_core::error::SourceReport;
use cloud_autojoin_core::file::{MAX_SECRET_FILE, read_text};
use cloud_autojoin_core::{CredentialError, Env, Secret};
use url::Url;

use crate::kubeconfig::{Cluster, Exec, Kubeconfig, User, take};
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

/// What TLS needs to know.
#[derive(Default, Clone, PartialEq)]
pub(crate) struct Tls {
    /// The CA in PEM; the system's if there is none.
    pub(crate) authority: Option<Vec<u8>>,
    /// Certificate and key in PEM.
    pub(crate) client_identity: Option<Secret>,
    pub(crate) server_name: Option<String>,
    pub(crate) insecure: bool,
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
    Exec(Exec, Cluster),
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
        let service = env.filled("KUBERNETES_SERVICE_HOST").zip(env.filled("KUBERNETES_SERVICE_PORT"));
        let home = env.filled("HOME").or_else(|| env.filled("USERPROFILE")).map(PathBuf::from);
        Self { endpoint: None, token: None, kubeconfig: None, context: None, home, service, service_account: SERVICE_ACCOUNT.into() }
    }

    /// The first source that is configured. One that is configured and can't be used is an error,
    /// not a reason to ask another cluster.
    pub(crate) async fn connect(&self) -> Result<Connection, CredentialError> {
        // Only with `token`: another server must not get the kubeconfig's credential.
        if let Some(server) = &self.endpoint {
            let login = self.token.clone().map_or(Login::Nothing, Login::Token);
            return Ok(Connection { source: "`endpoint`".to_owned(), server: server.clone(), namespace: None, tls: Tls::default(), login });
        }
        let mut reports = Vec::new();
        let is_explicit = self.kubeconfig.is_some() || self.context.is_some();
        let paths = self.paths(self.kubeconfig.as_deref().unwrap_or("~/.kube/config"));
        let found = match self.from_kubeconfig(&paths).await {
            Ok(Err(reason)) if !is_explicit => {
                reports.push(SourceReport::not_configured("kubeconfig", reason));
                match &self.service {
                    Some((host, port)) => self.from_service_account(host, port).await.map_err(|reason| SourceReport::failed("service account", reason)),
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
        std::env::split_paths(list).filter(|path| !path.as_os_str().is_empty()).map(expand).collect()
    }

    /// The connection; or why there is none, which `Err` is not.
    async fn from_kubeconfig(&self, paths: &[PathBuf]) -> Result<Result<Connection, String>, String> {
        let shown = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        let Some(mut config) = Kubeconfig::read(paths).await? else { return Ok(Err(format!("there is no file {shown}"))) };
        let name = self.context.clone().unwrap_or_else(|| std::mem::take(&mut config.current_context));
        if name.is_empty() {
            return Ok(Err(format!("{shown} has no current context: set `context`")));
        }
        connection(config, &name, &shown).await.map(Ok).map_err(|error| format!("{shown}: {error}"))
    }

    async fn from_service_account(&self, host: &str, port: &str) -> Result<Connection, String> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let server = Url::parse(&format!("https://{host}:{port}")).map_err(|_| "`KUBERNETES_SERVICE_HOST` isn't a host")?;
        let file = |name: &str| self.service_account.join(name);
        read(&file("token")).await.map_err(|error| format!("{error}; does the pod set `automountServiceAccountToken: false`?"))?;
        let tls = Tls { authority: Some(read(&file("ca.crt")).await?.into_bytes()), ..Tls::default() };
        let namespace = read(&file("namespace")).await.ok().map(|text| text.trim().to_owned());
        Ok(Connection { source: "service account".to_owned(), server, namespace, tls, login: Login::TokenFile(file("token")) })
    }
}

/// The connection of the context `name`.
async fn connection(config: Kubeconfig, name: &str, shown: &str) -> Result<Connection, String> {
    let context = take(config.contexts, "context", name)?;
    let cluster = take(config.clusters, "cluster", &context.cluster)?;
    let user = if context.user.is_empty() { User::default() } else { take(config.users, "user", &context.user)? };
    let server = server_url(&cluster.server).ok_or_else(|| format!("the `server` of cluster `{}` isn't an https URL", context.cluster))?;
    if cluster.proxy_url.is_some() {
        return Err("`proxy-url` isn't supported: set `HTTPS_PROXY`".to_owned());
    }
    let unsupported = ["auth-provider", "username", "as", "as-groups", "as-uid", "as-user-extra"];
    if let Some(name) = unsupported.iter().find(|name| user.others.contains_key(**name)) {
        return Err(format!("`{name}` of user `{}` isn't supported: use a token, a client certificate or an `exec` plugin", context.user));
    }
    let authority = pem("certificate-authority", cluster.certificate_authority_data.as_deref(), cluster.certificate_authority.as_deref()).await?;
    let tls = Tls {
        authority: authority.map(String::into_bytes),
        client_identity: client_identity(&user).await?,
        server_name: cluster.tls_server_name.clone().filter(|name| !name.is_empty()),
        insecure: cluster.insecure_skip_tls_verify,
    };
    let login = match (user.token_file, user.token.filter(|token| !token.is_empty()), user.exec) {
        (Some(path), ..) => Login::TokenFile(path),
        (_, Some(token), _) => Login::Token(Secret::new(token)),
        (.., Some(exec)) => Login::Exec(exec, cluster),
        _ => Login::Nothing,
    };
    let namespace = Some(context.namespace).filter(|namespace| !namespace.is_empty());
    Ok(Connection { source: format!("context `{name}` of {shown}"), server, namespace, tls, login })
}

/// An https URL, which a host alone stands for too; http to this machine only, as everywhere.
fn server_url(text: &str) -> Option<Url> {
    let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&text).ok()?;
    let is_local = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    (url.scheme() == "https" || url.scheme() == "http" && is_local).then_some(url)
}

async fn client_identity(user: &User) -> Result<Option<Secret>, String> {
    let certificate = pem("client-certificate", user.client_certificate_data.as_deref(), user.client_certificate.as_deref()).await?;
    let key = pem("client-key", user.client_key_data.as_deref(), user.client_key.as_deref()).await?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(Secret::new(format!("{certificate}\n{key}\n")))),
        (None, None) => Ok(None),
        _ => Err("a client certificate and its key need each other".to_owned()),
    }
}

/// A PEM text, given as base64 or in a file; the data come first, as for kubectl.
async fn pem(what: &str, data: Option<&str>, path: Option<&Path>) -> Result<Option<String>, String> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        let packed: String = data.split_whitespace().collect();
        let text = STANDARD.decode(packed).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        return text.map(Some).ok_or_else(|| format!("`{what}-data` isn't base64 of PEM"));
    }
    match path {
        Some(path) => read(path).await.map(Some),
        None => Ok(None),
    }
}

/// A small file, with its path in the error.
pub(crate) async fn read(path: &Path) -> Result<String, String> {
    read_text(path, MAX_SECRET_FILE).await.map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
