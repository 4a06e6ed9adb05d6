//! From options to `GET /linode/instances` and, for addresses in VPCs, `GET /vpcs/ips` beside it.

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Finding, Provider, Result, RoleDocument,
    RoleFormat,
};
use cloud_autojoin_provider_kit::auth::StaticHeader;
use cloud_autojoin_provider_kit::{AddressType, ApiClient, Options, PowerState, Selection};
use http::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::api::{Instance, LinodeApi, Page, VpcAddress};
use crate::keys::{
    ADDRESS_TYPE, ADDRESS_TYPES, API_TOKEN, API_VERSION, ENDPOINT, POWER_STATE, REGION, TAG_NAME,
};
use crate::select::{Conditions, VpcAddresses};

/// The name after `provider=`.
pub(crate) const NAME: &str = "linode";

/// The operation that needs a scope of its own.
pub(crate) const LIST_VPC_ADDRESSES: &str = "list VPC addresses";

/// The most items the API gives in one page.
const PAGE_SIZE: &str = "500";

const VPC_V4: &str = "vpc_v4";

/// Linodes of one account, by tag and region.
#[derive(Debug)]
pub struct Linode {
    client: ApiClient,
    version: String,
    filter: HeaderValue,
    conditions: Conditions,
    selection: Selection,
    vpc: bool,
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
    let filter = options.accept(filter(&conditions));
    let address_type = options.word(&ADDRESS_TYPE, |word| {
        ADDRESS_TYPES.iter().find(|known| **known == word).copied()
    });
    let selection = Selection {
        address_type: address_type
            .and_then(AddressType::from_word)
            .unwrap_or(AddressType::PrivateV4),
        power_state: options
            .word(&POWER_STATE, PowerState::from_word)
            .unwrap_or_default(),
        ..Selection::default()
    };
    let (endpoint, version) = (options.endpoint(&ENDPOINT), options.text(&API_VERSION));
    options.finish(|| {
        let client = ApiClient::new(context, &LinodeApi, endpoint?).with_authorizer(authorizer?);
        let vpc = address_type == Some(VPC_V4);
        Some(Box::new(Linode {
            client,
            version: version?,
            filter: filter?,
            conditions,
            selection,
            vpc,
        }) as Box<dyn Provider>)
    })
}

/// The `X-Filter` that narrows the list on the server: to the first tag, and the region if it is
/// one.
fn filter(conditions: &Conditions) -> Result<HeaderValue, ConfigProblem> {
    let mut filter = Map::new();
    if let [region] = conditions.regions.as_slice() {
        filter.insert("region".into(), Value::from(region.as_str()));
    }
    if let Some(tag) = conditions.tags.first() {
        filter.insert("tags".into(), Value::from(tag.as_str()));
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
        let Conditions { tags, regions } = &self.conditions;
        let tags = if tags.is_empty() {
            String::new()
        } else {
            format!(" with tag `{}`", tags.join("` and `"))
        };
        let place = if regions.is_empty() {
            String::new()
        } else {
            format!(" in region `{}`", regions.join("`, `"))
        };
        format!("Linodes{tags}{place}")
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let (linodes, vpc) = futures::try_join!(self.instances(call), self.vpc_addresses(call))?;
        for linode in linodes {
            discovery.record(
                self.selection
                    .apply(self.conditions.instance(linode, vpc.as_ref())),
            );
        }
        if discovery.examined() == 0 {
            let finding = Finding::new("no Linode of the account matches the tag and the region");
            discovery.add_finding(finding.with_hint(
                "check `tag_name` and `region`, and that the token's user may see the Linodes; `linode-cli linodes list --tags TAG` shows those with a tag",
            ));
        }
        if let Some(identity) = self.client.identity() {
            discovery.set_identity(identity);
        }
        Ok(discovery)
    }
}

impl Linode {
    async fn instances(&self, call: &Call) -> Result<Vec<Instance>> {
        let request = self.client.get(
            "list Linodes",
            &[&self.version, "linode", "instances"],
            &[("page_size", PAGE_SIZE)],
        );
        let mut pages = self.client.pages(
            request.header(HeaderName::from_static("x-filter"), self.filter.clone()),
            call,
        );
        let mut linodes = Vec::new();
        while let Some(page) = pages.next_json::<Page<Instance>>().await? {
            pages.follow_query("page", page.next())?;
            linodes.extend(page.data);
        }
        Ok(linodes)
    }

    /// The addresses in VPCs of the whole account, where they are wanted: one list instead of a
    /// request for each Linode.
    async fn vpc_addresses(&self, call: &Call) -> Result<Option<VpcAddresses>> {
        if !self.vpc {
            return Ok(None);
        }
        let request = self.client.get(
            LIST_VPC_ADDRESSES,
            &[&self.version, "vpcs", "ips"],
            &[("page_size", PAGE_SIZE)],
        );
        let mut pages = self.client.pages(request, call);
        let mut addresses = VpcAddresses::new();
        while let Some(page) = pages.next_json::<Page<VpcAddress>>().await? {
            pages.follow_query("page", page.next())?;
            for address in page.data {
                if let (Some(id), Some(_)) = (address.linode_id, &address.address) {
                    addresses.entry(id).or_default().push(address);
                }
            }
        }
        Ok(Some(addresses))
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
    let mut differences =
        vec!["makes one request more for each Linode, one after the other".to_owned()];
    if [TAG_NAME.name, REGION.name]
        .iter()
        .any(|key| config.get(key).is_some_and(|text| text.contains(',')))
    {
        differences.push("takes `tag_name` and `region` as one name".to_owned());
    }
    if config.get(POWER_STATE.name).is_some() {
        differences.push("ignores `power_state` and returns Linodes in any state".to_owned());
    }
    differences
}
