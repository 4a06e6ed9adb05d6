//! From options to `DescribeInstances`, page by page, in every region.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{
    Call, ConfigString, Context, Discovery, Provider, Result, RoleDocument, RoleFormat,
};
use cloud_autojoin_provider_kit::auth::{InstanceMetadata, InstanceRole, SigningAuthorizer};
use cloud_autojoin_provider_kit::go_discover::{Absent, Always, Given, Several, differences};
use cloud_autojoin_provider_kit::keys::{TAG, TAG_KEY, TAG_VALUE, regional_endpoint};
use cloud_autojoin_provider_kit::{ApiClient, Instance, Options, Places, Selection, TagFilter};
use url::Url;

use crate::api::{API, InstancePage, PERMISSION};
use crate::keys::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, ADDRESS_TYPE, ENDPOINT, METADATA_ENDPOINT, NAME, POWER_STATE,
    REGION, SECURITY_TOKEN,
};
use crate::select;
use crate::signature::sign;

/// The most instances the API gives in one page.
const PAGE_SIZE: &str = "100";

/// ECS instances of one account, by tag.
#[derive(Debug)]
pub struct Aliyun {
    /// The client of each region.
    clients: Vec<ApiClient>,
    selection: Selection,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let regions = options.list(&REGION);
    let tags = TagFilter::from_options(options, &TAG_KEY, &TAG_VALUE, &[&TAG]);
    let authorizer = authorizer(options, context);
    let given = options.endpoint(&ENDPOINT);
    let endpoint = |region: &String| {
        let of_region = || {
            let host = "ecs.REGION.aliyuncs.com";
            options.accept(regional_endpoint(REGION.name, host, region, "cn-hangzhou"))
        };
        given.clone().or_else(of_region)
    };
    let endpoints: Vec<Url> = regions.iter().filter_map(endpoint).collect();
    let selection = Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE)
        .with_tags(tags)
        .with_places(Places::new("region", regions));
    options.finish(|| {
        let authorizer = authorizer?;
        let client =
            |url| ApiClient::new(context, &API, url).with_authorizer(Arc::clone(&authorizer));
        let clients = endpoints.into_iter().map(client).collect();
        Some(Box::new(Aliyun { clients, selection }) as Box<dyn Provider>)
    })
}

/// Signs with the access key that is given, else with that of the RAM role.
fn authorizer(options: &mut Options<'_>, context: &Context) -> Option<Arc<dyn Authorizer>> {
    let base = options.url(&METADATA_ENDPOINT)?;
    let metadata = InstanceMetadata::new(NAME, context.http().clone(), base).with_session(
        "x-aliyun-ecs-metadata-token",
        "x-aliyun-ecs-metadata-token-ttl-seconds",
    );
    let role = InstanceRole::new(metadata, "/latest/meta-data/ram/security-credentials/");
    let keys = [&ACCESS_KEY_ID, &ACCESS_KEY_SECRET, &SECURITY_TOKEN];
    Some(SigningAuthorizer::of_key_or_role(
        options, keys, role, PERMISSION, sign,
    ))
}

#[async_trait]
impl Provider for Aliyun {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        self.selection.subject("instances")
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let regions = self.selection.places.names().iter().zip(&self.clients);
        let lists = regions.map(|(region, client)| self.instances(region, client, call));
        let instances = futures::future::try_join_all(lists).await?;
        self.selection
            .record(&mut discovery, instances.into_iter().flatten());
        let nothing =
            "no instance in the region has the tag, or the access key may not list instances";
        let hint = format!(
            "check the tag and `region`, and that the access key has the action `{PERMISSION}`: without it the API returns an empty list"
        );
        let client = self.clients.first();
        Ok(match client {
            Some(client) => client.conclude(discovery, nothing, &hint),
            None => discovery,
        })
    }
}

impl Aliyun {
    async fn instances(
        &self,
        region: &str,
        client: &ApiClient,
        call: &Call,
    ) -> Result<Vec<Instance>> {
        let request = self.request(region, client);
        let read = |page: InstancePage, _: &_| {
            let found = page.instances.instance.into_iter();
            let instances = found.map(|found| select::instance(found, region));
            (page.next_token, instances.collect())
        };
        let pages = client.pages(request, call);
        pages.collect_by_query("NextToken", read).await
    }

    fn request(&self, region: &str, client: &ApiClient) -> Request {
        let mut url = client.endpoint().clone();
        let mut query = url.query_pairs_mut();
        query.extend_pairs([
            ("Action", "DescribeInstances"),
            ("Version", "2014-05-26"),
            ("Format", "JSON"),
            ("RegionId", region),
            ("MaxResults", PAGE_SIZE),
        ]);
        for (at, (key, value)) in (1..).zip(self.selection.tags.conditions()) {
            query.append_pair(&format!("Tag.{at}.Key"), key);
            query.append_pair(&format!("Tag.{at}.Value"), value);
        }
        drop(query);
        client.get("list instances", &[], &[]).with_url(url)
    }
}

/// The least RAM policy.
pub(crate) fn role(_: &ConfigString, _: &Context, _: RoleFormat) -> Result<RoleDocument> {
    let statement =
        format!("{{\"Effect\": \"Allow\", \"Action\": \"{PERMISSION}\", \"Resource\": \"*\"}}");
    let text = format!("{{\n  \"Version\": \"1\",\n  \"Statement\": [\n    {statement}\n  ]\n}}\n");
    Ok(RoleDocument::new(text).with_note("this is a RAM policy: attach it to the user of the access key or to the role of the instance"))
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let table = [
        (Always, "returns the first 10 instances"),
        (
            Absent(&ACCESS_KEY_ID),
            "reads the access key from `access_key_id` and `access_key_secret` only",
        ),
        (Several(&REGION), "takes `region` as the id of one region"),
        (
            Given(&ADDRESS_TYPE),
            "ignores `address_type` and returns private IPv4 addresses",
        ),
        (
            Given(&POWER_STATE),
            "ignores `power_state` and returns running instances only",
        ),
    ];
    differences(config, &table)
}
