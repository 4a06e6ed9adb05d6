//! From options to the one request there is: `GET /v2/droplets`, page by page.

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigString, Context, Discovery, Provider, Result, RoleDocument, RoleFormat,
};
use cloud_autojoin_provider_kit::auth::StaticHeader;
use cloud_autojoin_provider_kit::go_discover::{Absent, Several, differences};
use cloud_autojoin_provider_kit::{ApiClient, Options, Places, Selection, TagFilter};

use crate::api::{API, DropletPage};
use crate::keys::{ADDRESS_TYPE, API_TOKEN, ENDPOINT, NAME, POWER_STATE, REGION, TAG_NAME};

/// The most droplets the API gives in one page.
const PAGE_SIZE: &str = "200";

/// Droplets of one account, by tag.
#[derive(Debug)]
pub struct DigitalOcean {
    client: ApiClient,
    selection: Selection,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let authorizer = StaticHeader::bearer_from(options, &API_TOKEN);
    let selection = Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE)
        .with_tags(TagFilter::of_names(options.list(&TAG_NAME)))
        .with_places(Places::new("region", options.list(&REGION)));
    let endpoint = options.endpoint(&ENDPOINT);
    options.finish(|| {
        let client = ApiClient::new(context, &API, endpoint?).with_authorizer(authorizer?);
        Some(Box::new(DigitalOcean { client, selection }) as Box<dyn Provider>)
    })
}

#[async_trait]
impl Provider for DigitalOcean {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        self.selection.subject("droplets")
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let tag = self.selection.tags.first_name();
        let query = [("per_page", PAGE_SIZE), ("tag_name", tag)];
        let request = self
            .client
            .get("list droplets", &["v2", "droplets"], &query);
        let mut pages = self.client.pages(request, call);
        while let Some(page) = pages.next_json::<DropletPage>().await? {
            pages.follow_link(page.next())?;
            self.selection.record(&mut discovery, page.droplets);
        }
        let nothing = format!("no droplet has the tag `{tag}`");
        let hint = "check `tag_name`; `doctl compute tag list` shows the tags of the account";
        Ok(self.client.conclude(discovery, &nothing, hint))
    }
}

/// The scopes of a token that can do this and nothing else.
pub(crate) fn role(_: &ConfigString, _: &Context, _: RoleFormat) -> Result<RoleDocument> {
    Ok(RoleDocument::new("droplet:read\n")
        .with_note("these are the custom scopes of a personal access token, one a line"))
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let table = [
        (Absent(&API_TOKEN), "reads the token from `api_token` only"),
        (
            Several(&TAG_NAME),
            "takes `tag_name` as the name of one tag",
        ),
    ];
    differences(config, &table)
}
