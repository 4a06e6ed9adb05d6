//! How a Kubernetes API server is reached, and as whom: by a kubeconfig, as kubectl reads it, or by
//! the service account of the pod that this runs in.
//!
//! `kubeconfig.rs` reads the files, `authorizer.rs` authorises requests and runs credential
//! plugins.

mod authorizer;
mod kubeconfig;

use std::path::PathBuf;
use std::sync::Arc;

use cloud_autojoin_core::credential::TokenCache;
use cloud_autojoin_core::error::{SourceOutcome, SourceReport};
use cloud_autojoin_core::http::ResponseClass;
use cloud_autojoin_core::{
    Call, Context, CredentialError, Error, Result, Secret, TransportFailure, file,
};
use url::Url;

use authorizer::{Credential, ExecCredential, KubernetesAuthorizer, Login, bearer};
use kubeconfig::Kubeconfig;

use crate::tls::{Tls, TlsClient};
use crate::{Api, ApiClient};

/// Where the kubelet puts the files of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Which cluster is used, if not that of the usual places.
#[derive(Debug, Clone, Default)]
pub struct KubernetesConfig {
    /// The URL of the API server, instead of a kubeconfig. It gets no credential but `token`.
    pub endpoint: Option<Url>,
    /// A bearer token, instead of the kubeconfig's credential.
    pub token: Option<Secret>,
    /// The kubeconfig files, as `KUBECONFIG` lists them; `~/.kube/config` by default.
    pub kubeconfig: Option<String>,
    /// The context of the kubeconfig; its current one by default.
    pub context: Option<String>,
}

/// Connects to a cluster. Keeps the HTTP client and the credential that a plugin printed.
pub struct KubernetesConnector {
    provider: &'static str,
    context: Context,
    config: KubernetesConfig,
    service_account: PathBuf,
    credentials: Arc<TokenCache<ExecCredential>>,
    client: TlsClient,
}

/// A cluster. Read anew for every connection: the files may be replaced.
pub struct KubernetesCluster {
    /// Where it is configured, for people: ``context `a` of /home/x/.kube/config``.
    pub source: String,
    /// The URL of its API server.
    pub server: Url,
    /// The namespace that kubectl would use.
    pub namespace: Option<String>,
    /// How its API server is verified, and what it verifies.
    pub tls: Tls,
    login: Login,
}

impl KubernetesConnector {
    /// A connector of `provider`. Reads no file yet.
    pub fn new(provider: &'static str, context: &Context, config: KubernetesConfig) -> Self {
        Self {
            provider,
            context: context.clone(),
            config,
            service_account: SERVICE_ACCOUNT.into(),
            credentials: Arc::default(),
            client: TlsClient::default(),
        }
    }

    /// What is configured.
    pub fn config(&self) -> &KubernetesConfig {
        &self.config
    }

    /// The cluster of the first source that is configured (the endpoint, the kubeconfig, the
    /// service account), and a client of its API server. A source that is configured and can't be
    /// used is an error, not a reason to connect to another cluster.
    ///
    /// # Errors
    ///
    /// No source is configured, or it can't be used; its credential plugin fails.
    pub async fn connect(
        &self,
        api: &'static dyn Api,
        call: &Call,
    ) -> Result<(KubernetesCluster, ApiClient)> {
        let mut cluster = self.cluster().await?;
        let authorizer = KubernetesAuthorizer {
            provider: self.provider,
            login: std::mem::take(&mut cluster.login),
            context: self.context.clone(),
            credentials: Arc::clone(&self.credentials),
        };
        if let Some(credential) = authorizer.exec_credential(call).await? {
            let identity = credential.client_identity;
            cluster.tls.client_identity = identity.or(cluster.tls.client_identity);
        }
        let http = self.client.get(self.context.http(), &cluster.tls);
        let http = http.map_err(|error| cluster.explain(error))?;
        let client = ApiClient::new(&self.context, api, cluster.server.clone())
            .with_http(http)
            .with_authorizer(Arc::new(authorizer));
        Ok((cluster, client))
    }

    async fn cluster(&self) -> Result<KubernetesCluster, CredentialError> {
        let mut reports = Vec::new();
        let mut found = match &self.config.endpoint {
            Some(endpoint) => Ok(KubernetesCluster::new("`endpoint`", endpoint.clone())),
            None => self.of_kubeconfig().await,
        };
        if let Err(report) = &found
            && matches!(report.outcome, SourceOutcome::NotConfigured(_))
        {
            reports.extend(found.err());
            found = self.of_service_account().await;
        }
        let mut cluster = found.map_err(|report| {
            reports.push(report);
            let hint = "set `kubeconfig` or `KUBECONFIG` to a kubeconfig that works (`kubectl get pods`), or run in a pod with a service account";
            CredentialError::new(self.provider, reports).with_hint(hint)
        })?;
        if let Some(token) = &self.config.token {
            cluster.login.credential = Credential::Header(bearer(token.expose()));
        }
        Ok(cluster)
    }

    async fn of_kubeconfig(&self) -> Result<KubernetesCluster, SourceReport> {
        let config = &self.config;
        let is_explicit = config.kubeconfig.is_some() || config.context.is_some();
        let failed = |reason: String| SourceReport::failed("kubeconfig", reason);
        let absent = |reason: String| match is_explicit {
            true => failed(reason),
            false => SourceReport::not_configured("kubeconfig", reason),
        };
        let files = config.kubeconfig.as_deref().unwrap_or("~/.kube/config");
        let files: Vec<PathBuf> = std::env::split_paths(files)
            .filter(|path| !path.as_os_str().is_empty())
            .map(|path| self.context.env().expand_home(path))
            .collect();
        let shown: Vec<_> = files.iter().map(|path| path.to_string_lossy()).collect();
        let shown = shown.join(", ");
        let Some(kubeconfig) = Kubeconfig::read(&files).await.map_err(failed)? else {
            return Err(absent(format!("there is no file {shown}")));
        };
        let chosen = config.context.as_deref();
        let Some(name) = chosen.or_else(|| kubeconfig.current_context()) else {
            let reason = format!("{shown} has no current context: set `context`");
            return Err(absent(reason));
        };
        let cluster = kubeconfig.cluster(name, &shown).await;
        cluster.map_err(|reason| failed(format!("{shown}: {reason}")))
    }

    async fn of_service_account(&self) -> Result<KubernetesCluster, SourceReport> {
        const SOURCE: &str = "service account";
        let failed = |reason: String| SourceReport::failed(SOURCE, reason);
        let host = self.context.env().filled("KUBERNETES_SERVICE_HOST");
        let port = self.context.env().filled("KUBERNETES_SERVICE_PORT");
        let (Some(host), Some(port)) = (host, port) else {
            let reason =
                "`KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` are not set: not in a pod";
            return Err(SourceReport::not_configured(SOURCE, reason));
        };
        let is_ipv6 = host.contains(':');
        let host = if is_ipv6 { format!("[{host}]") } else { host };
        let server = Url::parse(&format!("https://{host}:{port}"))
            .map_err(|_| failed("`KUBERNETES_SERVICE_HOST` isn't a host".to_owned()))?;
        let path = |name: &str| self.service_account.join(name);
        // Requests read it again: the kubelet replaces it.
        read(path("token")).await.map_err(|error| {
            let question = "does the pod set `automountServiceAccountToken: false`?";
            failed(format!("{error}; {question}"))
        })?;
        let mut cluster = KubernetesCluster::new(SOURCE, server);
        cluster.login.credential = Credential::TokenFile(path("token"));
        cluster.tls.authority = Some(read(path("ca.crt")).await.map_err(failed)?);
        let namespace = read(path("namespace")).await.ok();
        cluster.namespace = namespace.map(|text| text.trim().to_owned());
        Ok(cluster)
    }
}

impl KubernetesCluster {
    /// A cluster without a credential.
    fn new(source: impl Into<String>, server: Url) -> Self {
        Self {
            source: source.into(),
            server,
            namespace: None,
            tls: Tls::default(),
            login: Login::default(),
        }
    }

    /// The error of a request to the cluster, with what to check of its source.
    pub fn explain(&self, error: Error) -> Error {
        let (source, tls) = (&self.source, &self.tls);
        let hint = match &error {
            Error::Api(api) if api.class() == Some(ResponseClass::ExpiredCredential) => format!(
                "the API server refuses the credential of {source}: check it with `kubectl auth whoami`"
            ),
            Error::Transport(transport) => match transport.failure() {
                TransportFailure::Tls if tls.authority.is_some() => format!(
                    "check the certificate authority of {source}: it didn't sign the certificate of this API server, or that has another name"
                ),
                TransportFailure::Connect if tls.proxy.is_some() => format!(
                    "check the API server and the `proxy-url` of {source} with `kubectl cluster-info`"
                ),
                TransportFailure::Connect => format!(
                    "check the API server of {source} with `kubectl cluster-info`, and the proxy settings (`HTTPS_PROXY`, `NO_PROXY`) of this machine"
                ),
                TransportFailure::InvalidRequest => {
                    format!("check the certificates, `tls-server-name` and `proxy-url` of {source}")
                }
                _ => return error,
            },
            _ => return error,
        };
        error.with_hint(hint)
    }
}

/// A small file, with its path in the error.
async fn read(path: PathBuf) -> Result<String, String> {
    let text = file::read_text(&path, file::MAX_SECRET_FILE).await;
    text.map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
