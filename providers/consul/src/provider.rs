//! From options to the one request for each datacenter: `GET /v1/health/service/NAME`.

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Provider, Result, RoleDocument,
    RoleFormat,
};
use cloud_autojoin_provider_kit::auth::TokenFileHeader;
use cloud_autojoin_provider_kit::keys::{INSECURE, endpoint_or_host};
use cloud_autojoin_provider_kit::role::hcl_string;
use cloud_autojoin_provider_kit::tls::{TlsFiles, TlsReloader};
use cloud_autojoin_provider_kit::{ApiClient, Options, Places, Selection, TagFilter};
use futures::future::try_join_all;

use crate::api::{ConsulApi, Entry};
use crate::keys::{
    ADDRESS_TYPE, DATACENTER, ENDPOINT, KEYS, NAME, NAMESPACE, PARTITION, PASSING, PORT, SERVICE,
    TAG, TOKEN, TOKEN_FILE,
};
use crate::select::Conditions;

/// The instances of one service.
#[derive(Debug)]
pub struct Consul {
    client: ApiClient,
    tls: TlsReloader,
    service: String,
    datacenters: Places,
    /// Empty if it isn't given, as `partition`.
    namespace: String,
    partition: String,
    conditions: Conditions,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let authorizer = TokenFileHeader::from_options(options, &TOKEN, &TOKEN_FILE, "x-consul-token");
    let use_tls = options.boolean_variable("CONSUL_HTTP_SSL") == Some(true);
    let scheme = if use_tls { "https" } else { "http" };
    let endpoint = endpoint_or_host(options, &ENDPOINT, scheme, authorizer.is_some());
    let mut tls_files = TlsFiles::from_options(options, KEYS);
    if !options.is_given(&INSECURE) {
        tls_files.insecure = options.boolean_variable("CONSUL_HTTP_SSL_VERIFY") == Some(false);
    }
    let given_port = options.text(&PORT);
    let conditions = Conditions {
        // Consul compares tags without case.
        tags: TagFilter::of_names(options.list(&TAG)).without_case(),
        passing: options.boolean(&PASSING),
        address_type: options.word(&ADDRESS_TYPE, Some).unwrap_or_default(),
        port: given_port.and_then(|text| options.accept(port(&text))),
    };
    let datacenters = Places::new("datacenter", options.list(&DATACENTER));
    let (service, namespace) = (options.text(&SERVICE), options.text(&NAMESPACE));
    let partition = options.text(&PARTITION).unwrap_or_default();
    options.finish(|| {
        let client = ApiClient::new(context, &ConsulApi, endpoint?);
        Some(Box::new(Consul {
            client: client.with_optional_authorizer(authorizer),
            tls: TlsReloader::new(tls_files),
            service: service?,
            datacenters,
            namespace: namespace.unwrap_or_default(),
            partition,
            conditions,
        }) as Box<dyn Provider>)
    })
}

/// The port that is given, or 0 for the service's own.
fn port(text: &str) -> Result<u16, ConfigProblem> {
    let range = "`port` must be `service` or a number from 1 to 65535";
    match text.parse() {
        _ if text == "service" => Ok(0),
        Ok(port) if port > 0 => Ok(port),
        _ => Err(ConfigProblem::of_key(PORT.name, range)),
    }
}

#[async_trait]
impl Provider for Consul {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        Selection::default()
            .with_tags(self.conditions.tags.clone())
            .with_places(self.datacenters.clone())
            .subject(&format!("instances of service `{}`", self.service))
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        vec![
            (ENDPOINT.name, self.client.endpoint().to_string()),
            (NAMESPACE.name, self.namespace.clone()),
            (PARTITION.name, self.partition.clone()),
        ]
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let (own, names) = (&[String::new()][..], self.datacenters.names());
        let datacenters = if names.is_empty() { own } else { names };
        let (client, tls) = &self.tls.apply(&self.client).await?;
        let lists = datacenters.iter().map(|name| self.list(client, name, call));
        for entry in try_join_all(lists).await?.into_iter().flatten() {
            discovery.record(self.conditions.node(entry));
        }
        let nothing = format!("no instance of service `{}` is registered", self.service);
        let hint = "check `service`, `datacenter` and `namespace`; without a token that may read a service, Consul lists nothing";
        let option = "insecure=true` or `CONSUL_HTTP_SSL_VERIFY=false";
        tls.warn(&mut discovery, "the agent", option, "set `ca_file` instead");
        Ok(client.conclude(discovery, &nothing, hint))
    }
}

impl Consul {
    /// The instances in one datacenter; in the agent's if it has no name.
    async fn list(&self, client: &ApiClient, datacenter: &str, call: &Call) -> Result<Vec<Entry>> {
        let operation = format!("list the instances of service `{}`", self.service);
        let mut query = vec![
            ("dc", datacenter),
            ("ns", &self.namespace),
            ("partition", &self.partition),
        ];
        query.retain(|(_, value)| !value.is_empty());
        let path = ["v1", "health", "service", &self.service];
        let request = client.get(&operation, &path, &query);
        client.json(request, call).await
    }
}

/// The policy of a token that can do this and nothing else.
pub(crate) fn role(config: &ConfigString, _: &Context, _: RoleFormat) -> Result<RoleDocument> {
    let service = hcl_string(config.get(SERVICE.name).unwrap_or("SERVICE"));
    let text = format!(
        "service {service} {{\n  policy = \"read\"\n}}\nnode_prefix \"\" {{\n  policy = \"read\"\n}}\n"
    );
    Ok(RoleDocument::new(text)
        .with_note("these are the rules of a policy for `consul acl policy create -rules @FILE`"))
}
