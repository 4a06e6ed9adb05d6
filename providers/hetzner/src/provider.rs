//! From options to `GET /v1/servers`, page by page, and the id of the network beside it.

use async_trait::async_trait;
use cloud_autojoin_core::{Call, Context, Discovery, Finding, Provider, Result};
use cloud_autojoin_provider_kit::auth::StaticHeader;
use cloud_autojoin_provider_kit::{ApiClient, Options, Places, Selection};

use crate::api::{API, NetworkPage, Server, ServerPage};
use crate::keys::{
    ADDRESS_TYPE, API_TOKEN, ENDPOINT, LABEL_SELECTOR, LOCATION, NAME, NETWORK, POWER_STATE,
};
use crate::select::Network;

/// The most servers the API gives in one page.
const PAGE_SIZE: &str = "50";

/// Servers of one project, by label selector.
#[derive(Debug)]
pub struct Hetzner {
    client: ApiClient,
    label_selector: String,
    /// The name or id of the network, as it was given.
    network: Option<String>,
    selection: Selection,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let authorizer = StaticHeader::bearer_from(options, &API_TOKEN);
    let (label_selector, network) = (options.text(&LABEL_SELECTOR), options.text(&NETWORK));
    let selection = Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE)
        .with_places(Places::new("location", options.list(&LOCATION)));
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
        let client = ApiClient::new(context, &API, endpoint?).with_authorizer(authorizer?);
        Some(Box::new(Hetzner {
            client,
            label_selector: label_selector?,
            network,
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
        let labels = format!("servers with labels `{}`", self.label_selector);
        let network = self.network.as_ref();
        let network = network.map_or_else(String::new, |name| format!(" in network `{name}`"));
        self.selection.subject(&labels) + &network
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let (network, servers) = futures::try_join!(self.network(call), self.servers(call))?;
        if let Some(Network { name, id: None }) = &network {
            let finding = Finding::new(format!("the project has no network `{name}`"));
            let hint = "check `network`; `hcloud network list` shows the networks of the project";
            discovery.add_finding(finding.with_hint(hint));
        }
        let instances = servers
            .into_iter()
            .map(|server| server.instance(network.as_ref()));
        self.selection.record(&mut discovery, instances);
        let nothing = format!(
            "no server of the project matches the label selector `{}`",
            self.label_selector
        );
        let hint = "check `label_selector`, and that the token is of the project with the servers; `hcloud server list -o columns=name,labels` shows their labels";
        Ok(self.client.conclude(discovery, &nothing, hint))
    }
}

impl Hetzner {
    async fn servers(&self, call: &Call) -> Result<Vec<Server>> {
        let query = [
            ("label_selector", self.label_selector.as_str()),
            ("per_page", PAGE_SIZE),
        ];
        let request = self.client.get("list servers", &["v1", "servers"], &query);
        let pages = self.client.pages(request, call);
        let read = |page: ServerPage, _: &_| (page.next(), page.servers);
        pages.collect_by_query("page", read).await
    }

    /// The network with its id, which is requested where its name was given.
    async fn network(&self, call: &Call) -> Result<Option<Network>> {
        let Some(name) = self.network.clone() else {
            return Ok(None);
        };
        let mut id = name.parse().ok();
        if id.is_none() {
            let path = ["v1", "networks"];
            let request = self.client.get("list networks", &path, &[("name", &name)]);
            let page: NetworkPage = self.client.json(request, call).await?;
            id = page.networks.first().map(|network| network.id);
        }
        Ok(Some(Network { name, id }))
    }
}
