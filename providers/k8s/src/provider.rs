//! From options to the list of pods, or of a service's endpoint slices, page by page.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cloud_autojoin_core::credential::TokenCache;
use cloud_autojoin_core::http::{HttpClient, ResponseClass};
use cloud_autojoin_core::{Call, ConfigProblem, ConfigString, Context, Discovery, Error, Finding, KeySpec, Node, Provider, Result};
use cloud_autojoin_provider_kit::{AddressType, ApiClient, Options};
use serde::de::DeserializeOwned;

use crate::api::{EndpointSlice, KubernetesApi, List, Pod};
use crate::credential::{ExecCredential, KubernetesAuthorizer};
use crate::keys::{ADDRESS_TYPE, CONTEXT, ENDPOINT, FIELD_SELECTOR, HOST_NETWORK, KUBECONFIG, LABEL_SELECTOR, NAMESPACE, PORT, READY, SERVICE, TOKEN};
use crate::select::{Conditions, NOT_READY};
use crate::source::{Connection, Sources, Tls};

/// The name after `provider=`.
pub(crate) const NAME: &str = "k8s";

/// The most items in one page: kubectl's.
const PAGE_SIZE: &str = "500";

/// Pods of one namespace, or the endpoints of one of its services.
pub struct Kubernetes {
    context: Context,
    sources: Sources,
    service: Option<String>,
    label_selector: Option<String>,
    field_selector: Option<String>,
    conditions: Conditions,
    exec: Arc<TokenCache<ExecCredential>>,
    /// The client of the last discovery, for as long as its TLS settings stay.
    client: Mutex<Option<(Tls, HttpClient)>>,
}

/// Builds the provider from its options. Sends nothing and reads no file.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
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
        label_selector: options.text(&LABEL_SELECTOR),
        field_selector: options.text(&FIELD_SELECTOR),
        conditions: Conditions {
            namespace: options.text(&NAMESPACE).unwrap_or_default(),
            needs_ready: options.boolean(&READY),
            host_network: options.boolean(&HOST_NETWORK),
            port: options.text(&PORT),
            address_type: options.word(&ADDRESS_TYPE, AddressType::from_word),
        },
        exec: Arc::default(),
        client: Mutex::default(),
    };
    let is_in_string = |key: &KeySpec| options.config().get(key.name).is_some_and(|value| !value.is_empty());
    let mut conflicts = Vec::new();
    if provider.service.is_some() {
        let others = [(&LABEL_SELECTOR, provider.label_selector.is_some()), (&FIELD_SELECTOR, provider.field_selector.is_some())];
        conflicts.extend(others.into_iter().filter_map(|(key, is_given)| is_given.then_some((key, &SERVICE))));
        conflicts.extend(provider.conditions.host_network.then_some((&HOST_NETWORK, &SERVICE)));
    }
    if provider.sources.endpoint.is_some() {
        conflicts.extend([&KUBECONFIG, &CONTEXT].into_iter().filter(|key| is_in_string(key)).map(|key| (key, &ENDPOINT)));
    }
    for (key, other) in conflicts {
        let problem = ConfigProblem::of_key(key.name, format!("`{}` and `{}` exclude each other", key.name, other.name));
        options.add_problem(problem.with_hint(format!("leave out `{}`", key.name)));
    }
    options.finish(|| Some(Box::new(provider) as Box<dyn Provider>))
}

#[async_trait]
impl Provider for Kubernetes {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let namespace = &self.conditions.namespace;
        if let Some(service) = &self.service {
            return format!("endpoints of service `{service}` in namespace `{namespace}`");
        }
        let selectors: Vec<String> = [("labels", &self.label_selector), ("fields", &self.field_selector)]
            .into_iter()
            .filter_map(|(what, selector)| Some(format!(" with {what} `{}`", selector.as_ref()?)))
            .collect();
        format!("pods{} in namespace `{namespace}`", selectors.join(" and"))
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        let Sources { endpoint, kubeconfig, context, .. } = &self.sources;
        let texts = [(ENDPOINT.name, endpoint.as_ref().map(ToString::to_string)), (KUBECONFIG.name, kubeconfig.clone()), (CONTEXT.name, context.clone())];
        let given = texts.into_iter().filter_map(|(name, value)| Some((name, value?)));
        given.chain([(NAMESPACE.name, self.conditions.namespace.clone())]).collect()
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut connection = self.sources.connect().await?;
        let authorizer = KubernetesAuthorizer { login: connection.login.clone(), context: self.context.clone(), cache: Arc::clone(&self.exec) };
        if let Some(credential) = authorizer.exec_credential(call).await? {
            connection.tls.client_identity = credential.client_identity.or(connection.tls.client_identity);
        }
        let client = ApiClient::new(&self.context, &KubernetesApi, connection.server.clone()).with_http(self.http(&connection.tls)?);
        let client = client.with_authorizer(Arc::new(authorizer));
        let discovery = match self.list(&client, call).await {
            // The snapshot that the pages belong to was compacted away: a new list has a new one.
            Err(Error::Api(error)) if error.status() == 410 => self.list(&client, call).await,
            listed => listed,
        };
        let mut discovery = discovery.map_err(|error| match error {
            Error::Api(error) if error.class() == Some(ResponseClass::ExpiredCredential) => {
                error.with_hint(format!("the API server refuses the credential of {}: check it with `kubectl auth whoami`", connection.source)).into()
            }
            other => other,
        })?;
        self.add_findings(&mut discovery, &connection);
        discovery.set_identity(connection.source);
        Ok(discovery)
    }
}

impl Kubernetes {
    /// A client with these TLS settings.
    fn http(&self, tls: &Tls) -> Result<HttpClient> {
        if *tls == Tls::default() {
            return Ok(self.context.http().clone());
        }
        let mut held = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, http)) = held.as_ref().filter(|(of, _)| of == tls) {
            return Ok(http.clone());
        }
        let http = self.context.http_with(|settings| {
            settings.certificate_authorities = tls.authority.clone().into_iter().collect();
            settings.client_identity = tls.client_identity.clone();
            settings.server_name = tls.server_name.clone();
            settings.insecure_skip_verify = tls.insecure;
        })?;
        *held = Some((tls.clone(), http.clone()));
        Ok(http)
    }

    async fn list(&self, client: &ApiClient, call: &Call) -> Result<Discovery> {
        let namespace = self.conditions.namespace.as_str();
        let Some(service) = &self.service else {
            let path = ["api", "v1", "namespaces", namespace, "pods"];
            let selectors = [("labelSelector", &self.label_selector), ("fieldSelector", &self.field_selector)];
            let query = selectors.into_iter().filter_map(|(name, selector)| Some((name, selector.as_deref()?))).collect();
            return self.pages(client, &path, query, call, |pod: Pod| vec![self.conditions.pod(pod)]).await;
        };
        let path = ["apis", "discovery.k8s.io", "v1", "namespaces", namespace, "endpointslices"];
        let selector = format!("kubernetes.io/service-name={service}");
        let query = vec![("labelSelector", selector.as_str())];
        self.pages(client, &path, query, call, |slice: EndpointSlice| self.conditions.slice(slice)).await
    }

    async fn pages<T: DeserializeOwned>(
        &self,
        client: &ApiClient,
        path: &[&str],
        mut query: Vec<(&str, &str)>,
        call: &Call,
        nodes: impl Fn(T) -> Vec<Node>,
    ) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        query.push(("limit", PAGE_SIZE));
        let what = if self.service.is_some() { "endpoint slices" } else { "pods" };
        let operation = format!("list {what} in namespace `{}`", self.conditions.namespace);
        let mut pages = client.pages(client.get(&operation, path, &query), call);
        while let Some(page) = pages.next_json::<List<T>>().await? {
            pages.follow_query("continue", page.metadata.continue_token)?;
            page.items.into_iter().flat_map(&nodes).for_each(|node| discovery.record(node));
        }
        Ok(discovery)
    }

    fn add_findings(&self, discovery: &mut Discovery, connection: &Connection) {
        let namespace = &self.conditions.namespace;
        if discovery.examined() == 0 {
            let finding = match (&connection.namespace, &self.service) {
                (Some(other), _) if other != namespace => {
                    Finding::new(format!("there is nothing in namespace `{namespace}`; the one of {} is `{other}`", connection.source))
                        .with_hint(format!("set `namespace={other}`"))
                        .with_change(NAMESPACE.name, Some(other))
                }
                (_, Some(service)) => Finding::new(format!("service `{service}` has no endpoints in namespace `{namespace}`")).with_hint(format!(
                    "check `service` and `namespace`: `kubectl get endpointslices --all-namespaces -l kubernetes.io/service-name={service}`"
                )),
                (_, None) => Finding::new(format!("no pod matches in namespace `{namespace}`"))
                    .with_hint("check `namespace` and the selectors: `kubectl get pods --all-namespaces --show-labels`"),
            };
            discovery.add_finding(finding);
        } else if discovery.matched() == 0 {
            let is_waiting = |node: &Node| node.excluded.iter().any(|reason| reason.to_string().starts_with(NOT_READY));
            if discovery.nodes().iter().any(is_waiting) {
                let finding = Finding::new("what matches isn't ready").with_hint("set `ready=false` if pods wait for each other before they are ready");
                discovery.add_finding(finding.with_change(READY.name, Some("false")));
            }
        }
        if connection.tls.insecure {
            let finding = Finding::new(format!("the certificate of {} isn't verified (`insecure-skip-tls-verify`)", connection.server));
            discovery.add_finding(finding.with_hint("set `certificate-authority` in the kubeconfig"));
        }
    }
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, context: &Context) -> Vec<String> {
    let mut differences = Vec::new();
    let ignored = [&CONTEXT, &SERVICE, &READY, &PORT, &ADDRESS_TYPE, &ENDPOINT, &TOKEN];
    let ignored: Vec<String> = ignored.iter().filter(|key| config.get(key.name).is_some()).map(|key| format!("`{}`", key.name)).collect();
    if !ignored.is_empty() {
        differences.push(format!("ignores {}", ignored.join(", ")));
    }
    match config.get(KUBECONFIG.name) {
        Some(_) => differences.push("asks the pod's own cluster when the kubeconfig can't be used".to_owned()),
        None if context.env().filled("KUBECONFIG").is_some() => differences.push("doesn't read `KUBECONFIG`".to_owned()),
        None => {}
    }
    differences
}

impl fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubernetes").field("subject", &self.subject()).finish_non_exhaustive()
    }
}
