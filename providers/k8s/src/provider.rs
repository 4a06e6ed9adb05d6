//! From options to the list of pods, or of a service's endpoint slices, page by page.

use std::fmt;

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Error, Finding, Node, Provider, Result,
};
use cloud_autojoin_provider_kit::auth::kubernetes::{
    KubernetesCluster, KubernetesConfig, KubernetesConnector,
};
use cloud_autojoin_provider_kit::go_discover::{When, differences};
use cloud_autojoin_provider_kit::{AddressType, ApiClient, Options, Selection};

use crate::api::{EndpointSlice, KubernetesApi, List, Pod};
use crate::keys::{
    ADDRESS_TYPE, CONTEXT, ENDPOINT, FIELD_SELECTOR, HOST_NETWORK, KUBECONFIG, LABEL_SELECTOR,
    NAME, NAMESPACE, PORT, READY, SELF, SERVICE, TOKEN,
};
use crate::select::{Conditions, NOT_READY, Resource};

/// The most items in one page. kubectl requests 500; each page is a round trip, and 2,000 pods of
/// some 8 KB are well within what a response may have.
const PAGE_SIZE: &str = "2000";

/// Pods of one namespace, or the endpoints of one of its services.
pub struct Kubernetes {
    connector: KubernetesConnector,
    service: Option<String>,
    /// The selectors, by the names of their query parameters.
    selectors: Vec<(&'static str, String)>,
    conditions: Conditions,
}

/// Builds the provider from its options. Sends nothing and reads no file.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    for (key, other) in [
        (&LABEL_SELECTOR, &SERVICE),
        (&FIELD_SELECTOR, &SERVICE),
        (&HOST_NETWORK, &SERVICE),
        (&KUBECONFIG, &ENDPOINT),
        (&CONTEXT, &ENDPOINT),
    ] {
        let given = [key, other].map(|key| options.config().get(key.name).unwrap_or_default());
        if !given.contains(&"") {
            let message = format!("`{}` and `{}` exclude each other", key.name, other.name);
            let hint = format!("leave out `{}`", key.name);
            options.add_problem(ConfigProblem::of_key(key.name, message).with_hint(hint));
        }
    }
    let service = options.text(&SERVICE);
    let selectors = [
        ("labelSelector", options.text(&LABEL_SELECTOR)),
        ("fieldSelector", options.text(&FIELD_SELECTOR)),
        (
            "labelSelector",
            service
                .as_ref()
                .map(|name| format!("kubernetes.io/service-name={name}")),
        ),
    ];
    let config = KubernetesConfig {
        endpoint: options.endpoint(&ENDPOINT),
        token: options.secret(&TOKEN),
        kubeconfig: options.text(&KUBECONFIG),
        context: options.text(&CONTEXT),
    };
    let address_type = options.word(&ADDRESS_TYPE, AddressType::from_word);
    let provider = Kubernetes {
        connector: KubernetesConnector::new(NAME, context, config),
        service,
        selectors: selectors
            .into_iter()
            .filter_map(|(name, text)| Some((name, text?)))
            .collect(),
        conditions: Conditions {
            namespace: options.text(&NAMESPACE).unwrap_or_default(),
            needs_ready: options.boolean(&READY),
            host_network: options.boolean(&HOST_NETWORK),
            port: options.text(&PORT),
            is_primary_only: address_type.is_none(),
            selection: Selection {
                address_type: address_type.unwrap_or_default(),
                ..Selection::default()
            },
        },
    };
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
        let config = self.connector.config().clone();
        let endpoint = config.endpoint.map(String::from);
        let texts = [
            (ENDPOINT.name, endpoint),
            (KUBECONFIG.name, config.kubeconfig),
            (CONTEXT.name, config.context),
            (NAMESPACE.name, Some(self.conditions.namespace.clone())),
        ];
        let texts = texts.into_iter();
        texts
            .filter_map(|(name, text)| Some((name, text?)))
            .collect()
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let (cluster, client) = self.connector.connect(&KubernetesApi, call).await?;
        let mut conditions = self.conditions.clone();
        if conditions.namespace == SELF {
            let own = cluster.namespace.as_deref();
            own.unwrap_or("default")
                .clone_into(&mut conditions.namespace);
        }
        let list = async || {
            if self.service.is_some() {
                self.list::<EndpointSlice>(&client, &conditions, call).await
            } else {
                self.list::<Pod>(&client, &conditions, call).await
            }
        };
        let listed = match list().await {
            // The snapshot that the pages belong to was compacted away: a new list has a new one.
            Err(Error::Api(error)) if error.status() == 410 => list().await,
            listed => listed,
        };
        let mut discovery = listed.map_err(|error| cluster.explain(error))?;
        add_findings(&mut discovery, &conditions.namespace, &cluster);
        discovery.set_identity(cluster.source);
        Ok(discovery)
    }
}

impl Kubernetes {
    /// Lists the pods or the endpoint slices.
    async fn list<T: Resource>(
        &self,
        client: &ApiClient,
        conditions: &Conditions,
        call: &Call,
    ) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let namespace = conditions.namespace.as_str();
        let selectors = self.selectors.iter();
        let mut query = vec![("limit", PAGE_SIZE)];
        query.extend(selectors.map(|(name, text)| (*name, text.as_str())));
        let operation = format!("list {} in namespace `{namespace}`", T::RESOURCE);
        let path = [T::API, &["namespaces", namespace, T::RESOURCE]].concat();
        let pages = client.pages(client.get(&operation, &path, &query), call);
        let mut pages = pages.ahead("continue", &["metadata", "continue"]);
        while let Some(page) = pages.next_json::<List<T>>().await? {
            pages.follow_query("continue", page.metadata.continue_token)?;
            for item in page.items {
                item.record(conditions, &mut discovery);
            }
        }
        Ok(discovery)
    }
}

/// Says what to do where nothing is found, and warns of a server that isn't verified.
fn add_findings(discovery: &mut Discovery, namespace: &str, cluster: &KubernetesCluster) {
    let is_waiting = |node: &Node| {
        let mut reasons = node.excluded.iter();
        reasons.any(|reason| reason.to_string().starts_with(NOT_READY))
    };
    let source = &cluster.source;
    if discovery.examined() == 0 {
        let finding = Finding::new(format!("nothing matches in namespace `{namespace}`"));
        let other = cluster.namespace.as_ref();
        discovery.add_finding(match other.filter(|other| *other != namespace) {
            Some(other) => finding
                .with_hint(format!("set `namespace={other}`, the namespace of {source}"))
                .with_change(NAMESPACE.name, Some(other)),
            None => finding.with_hint("check `namespace`, the selectors and `service`: `kubectl get pods,endpointslices --all-namespaces --show-labels`"),
        });
    } else if discovery.matched() == 0 && discovery.nodes().iter().any(is_waiting) {
        let hint = "set `ready=false` if pods wait for each other before they are ready";
        let finding = Finding::new("what matches isn't ready").with_hint(hint);
        discovery.add_finding(finding.with_change(READY.name, Some("false")));
    }
    let hint = "set `certificate-authority` in the kubeconfig";
    let server = cluster.server.as_str();
    let option = "insecure-skip-tls-verify";
    cluster.tls.warn(discovery, server, option, hint);
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, context: &Context) -> Vec<String> {
    let fallback = "uses the pod's own cluster when the kubeconfig can't be used";
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
