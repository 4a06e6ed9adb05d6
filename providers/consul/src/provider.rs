//! From options to the one request for each datacenter: `GET /v1/health/service/NAME`.

use async_trait::async_trait;
use cloud_autojoin_core::config::Value;
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Finding, Provider, Result, RoleDocument,
    RoleFormat,
};
use cloud_autojoin_provider_kit::auth::StaticHeader;
use cloud_autojoin_provider_kit::{ApiClient, KeySpec, Options, Values};
use futures::future::try_join_all;
use http::header::HeaderName;
use url::Url;

use crate::api::{ConsulApi, Entry};
use crate::keys::{
    ADDRESS_TYPE, DATACENTER, ENDPOINT, NAMESPACE, PARTITION, PASSING, PORT, SERVICE, TAG, TOKEN,
};
use crate::select::{AddressSource, Conditions, PortSource};

/// The name after `provider=`.
pub(crate) const NAME: &str = "consul";

/// The instances of one service.
#[derive(Debug)]
pub struct Consul {
    client: ApiClient,
    service: String,
    datacenters: Vec<String>,
    namespace: Option<String>,
    partition: Option<String>,
    conditions: Conditions,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let service = options.text(&SERVICE);
    let token = options.secret(&TOKEN).map(|token| {
        StaticHeader::header(
            TOKEN.name,
            HeaderName::from_static("x-consul-token"),
            &token,
        )
    });
    let authorizer = token.and_then(|header| options.accept(header));
    let use_tls = context
        .env()
        .filled("CONSUL_HTTP_SSL")
        .is_some_and(|text| matches!(text.as_str(), "1" | "true" | "TRUE" | "True" | "t" | "T"));
    let endpoint = options
        .text(&ENDPOINT)
        .map(|text| endpoint(&text, use_tls, options.is_given(&TOKEN)));
    let endpoint = endpoint.and_then(|endpoint| options.accept(endpoint));
    let port = options
        .text(&PORT)
        .map_or(Ok(PortSource::None), |text| port(&text));
    let port = options.accept(port).unwrap_or(PortSource::None);
    let address = options
        .word(&ADDRESS_TYPE, AddressSource::from_word)
        .unwrap_or(AddressSource::Service);
    let conditions = Conditions {
        tags: options.list(&TAG),
        passing: options.boolean(&PASSING),
        address,
        port,
    };
    let (datacenters, namespace, partition) = (
        options.list(&DATACENTER),
        options.text(&NAMESPACE),
        options.text(&PARTITION),
    );
    options.finish(|| {
        let mut client = ApiClient::new(context, &ConsulApi, endpoint?);
        if let Some(authorizer) = authorizer {
            client = client.with_authorizer(authorizer);
        }
        Some(Box::new(Consul {
            client,
            service: service?,
            datacenters,
            namespace,
            partition,
            conditions,
        }) as Box<dyn Provider>)
    })
}

/// Reads `host:port` as Consul's own command does, or a URL. A token goes out in plain text to this
/// machine only.
fn endpoint(text: &str, use_tls: bool, has_token: bool) -> Result<Url, ConfigProblem> {
    const PLAIN: KeySpec = ENDPOINT.values(Values::Url);
    const SECRET: KeySpec = ENDPOINT.values(Values::Endpoint);
    if text.starts_with("unix:") {
        let problem = ConfigProblem::of_key(
            ENDPOINT.name,
            format!(
                "`{}` is a Unix socket, which isn't supported",
                ENDPOINT.name
            ),
        );
        return Err(problem.with_hint("write the agent's HTTP address, such as `127.0.0.1:8500`"));
    }
    let url = match (text.contains("://"), use_tls) {
        (true, _) => text.to_owned(),
        (false, true) => format!("https://{text}"),
        (false, false) => format!("http://{text}"),
    };
    let value = if has_token {
        Value::from_key(&SECRET, ENDPOINT.name, &url).endpoint()
    } else {
        Value::from_key(&PLAIN, ENDPOINT.name, &url).url()
    };
    value.map_err(|error| {
        let problem = ConfigProblem::of_key(ENDPOINT.name, error.to_string());
        problem
            .with_hint("write `host:port` or a URL; a token goes to another machine by https only")
    })
}

fn port(text: &str) -> Result<PortSource, ConfigProblem> {
    match (text, text.parse()) {
        ("service", _) => Ok(PortSource::Service),
        (_, Ok(port)) if port > 0 => Ok(PortSource::Fixed(port)),
        _ => Err(ConfigProblem::of_key(
            PORT.name,
            format!(
                "`{}` must be `service` or a number from 1 to 65535",
                PORT.name
            ),
        )),
    }
}

#[async_trait]
impl Provider for Consul {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let tags = &self.conditions.tags;
        let tags = if tags.is_empty() {
            String::new()
        } else {
            format!(" with tag `{}`", tags.join("` and `"))
        };
        format!(
            "instances of service `{}`{tags}{}",
            self.service,
            self.place()
        )
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        let mut scope = vec![(ENDPOINT.name, self.client.endpoint().to_string())];
        let others = [
            (NAMESPACE.name, &self.namespace),
            (PARTITION.name, &self.partition),
        ];
        scope.extend(
            others
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.clone()?))),
        );
        scope
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let own = [None];
        let chosen: Vec<Option<&str>> = self
            .datacenters
            .iter()
            .map(|name| Some(name.as_str()))
            .collect();
        let datacenters = if chosen.is_empty() { &own[..] } else { &chosen };
        let lists = try_join_all(
            datacenters
                .iter()
                .map(|datacenter| self.list(*datacenter, call)),
        )
        .await?;
        for entry in lists.into_iter().flatten() {
            discovery.record(self.conditions.node(entry));
        }
        if discovery.examined() == 0 {
            let finding = Finding::new(format!(
                "no instance of service `{}` is registered{}",
                self.service,
                self.place()
            ));
            discovery
                .add_finding(finding.with_hint("check `service`, `datacenter` and `namespace`; without a token that may read a service, Consul lists nothing"));
        }
        if let Some(identity) = self.client.identity() {
            discovery.set_identity(identity);
        }
        Ok(discovery)
    }
}

impl Consul {
    fn place(&self) -> String {
        if self.datacenters.is_empty() {
            String::new()
        } else {
            format!(" in datacenter `{}`", self.datacenters.join("`, `"))
        }
    }

    /// The instances in one datacenter, or in the agent's.
    async fn list(&self, datacenter: Option<&str>, call: &Call) -> Result<Vec<Entry>> {
        let operation = format!("list the instances of service `{}`", self.service);
        let parameters = [
            ("dc", datacenter),
            ("ns", self.namespace.as_deref()),
            ("partition", self.partition.as_deref()),
        ];
        let query: Vec<(&str, &str)> = parameters
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        self.client
            .json(
                self.client.get(
                    &operation,
                    &["v1", "health", "service", &self.service],
                    &query,
                ),
                call,
            )
            .await
    }
}

/// The policy of a token that can do this and nothing else.
pub(crate) fn role(config: &ConfigString, _: &Context, _: RoleFormat) -> Result<RoleDocument> {
    let service = config
        .get(SERVICE.name)
        .unwrap_or("SERVICE")
        .replace(['"', '\\'], "");
    let text = format!(
        "service \"{service}\" {{\n  policy = \"read\"\n}}\nnode_prefix \"\" {{\n  policy = \"read\"\n}}\n"
    );
    Ok(RoleDocument::new(text)
        .with_note("these are the rules of a policy for `consul acl policy create -rules @FILE`"))
}
