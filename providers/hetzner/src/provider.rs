//! From options to `GET /v1/servers`, page by page, and the id of the network beside it.

use async_trait::async_trait;
use cloud_autojoin_core::{Call, Context, Discovery, Finding, Provider, Result};
use cloud_autojoin_provider_kit::auth::StaticHeader;
use cloud_autojoin_provider_kit::{AddressType, ApiClient, Options, PowerState, Selection};

use crate::api::{HetznerApi, NetworkPage, Server, ServerPage};
use crate::keys::{
    ADDRESS_TYPE, API_TOKEN, ENDPOINT, LABEL_SELECTOR, LOCATION, NETWORK, POWER_STATE,
};
use crate::select::Conditions;

/// The name after `provider=`.
pub(crate) const NAME: &str = "hetzner";

/// The most servers the API gives in one page.
const PAGE_SIZE: &str = "50";

/// Servers of one project, by label selector.
#[derive(Debug)]
pub struct Hetzner {
    client: ApiClient,
    label_selector: String,
    conditions: Conditions,
    selection: Selection,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let token = options
        .secret(&API_TOKEN)
        .map(|token| StaticHeader::bearer(API_TOKEN.name, &token));
    let authorizer = token.and_then(|header| options.accept(header));
    let label_selector = options.text(&LABEL_SELECTOR);
    let conditions = Conditions {
        locations: options.list(&LOCATION),
        network: options.text(&NETWORK),
    };
    let selection = Selection {
        address_type: options
            .word(&ADDRESS_TYPE, AddressType::from_word)
            .unwrap_or_default(),
        power_state: options
            .word(&POWER_STATE, PowerState::from_word)
            .unwrap_or_default(),
        ..Selection::default()
    };
    // `HCLOUD_ENDPOINT` of Hetzner's own tools has the version in it.
    let endpoint = options.endpoint(&ENDPOINT).map(|mut url| {
        let path = url
            .path()
            .trim_end_matches('/')
            .trim_end_matches("/v1")
            .to_owned();
        url.set_path(&path);
        url
    });
    options.finish(|| {
        let client = ApiClient::new(context, &HetznerApi, endpoint?).with_authorizer(authorizer?);
        Some(Box::new(Hetzner {
            client,
            label_selector: label_selector?,
            conditions,
            selection,
        }) as Box<dyn Provider>)
    })
}

#[async_trait]
impl Provider for Hetzner {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let mut subject = format!("servers with labels `{}`", self.label_selector);
        if !self.conditions.locations.is_empty() {
            subject += &format!(" in location `{}`", self.conditions.locations.join("`, `"));
        }
        if let Some(network) = &self.conditions.network {
            subject += &format!(" in network `{network}`");
        }
        subject
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let (network, servers) = futures::try_join!(self.network_id(call), self.servers(call))?;
        let found = servers.len();
        match (&self.conditions.network, network) {
            (Some(name), None) => {
                let finding = Finding::new(format!("the project has no network `{name}`"));
                discovery.add_finding(finding.with_hint(
                    "check `network`; `hcloud network list` shows the networks of the project",
                ));
            }
            _ => servers.into_iter().for_each(|server| {
                discovery.record(
                    self.selection
                        .apply(self.conditions.instance(server, network)),
                )
            }),
        }
        if found == 0 {
            let finding = Finding::new(format!(
                "no server of the project matches the label selector `{}`",
                self.label_selector
            ));
            discovery.add_finding(finding.with_hint(
                "check `label_selector`, and that the token is of the project with the servers; `hcloud server list -o columns=name,labels` shows their labels",
            ));
        }
        if let Some(identity) = self.client.identity() {
            discovery.set_identity(identity);
        }
        Ok(discovery)
    }
}

impl Hetzner {
    async fn servers(&self, call: &Call) -> Result<Vec<Server>> {
        let query = [
            ("label_selector", self.label_selector.as_str()),
            ("per_page", PAGE_SIZE),
        ];
        let mut pages = self.client.pages(
            self.client.get("list servers", &["v1", "servers"], &query),
            call,
        );
        let mut servers = Vec::new();
        while let Some(page) = pages.next_json::<ServerPage>().await? {
            pages.follow_query("page", page.next())?;
            servers.extend(page.servers);
        }
        Ok(servers)
    }

    /// The id of the network, which is requested where its name was given.
    async fn network_id(&self, call: &Call) -> Result<Option<u64>> {
        let Some(network) = &self.conditions.network else {
            return Ok(None);
        };
        if let Ok(id) = network.parse() {
            return Ok(Some(id));
        }
        let request = self
            .client
            .get("list networks", &["v1", "networks"], &[("name", network)]);
        let page: NetworkPage = self.client.json(request, call).await?;
        Ok(page.networks.first().map(|network| network.id))
    }
}
