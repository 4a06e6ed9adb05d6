//! From options to the one request there is: `GET /v2/droplets`, page by page.

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigString, Context, Discovery, Finding, Provider, Result, RoleDocument, RoleFormat,
};
use cloud_autojoin_provider_kit::auth::StaticHeader;
use cloud_autojoin_provider_kit::{AddressType, ApiClient, Options, PowerState, Selection};

use crate::api::{DigitalOceanApi, DropletPage};
use crate::keys::{ADDRESS_TYPE, API_TOKEN, ENDPOINT, POWER_STATE, REGION, TAG_NAME};
use crate::select::Conditions;

/// The name after `provider=`.
pub(crate) const NAME: &str = "digitalocean";

/// The most droplets the API gives in one page.
const PAGE_SIZE: &str = "200";

/// Droplets of one account, by tag.
#[derive(Debug)]
pub struct DigitalOcean {
    client: ApiClient,
    conditions: Conditions,
    selection: Selection,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let token = options
        .secret(&API_TOKEN)
        .map(|token| StaticHeader::bearer(API_TOKEN.name, &token));
    let authorizer = token.and_then(|header| options.accept(header));
    let conditions = Conditions {
        tags: options.list(&TAG_NAME),
        regions: options.list(&REGION),
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
    let endpoint = options.endpoint(&ENDPOINT);
    options.finish(|| {
        let client =
            ApiClient::new(context, &DigitalOceanApi, endpoint?).with_authorizer(authorizer?);
        Some(Box::new(DigitalOcean {
            client,
            conditions,
            selection,
        }) as Box<dyn Provider>)
    })
}

#[async_trait]
impl Provider for DigitalOcean {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let Conditions { tags, regions } = &self.conditions;
        let place = if regions.is_empty() {
            String::new()
        } else {
            format!(" in region `{}`", regions.join("`, `"))
        };
        format!("droplets with tag `{}`{place}", tags.join("` and `"))
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let tag = self.conditions.tags.first().map_or("", String::as_str);
        let query = [("per_page", PAGE_SIZE), ("tag_name", tag)];
        let mut pages = self.client.pages(
            self.client
                .get("list droplets", &["v2", "droplets"], &query),
            call,
        );
        while let Some(page) = pages.next_json::<DropletPage>().await? {
            pages.follow_link(page.next())?;
            for droplet in page.droplets {
                discovery.record(self.selection.apply(self.conditions.instance(droplet)));
            }
        }
        if discovery.examined() == 0 {
            discovery.add_finding(
                Finding::new(format!("no droplet has the tag `{tag}`")).with_hint(
                    "check `tag_name`; `doctl compute tag list` shows the tags of the account",
                ),
            );
        }
        if let Some(identity) = self.client.identity() {
            discovery.set_identity(identity);
        }
        Ok(discovery)
    }
}

/// The scopes of a token that can do this and nothing else.
pub(crate) fn role(_: &ConfigString, _: &Context, _: RoleFormat) -> Result<RoleDocument> {
    Ok(RoleDocument::new("droplet:read\n")
        .with_note("these are the custom scopes of a personal access token, one a line"))
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let mut differences = Vec::new();
    if config.get(API_TOKEN.name).is_none() {
        differences.push("reads the token from `api_token` only".to_owned());
    }
    if config
        .get(TAG_NAME.name)
        .is_some_and(|tags| tags.contains(','))
    {
        differences.push("takes `tag_name` as the name of one tag".to_owned());
    }
    differences
}
