//! From options to `DescribeInstances`, page by page, in every region.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::credential::{Chain, Source};
use cloud_autojoin_core::http::Authorizer;
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Finding, Provider, Result, RoleDocument,
    RoleFormat,
};
use cloud_autojoin_provider_kit::auth::{AccessKey, GivenKey, InstanceRole, SigningAuthorizer};
use cloud_autojoin_provider_kit::{
    AddressType, ApiClient, Instance, Options, PowerState, Selection, TagFilter,
};
use http::header::HeaderName;
use url::Url;

use crate::api::{AliyunApi, InstancePage};
use crate::keys::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, ADDRESS_TYPE, ENDPOINT, METADATA_ENDPOINT, POWER_STATE,
    REGION, SECURITY_TOKEN, TAG, TAG_KEY, TAG_VALUE,
};
use crate::select;
use crate::signature::sign;

/// The name after `provider=`.
pub(crate) const NAME: &str = "aliyun";

/// The action of a RAM policy.
pub(crate) const PERMISSION: &str = "ecs:DescribeInstances";

/// The most instances the API gives in one page.
const PAGE_SIZE: &str = "100";

/// ECS instances of one account, by tag.
#[derive(Debug)]
pub struct Aliyun {
    /// Each region with its client.
    regions: Vec<(String, ApiClient)>,
    selection: Selection,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let selection = Selection {
        tags: TagFilter::from_options(options, &TAG_KEY, &TAG_VALUE, &TAG),
        address_type: options
            .word(&ADDRESS_TYPE, AddressType::from_word)
            .unwrap_or_default(),
        power_state: options
            .word(&POWER_STATE, PowerState::from_word)
            .unwrap_or_default(),
        ..Selection::default()
    };
    let authorizer = authorizer(options, context);
    let endpoint = options.endpoint(&ENDPOINT);
    let regions = options.list(&REGION).into_iter().filter_map(|region| {
        let url = endpoint
            .clone()
            .or_else(|| options.accept(regional_endpoint(&region)))?;
        Some((region, url))
    });
    let regions: Vec<(String, Url)> = regions.collect();
    options.finish(|| {
        let authorizer = authorizer?;
        let client =
            |url| ApiClient::new(context, &AliyunApi, url).with_authorizer(Arc::clone(&authorizer));
        let regions = regions
            .into_iter()
            .map(|(region, url)| (region, client(url)))
            .collect();
        Some(Box::new(Aliyun { regions, selection }) as Box<dyn Provider>)
    })
}

/// The endpoint of a region. Its name must be one label of a host name.
fn regional_endpoint(region: &str) -> Result<Url, ConfigProblem> {
    let is_name = region
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let url = Url::parse(&format!("https://ecs.{region}.aliyuncs.com"))
        .ok()
        .filter(|_| is_name);
    url.ok_or_else(|| {
        ConfigProblem::of_key(REGION.name, "`region` isn't the id of a region")
            .with_hint("write ids such as `cn-hangzhou`, separated by commas")
    })
}

/// Signs with the access key that is given, else with that of the RAM role.
fn authorizer(options: &mut Options<'_>, context: &Context) -> Option<Arc<dyn Authorizer>> {
    let key = AccessKey::from_options(options, &ACCESS_KEY_ID, &ACCESS_KEY_SECRET, &SECURITY_TOKEN);
    let metadata = options.url(&METADATA_ENDPOINT)?;
    let role = InstanceRole::new(
        NAME,
        context.http().clone(),
        metadata
            .join("/latest/meta-data/ram/security-credentials/")
            .ok()?,
    )
    .with_session(
        metadata.join("/latest/api/token").ok()?,
        HeaderName::from_static("x-aliyun-ecs-metadata-token-ttl-seconds"),
        HeaderName::from_static("x-aliyun-ecs-metadata-token"),
    );
    let sources: Vec<Box<dyn Source>> = vec![
        Box::new(GivenKey::new(
            key,
            "`access_key_id` and `access_key_secret` aren't set",
        )),
        Box::new(role),
    ];
    let hint = format!(
        "set `access_key_id` and `access_key_secret`, or attach a RAM role with the action `{PERMISSION}` to the instance"
    );
    Some(Arc::new(SigningAuthorizer::new(
        NAME,
        Chain::new(NAME, sources).with_hint(hint),
        sign,
    )))
}

#[async_trait]
impl Provider for Aliyun {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let tags: Vec<String> = self
            .selection
            .tags
            .conditions()
            .iter()
            .map(|(key, value)| format!("`{key}` = `{value}`"))
            .collect();
        let regions: Vec<String> = self
            .regions
            .iter()
            .map(|(region, _)| format!("`{region}`"))
            .collect();
        format!(
            "instances with tag {} in region {}",
            tags.join(" and "),
            regions.join(", ")
        )
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let lists = self
            .regions
            .iter()
            .map(|(region, client)| self.instances(region, client, call));
        for instance in futures::future::try_join_all(lists)
            .await?
            .into_iter()
            .flatten()
        {
            discovery.record(self.selection.apply(instance));
        }
        if discovery.examined() == 0 {
            let finding = Finding::new(
                "no instance in the region has the tag, or the access key may not list instances",
            );
            discovery.add_finding(finding.with_hint(format!(
                "check the tag and `region`, and that the access key has the action `{PERMISSION}`: without it the API answers with an empty list"
            )));
        }
        if let Some(identity) = self
            .regions
            .first()
            .and_then(|(_, client)| client.identity())
        {
            discovery.set_identity(identity);
        }
        Ok(discovery)
    }
}

impl Aliyun {
    async fn instances(
        &self,
        region: &str,
        client: &ApiClient,
        call: &Call,
    ) -> Result<Vec<Instance>> {
        let query = [
            ("Action", "DescribeInstances"),
            ("Version", "2014-05-26"),
            ("Format", "JSON"),
            ("RegionId", region),
            ("MaxResults", PAGE_SIZE),
        ];
        let tags = self.selection.tags.conditions().iter().enumerate();
        let tags: Vec<(String, &str)> = tags
            .flat_map(|(at, (key, value))| {
                [
                    (format!("Tag.{}.Key", at + 1), key.as_str()),
                    (format!("Tag.{}.Value", at + 1), value.as_str()),
                ]
            })
            .collect();
        let query: Vec<(&str, &str)> = query
            .into_iter()
            .chain(tags.iter().map(|(name, value)| (name.as_str(), *value)))
            .collect();
        let mut pages = client.pages(client.get("list instances", &[], &query), call);
        let mut instances = Vec::new();
        while let Some(page) = pages.next_json::<InstancePage>().await? {
            pages.follow_query("NextToken", page.next_token)?;
            instances.extend(
                page.instances
                    .items
                    .into_iter()
                    .map(|found| select::instance(found, region)),
            );
        }
        Ok(instances)
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
    let mut differences = vec!["returns the first 10 instances".to_owned()];
    if config.get(ACCESS_KEY_ID.name).is_none() {
        differences.push(
            "reads the access key from `access_key_id` and `access_key_secret` only".to_owned(),
        );
    }
    if config
        .get(REGION.name)
        .is_some_and(|regions| regions.contains(','))
    {
        differences.push("takes `region` as the id of one region".to_owned());
    }
    if config.get(ADDRESS_TYPE.name).is_some() || config.get(POWER_STATE.name).is_some() {
        differences.push("returns the private IPv4 addresses of running instances".to_owned());
    }
    differences
}
