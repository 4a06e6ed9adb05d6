//! From options to the list of pods, or of a service's endpoint slices, page by page.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cloud_autojoin_core::credential::TokenCache;
use cloud_autojoin_core::http::{HttpClient, ResponseClass};
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Error, Finding, Node, Provider, Result,
};
use cloud_autojoin_provider_kit::{AddressType, ApiClient, Options};
use serde::de::DeserializeOwned;

use crate::api::{EndpointSlice, KubernetesApi, List, Pod};
use crate::credential::{ExecCredential, KubernetesAuthorizer};
use crate::keys::{
    ADDRESS_TYPE, CONTEXT, ENDPOINT, FIELD_SELECTOR, HOST_NETWORK, KUBECONFIG, LABEL_SELECTOR,
    NAMESPACE, PORT, READY, SERVICE, TOKEN,
};
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
    /// The selectors, by the names of their query parameters.
    selectors: Vec<(&'static str, String)>,
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
        selectors: [
            ("labelSelector", &LABEL_SELECTOR),
            ("fieldSelector", &FIELD_SELECTOR),
        ]
        .into_iter()
        .filter_map(|(name, key)| Some((name, options.text(key)?)))
        .collect(),
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
    let excluded = [(
        provider.service.is_some(),
        &SERVICE,
        [&LABEL_SELECTOR, &FIELD_SELECTOR, &HOST_NETWORK].as_slice(),
    )];
    let excluded = excluded.into_iter().chain([(
        provider.sources.endpoint.is_some(),
        &ENDPOINT,
        [&KUBECONFIG, &CONTEXT].as_slice(),
    )]);
    for (_, other, keys) in excluded.filter(|(is_given, ..)| *is_given) {
        let config = options.config();
        for key in keys
            .iter()
            .filter(|key| config.get(key.name).is_some_and(|value| !value.is_empty()))
        {
            let problem = ConfigProblem::of_key(
                key.name,
                format!("`{}` and `{}` exclude each other", key.name, other.name),
            );
            options.add_problem(problem.with_hint(format!("leave out `{}`", key.name)));
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
        let namespace = &self.conditions.namespace;
        if let Some(service) = &self.service {
            return format!("endpoints of service `{service}` in namespace `{namespace}`");
        }
        let selectors: Vec<String> = self
            .selectors
            .iter()
            .map(|(name, selector)| format!(" with {name} `{selector}`"))
            .collect();
        format!("pods{} in namespace `{namespace}`", selectors.join(" and"))
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        let Sources {
            endpoint,
            kubeconfig,
            context,
            ..
        } = &self.sources;
        let server = endpoint.as_ref().map(ToString::to_string);
        let texts = [
            (ENDPOINT.name, &server),
            (KUBECONFIG.name, kubeconfig),
            (CONTEXT.name, context),
            (NAMESPACE.name, &Some(self.conditions.namespace.clone())),
        ];
        texts
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.clone()?)))
            .collect()
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
        let client = ApiClient::new(&self.context, &KubernetesApi, connection.server.clone())
            .with_http(self.http(&connection.tls)?);
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
        match &self.service {
            None => {
                self.pages(
                    client,
                    &["api", "v1"],
                    "pods",
                    &self.selectors,
                    call,
                    |pod: Pod| vec![self.conditions.pod(pod)],
                )
                .await
            }
            Some(service) => {
                let selector = [(
                    "labelSelector",
                    format!("kubernetes.io/service-name={service}"),
                )];
                let nodes = |slice: EndpointSlice| self.conditions.slice(slice);
                self.pages(
                    client,
                    &["apis", "discovery.k8s.io", "v1"],
                    "endpointslices",
                    &selector,
                    call,
                    nodes,
                )
                .await
            }
        }
    }

    async fn pages<T: DeserializeOwned>(
        &self,
        client: &ApiClient,
        group: &[&str],
        resource: &str,
        selectors: &[(&str, String)],
        call: &Call,
        nodes: impl Fn(T) -> Vec<Node>,
    ) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let namespace = self.conditions.namespace.as_str();
        let path = [group, &["namespaces", namespace, resource]].concat();
        let query: Vec<(&str, &str)> = selectors
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain([("limit", PAGE_SIZE)])
            .collect();
        let mut pages = client.pages(
            client.get(
                &format!("list {resource} in namespace `{namespace}`"),
                &path,
                &query,
            ),
            call,
        );
        while let Some(page) = pages.next_json::<List<T>>().await? {
            pages.follow_query("continue", page.metadata.continue_token)?;
            page.items
                .into_iter()
                .flat_map(&nodes)
                .for_each(|node| discovery.record(node));
        }
        Ok(discovery)
    }

    fn add_findings(&self, discovery: &mut Discovery, connection: &Connection) {
        let namespace = &self.conditions.namespace;
        if discovery.examined() == 0 {
            let finding = Finding::new(format!("nothing matches in namespace `{namespace}`"));
            discovery.add_finding(match connection.namespace.as_ref().filter(|other| *other != namespace) {
                Some(other) => {
                    let hint = format!("set `namespace={other}`, the namespace of {}", connection.source);
                    finding.with_hint(hint).with_change(NAMESPACE.name, Some(other))
                }
                None => finding.with_hint("check `namespace`, the selectors and `service`: `kubectl get pods,endpointslices --all-namespaces --show-labels`"),
            });
        } else if discovery.matched() == 0 {
            let is_waiting = |node: &Node| {
                node.excluded
                    .iter()
                    .any(|reason| reason.to_string().starts_with(NOT_READY))
            };
            if discovery.nodes().iter().any(is_waiting) {
                let finding = Finding::new("what matches isn't ready").with_hint(
                    "set `ready=false` if pods wait for each other before they are ready",
                );
                discovery.add_finding(finding.with_change(READY.name, Some("false")));
            }
        }
        if connection.tls.insecure {
            let finding = Finding::new(format!(
                "the certificate of {} isn't verified (`insecure-skip-tls-verify`)",
                connection.server
            ));
            discovery
                .add_finding(finding.with_hint("set `certificate-authority` in the kubeconfig"));
        }
    }
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, context: &Context) -> Vec<String> {
    let ignored = [
        &CONTEXT,
        &SERVICE,
        &READY,
        &PORT,
        &ADDRESS_TYPE,
        &ENDPOINT,
        &TOKEN,
    ];
    let ignored: Vec<&str> = ignored
        .iter()
        .map(|key| key.name)
        .filter(|key| config.get(key).is_some())
        .collect();
    let mut differences: Vec<String> = (!ignored.is_empty())
        .then(|| format!("ignores `{}`", ignored.join("`, `")))
        .into_iter()
        .collect();
    if config.get(KUBECONFIG.name).is_some() {
        differences.push("asks the pod's own cluster when the kubeconfig can't be used".to_owned());
    } else if context.env().filled("KUBECONFIG").is_some() {
        differences.push("doesn't read `KUBECONFIG`".to_owned());
    }
    differences
}

impl fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubernetes")
            .field("subject", &self.subject())
            .finish_non_exhaustive()
    }
}
