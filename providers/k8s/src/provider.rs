//! From options to the list of pods, or of a service's endpoint slices, page by page.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::credential::TokenCache;
use cloud_autojoin_core::http::ResponseClass;
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Error, Finding, Node, Provider, Result,
    TransportFailure,
};
use cloud_autojoin_provider_kit::go_discover::{When, differences};
use cloud_autojoin_provider_kit::tls::TlsClient;
use cloud_autojoin_provider_kit::{AddressType, ApiClient, KeySpec, Options};
use serde::de::DeserializeOwned;

use crate::api::{EndpointSlice, KubernetesApi, List, Pod};
use crate::credential::{ExecCredential, KubernetesAuthorizer};
use crate::keys::{
    ADDRESS_TYPE, CONTEXT, ENDPOINT, FIELD_SELECTOR, HOST_NETWORK, KUBECONFIG, LABEL_SELECTOR,
    NAMESPACE, PORT, READY, SELF, SERVICE, TOKEN,
};
use crate::select::{Conditions, NOT_READY};
use crate::source::{Connection, Sources};

/// The name after `provider=`.
pub(crate) const NAME: &str = "k8s";

/// The most items in one page. kubectl asks for 500; each page is a round trip, and 2,000 pods of some
/// 8 KB are well within what a response may have.
const PAGE_SIZE: &str = "2000";

/// Pods of one namespace, or the endpoints of one of its services.
pub struct Kubernetes {
    context: Context,
    sources: Sources,
    service: Option<String>,
    /// The selectors, by the names of their query parameters.
    selectors: Vec<(&'static str, String)>,
    conditions: Conditions,
    exec: Arc<TokenCache<ExecCredential>>,
    /// The client of the last discovery, for as long as its TLS settings stay.
    client: TlsClient,
}

/// Builds the provider from its options. Sends nothing and reads no file.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let labels = options
        .text(&LABEL_SELECTOR)
        .map(|text| ("labelSelector", text));
    let fields = options
        .text(&FIELD_SELECTOR)
        .map(|text| ("fieldSelector", text));
    let provider = Kubernetes {
        context: context.clone(),
        sources: Sources {
            endpoint: options.endpoint(&ENDPOINT),
            token: options.secret(&TOKEN),
            kubeconfig: options.text(&KUBECONFIG),
            context: options.text(&CONTEXT),
            ..Sources::of_environment(context.env())
        },
        service: options.text(&SERVICE),
        selectors: labels.into_iter().chain(fields).collect(),
        conditions: Conditions {
            namespace: options.text(&NAMESPACE).unwrap_or_default(),
            needs_ready: options.boolean(&READY),
            host_network: options.boolean(&HOST_NETWORK),
            port: options.text(&PORT),
            address_type: options.word(&ADDRESS_TYPE, AddressType::from_word),
        },
        exec: Arc::default(),
        client: TlsClient::default(),
    };
    for (key, other) in [
        (&LABEL_SELECTOR, &SERVICE),
        (&FIELD_SELECTOR, &SERVICE),
        (&HOST_NETWORK, &SERVICE),
        (&KUBECONFIG, &ENDPOINT),
        (&CONTEXT, &ENDPOINT),
    ] {
        let config = options.config();
        let is_given = |key: &KeySpec| config.get(key.name).is_some_and(|text| !text.is_empty());
        if is_given(key) && is_given(other) {
            let message = format!("`{}` and `{}` exclude each other", key.name, other.name);
            let hint = format!("leave out `{}`", key.name);
            options.add_problem(ConfigProblem::of_key(key.name, message).with_hint(hint));
        }
    }
    options.finish(|| Some(Box::new(provider) as Box<dyn Provider>))
}

#[async_trait]
impl Provider for Kubernetes {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let namespace = match self.conditions.namespace.as_str() {
            SELF => "the own namespace".to_owned(),
            name => format!("namespace `{name}`"),
        };
        if let Some(service) = &self.service {
            return format!("endpoints of service `{service}` in {namespace}");
        }
        let selectors = self.selectors.iter();
        let selectors = selectors.map(|(name, selector)| format!(" with {name} `{selector}`"));
        let selectors: Vec<String> = selectors.collect();
        format!("pods{} in {namespace}", selectors.join(" and"))
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        let sources = &self.sources;
        let endpoint = sources.endpoint.as_ref().map(ToString::to_string);
        let texts = [
            (ENDPOINT.name, endpoint),
            (KUBECONFIG.name, sources.kubeconfig.clone()),
            (CONTEXT.name, sources.context.clone()),
            (NAMESPACE.name, Some(self.conditions.namespace.clone())),
        ];
        let given = texts
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        given.collect()
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut connection = self.sources.connect().await?;
        let authorizer = KubernetesAuthorizer {
            login: connection.login.clone(),
            context: self.context.clone(),
            cache: Arc::clone(&self.exec),
        };
        if let Some(credential) = authorizer.exec_credential(call).await? {
            connection.tls.client_identity = credential
                .client_identity
                .or(connection.tls.client_identity);
        }
        let mut conditions = self.conditions.clone();
        if conditions.namespace == SELF {
            let own = connection.namespace.clone();
            conditions.namespace = own.unwrap_or_else(|| "default".to_owned());
        }
        let client = ApiClient::new(&self.context, &KubernetesApi, connection.server.clone())
            .with_http(self.client.get(self.context.http(), &connection.tls)?)
            .with_authorizer(Arc::new(authorizer));
        let discovery = match self.list(&client, &conditions, call).await {
            // The snapshot that the pages belong to was compacted away: a new list has a new one.
            Err(Error::Api(error)) if error.status() == 410 => {
                self.list(&client, &conditions, call).await
            }
            listed => listed,
        };
        let mut discovery = discovery.map_err(|error| explained(error, &connection))?;
        add_findings(&mut discovery, &conditions.namespace, &connection);
        discovery.set_identity(connection.source);
        Ok(discovery)
    }
}

impl Kubernetes {
    async fn list(
        &self,
        client: &ApiClient,
        conditions: &Conditions,
        call: &Call,
    ) -> Result<Discovery> {
        let namespace = &conditions.namespace;
        if let Some(service) = &self.service {
            let client = client.below(&["apis", "discovery.k8s.io", "v1"]);
            let selector = [(
                "labelSelector",
                format!("kubernetes.io/service-name={service}"),
            )];
            let nodes = |slice: EndpointSlice| conditions.slice(slice);
            self.pages(&client, namespace, "endpointslices", &selector, nodes, call)
                .await
        } else {
            let client = client.below(&["api", "v1"]);
            let nodes = |pod: Pod| vec![conditions.pod(pod)];
            self.pages(&client, namespace, "pods", &self.selectors, nodes, call)
                .await
        }
    }

    async fn pages<T: DeserializeOwned>(
        &self,
        client: &ApiClient,
        namespace: &str,
        resource: &str,
        selectors: &[(&str, String)],
        nodes: impl Fn(T) -> Vec<Node>,
        call: &Call,
    ) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let mut query = vec![("limit", PAGE_SIZE)];
        query.extend(
            selectors
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        );
        let operation = format!("list {resource} in namespace `{namespace}`");
        let first = client.get(&operation, &["namespaces", namespace, resource], &query);
        let pages = client.pages(first, call);
        let mut pages = pages.ahead("continue", &["metadata", "continue"]);
        while let Some(page) = pages.next_json::<List<T>>().await? {
            pages.follow_query("continue", page.metadata.continue_token)?;
            for node in page.items.into_iter().flat_map(&nodes) {
                discovery.record(node);
            }
        }
        Ok(discovery)
    }
}

/// The same error with what to check of the kubeconfig or the service account.
fn explained(error: Error, connection: &Connection) -> Error {
    let source = &connection.source;
    match error {
        Error::Api(error) if error.class() == Some(ResponseClass::ExpiredCredential) => error
            .with_hint(format!("the API server refuses the credential of {source}: check it with `kubectl auth whoami`"))
            .into(),
        Error::Transport(error) => match error.failure() {
            TransportFailure::Tls if connection.tls.authority.is_some() => error
                .with_hint(format!("check the certificate authority of {source}: it didn't sign the certificate of this API server"))
                .into(),
            TransportFailure::Connect => error
                .with_hint(format!("check the API server of {source} with `kubectl cluster-info`, and the proxy settings (`HTTPS_PROXY`, `NO_PROXY`) of this machine"))
                .into(),
            _ => Error::Transport(error),
        },
        other => other,
    }
}

/// Says what to do where nothing is found, and warns of a server that isn't verified.
fn add_findings(discovery: &mut Discovery, namespace: &str, connection: &Connection) {
    let is_waiting = |node: &Node| {
        let mut reasons = node.excluded.iter();
        reasons.any(|reason| reason.to_string().starts_with(NOT_READY))
    };
    if discovery.examined() == 0 {
        let finding = Finding::new(format!("nothing matches in namespace `{namespace}`"));
        let other = connection.namespace.as_ref();
        discovery.add_finding(match other.filter(|other| *other != namespace) {
            Some(other) => {
                let source = &connection.source;
                let hint = format!("set `namespace={other}`, the namespace of {source}");
                finding.with_hint(hint).with_change(NAMESPACE.name, Some(other))
            }
            None => finding.with_hint("check `namespace`, the selectors and `service`: `kubectl get pods,endpointslices --all-namespaces --show-labels`"),
        });
    } else if discovery.matched() == 0 && discovery.nodes().iter().any(is_waiting) {
        let hint = "set `ready=false` if pods wait for each other before they are ready";
        let finding = Finding::new("what matches isn't ready").with_hint(hint);
        discovery.add_finding(finding.with_change(READY.name, Some("false")));
    }
    let server = connection.server.as_str();
    let hint = "set `certificate-authority` in the kubeconfig";
    let tls = &connection.tls;
    tls.warn(discovery, server, "insecure-skip-tls-verify", hint);
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, context: &Context) -> Vec<String> {
    let fallback = "asks the pod's own cluster when the kubeconfig can't be used";
    let table = [
        (When::Given(&CONTEXT), "ignores `context`"),
        (When::Given(&SERVICE), "ignores `service`"),
        (When::Given(&READY), "ignores `ready`"),
        (When::Given(&PORT), "ignores `port`"),
        (When::Given(&ADDRESS_TYPE), "ignores `address_type`"),
        (When::Given(&ENDPOINT), "ignores `endpoint`"),
        (When::Given(&TOKEN), "ignores `token`"),
        (When::Given(&KUBECONFIG), fallback),
    ];
    let mut found = differences(config, &table);
    if config.get(KUBECONFIG.name).is_none() && context.env().filled("KUBECONFIG").is_some() {
        found.push("doesn't read `KUBECONFIG`".to_owned());
    }
    found
}

impl fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Kubernetes");
        debug
            .field("subject", &self.subject())
            .finish_non_exhaustive()
    }
}
