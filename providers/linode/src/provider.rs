//! From options to `GET /linode/instances` and, for addresses in VPCs, `GET /vpcs/ips` beside it.

use async_trait::async_trait;
use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Provider, Result, RoleDocument,
    RoleFormat,
};
use cloud_autojoin_provider_kit::auth::StaticHeader;
use cloud_autojoin_provider_kit::go_discover::{Always, Given, Several, differences};
use cloud_autojoin_provider_kit::{ApiClient, Options, Places, Selection, TagFilter};
use http::header::{HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::api::{API, Instance, LIST_VPC_ADDRESSES, Page, VpcAddress};
use crate::keys::{
    ADDRESS_TYPE, API_TOKEN, API_VERSION, ENDPOINT, NAME, POWER_STATE, REGION, TAG_NAME, VPC_V4,
};
use crate::select::{VpcAddresses, instance};

/// The most items the API gives in one page.
const PAGE_SIZE: [(&str, &str); 1] = [("page_size", "500")];

/// Linodes of one account, by tag and region.
#[derive(Debug)]
pub struct Linode {
    client: ApiClient,
    version: String,
    filter: HeaderValue,
    selection: Selection,
    vpc: bool,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let authorizer = StaticHeader::bearer_from(options, &API_TOKEN);
    let selection = Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE)
        // The service compares the tag of `X-Filter` without case.
        .with_tags(TagFilter::of_names(options.list(&TAG_NAME)).without_case())
        .with_places(Places::new("region", options.list(&REGION)));
    let vpc = options.text(&ADDRESS_TYPE).as_deref() == Some(VPC_V4);
    let filter = options.accept(filter(&selection));
    let (endpoint, version) = (options.endpoint(&ENDPOINT), options.text(&API_VERSION));
    options.finish(|| {
        let client = ApiClient::new(context, &API, endpoint?).with_authorizer(authorizer?);
        Some(Box::new(Linode {
            client,
            version: version?,
            filter: filter?,
            selection,
            vpc,
        }) as Box<dyn Provider>)
    })
}

/// The `X-Filter` that narrows the list on the server: to the first tag, and the region if it is
/// one.
fn filter(selection: &Selection) -> Result<HeaderValue, ConfigProblem> {
    let mut filter = Map::new();
    if let [region] = selection.places.names() {
        filter.insert("region".into(), Value::from(region.as_str()));
    }
    if !selection.tags.is_empty() {
        filter.insert("tags".into(), Value::from(selection.tags.first_name()));
    }
    let text = Value::Object(filter).to_string();
    HeaderValue::from_str(&text).map_err(|_| {
        ConfigProblem::of_key(
            TAG_NAME.name,
            "`tag_name` and `region` can't have control characters",
        )
    })
}

#[async_trait]
impl Provider for Linode {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        self.selection.subject("Linodes")
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let (linodes, vpc) = futures::try_join!(self.instances(call), self.vpc_addresses(call))?;
        let instances = linodes
            .into_iter()
            .map(|linode| instance(linode, vpc.as_ref()));
        self.selection.record(&mut discovery, instances);
        let nothing = "no Linode of the account matches the tag and the region";
        let hint = "check `tag_name` and `region`, and that the token's user may see the Linodes; `linode-cli linodes list --tags TAG` shows those with a tag";
        Ok(self.client.conclude(discovery, nothing, hint))
    }
}

impl Linode {
    async fn instances(&self, call: &Call) -> Result<Vec<Instance>> {
        let path = [&self.version, "linode", "instances"];
        let request = self.client.get("list Linodes", &path, &PAGE_SIZE);
        let filter = HeaderName::from_static("x-filter");
        self.list(request.header(filter, self.filter.clone()), call)
            .await
    }

    /// The addresses in VPCs of the whole account, where they are wanted: one list instead of a
    /// request for each Linode.
    async fn vpc_addresses(&self, call: &Call) -> Result<Option<VpcAddresses>> {
        if !self.vpc {
            return Ok(None);
        }
        let path = [&self.version, "vpcs", "ips"];
        let request = self.client.get(LIST_VPC_ADDRESSES, &path, &PAGE_SIZE);
        let mut addresses = VpcAddresses::new();
        for address in self.list::<VpcAddress>(request, call).await? {
            if let (Some(id), Some(_)) = (address.linode_id, &address.address) {
                addresses.entry(id).or_default().push(address);
            }
        }
        Ok(Some(addresses))
    }

    async fn list<T: DeserializeOwned>(&self, request: Request, call: &Call) -> Result<Vec<T>> {
        let read = |page: Page<T>, _: &_| (page.next(), page.data);
        let pages = self.client.pages(request, call);
        pages.collect_by_query("page", read).await
    }
}

/// The scopes of a token that can do this and nothing else.
pub(crate) fn role(config: &ConfigString, _: &Context, _: RoleFormat) -> Result<RoleDocument> {
    let vpc = if config.get(ADDRESS_TYPE.name) == Some(VPC_V4) {
        "ips:read_only\n"
    } else {
        ""
    };
    let document = RoleDocument::new(format!("linodes:read_only\n{vpc}"));
    Ok(document.with_note("these are the scopes of a personal access token, one a line"))
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let table = [
        (
            Always,
            "makes one request more for each Linode, one after the other",
        ),
        (
            Several(&TAG_NAME),
            "takes `tag_name` as the name of one tag",
        ),
        (Several(&REGION), "takes `region` as one region"),
        (
            Given(&POWER_STATE),
            "ignores `power_state` and returns Linodes in any state",
        ),
    ];
    differences(config, &table)
}
