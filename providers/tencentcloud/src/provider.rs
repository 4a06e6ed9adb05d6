//! From options to `DescribeInstances`, page by page, in every region.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::credential::{Chain, Source};
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Finding, Provider, Result, RoleDocument,
    RoleFormat,
};
use cloud_autojoin_provider_kit::auth::{AccessKey, GivenKey, InstanceRole, SigningAuthorizer};
use cloud_autojoin_provider_kit::{
    AddressType, ApiClient, Instance, Options, PowerState, Selection, TagFilter,
};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::json;

use crate::api::{InstancePage, TencentApi};
use crate::keys::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, ADDRESS_TYPE, ENDPOINT, METADATA_ENDPOINT, POWER_STATE,
    REGION, SECURITY_TOKEN, TAG, TAG_KEY, TAG_VALUE,
};
use crate::select;
use crate::signature::{self, sign};

/// The name after `provider=`.
pub(crate) const NAME: &str = "tencentcloud";

/// The action of a CAM policy.
pub(crate) const PERMISSION: &str = "cvm:DescribeInstances";

/// The most instances the API gives in one page.
const PAGE_SIZE: u64 = 100;

/// CVM instances of one account, by tag.
#[derive(Debug)]
pub struct TencentCloud {
    client: ApiClient,
    /// Each region as a header and as text.
    regions: Vec<(HeaderValue, String)>,
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
    let regions: Vec<_> = options
        .list(&REGION)
        .into_iter()
        .filter_map(|region| Some((options.accept(header(&region))?, region)))
        .collect();
    let endpoint = options.endpoint(&ENDPOINT);
    options.finish(|| {
        let client = ApiClient::new(context, &TencentApi, endpoint?).with_authorizer(authorizer?);
        Some(Box::new(TencentCloud {
            client,
            regions,
            selection,
        }) as Box<dyn Provider>)
    })
}

/// A region as the header that names it.
fn header(region: &str) -> Result<HeaderValue, ConfigProblem> {
    HeaderValue::from_str(region)
        .map_err(|_| ConfigProblem::of_key(REGION.name, "`region` isn't the name of a region"))
}

/// Signs with the access key that is given, else with that of the CAM role.
fn authorizer(options: &mut Options<'_>, context: &Context) -> Option<Arc<dyn Authorizer>> {
    let key = AccessKey::from_options(options, &ACCESS_KEY_ID, &ACCESS_KEY_SECRET, &SECURITY_TOKEN);
    let roles = options
        .url(&METADATA_ENDPOINT)?
        .join("/latest/meta-data/cam/security-credentials/")
        .ok()?;
    let role = InstanceRole::new(NAME, context.http().clone(), roles);
    let sources: Vec<Box<dyn Source>> = vec![
        Box::new(GivenKey::new(
            key,
            "`access_key_id` and `access_key_secret` aren't set",
        )),
        Box::new(role),
    ];
    let hint = format!(
        "set `access_key_id` and `access_key_secret`, or attach a CAM role with the action `{PERMISSION}` to the instance"
    );
    Some(Arc::new(SigningAuthorizer::new(
        NAME,
        Chain::new(NAME, sources).with_hint(hint),
        sign,
    )))
}

#[async_trait]
impl Provider for TencentCloud {
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
            .map(|(_, region)| format!("`{region}`"))
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
            .map(|(header, region)| self.instances(header, region, call));
        for instance in futures::future::try_join_all(lists)
            .await?
            .into_iter()
            .flatten()
        {
            discovery.record(self.selection.apply(instance));
        }
        if discovery.examined() == 0 {
            let finding = Finding::new("no instance in the region has the tag");
            discovery.add_finding(
                finding.with_hint("check the tag and `region`; `tccli cvm DescribeInstances --region REGION` shows the instances with their tags"),
            );
        }
        if let Some(identity) = self.client.identity() {
            discovery.set_identity(identity);
        }
        Ok(discovery)
    }
}

impl TencentCloud {
    async fn instances(
        &self,
        header: &HeaderValue,
        region: &str,
        call: &Call,
    ) -> Result<Vec<Instance>> {
        let request = Request::post(
            "list instances",
            self.client.endpoint().clone(),
            self.body(0),
        )
        .header(
            CONTENT_TYPE,
            HeaderValue::from_static(signature::CONTENT_TYPE),
        )
        .header(
            HeaderName::from_static("x-tc-action"),
            HeaderValue::from_static("DescribeInstances"),
        )
        .header(
            HeaderName::from_static("x-tc-version"),
            HeaderValue::from_static("2017-03-12"),
        )
        .header(
            HeaderName::from_static("x-tc-language"),
            HeaderValue::from_static("en-US"),
        )
        .header(HeaderName::from_static("x-tc-region"), header.clone());
        let mut pages = self.client.pages(request.clone(), call);
        let mut instances = Vec::new();
        let mut offset = 0;
        while let Some(InstancePage { response: page }) = pages.next_json().await? {
            offset += PAGE_SIZE;
            if offset < page.total_count {
                pages.follow_request(request.clone().with_body(self.body(offset)))?;
            }
            instances.extend(
                page.instance_set
                    .into_iter()
                    .map(|found| select::instance(found, region)),
            );
        }
        Ok(instances)
    }

    fn body(&self, offset: u64) -> String {
        let filter = |(key, value): &(String, String)| json!({"Name": format!("tag:{key}"), "Values": [value]});
        let filters: Vec<_> = self
            .selection
            .tags
            .conditions()
            .iter()
            .map(filter)
            .collect();
        json!({"Filters": filters, "Offset": offset, "Limit": PAGE_SIZE}).to_string()
    }
}

/// The least CAM policy.
pub(crate) fn role(_: &ConfigString, _: &Context, _: RoleFormat) -> Result<RoleDocument> {
    let statement =
        format!("{{\"effect\": \"allow\", \"action\": [\"{PERMISSION}\"], \"resource\": [\"*\"]}}");
    let text =
        format!("{{\n  \"version\": \"2.0\",\n  \"statement\": [\n    {statement}\n  ]\n}}\n");
    Ok(RoleDocument::new(text).with_note("this is a CAM policy: attach it to the user of the access key or to the role of the instance"))
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let mut differences = vec!["returns the first 20 instances".to_owned()];
    if config.get(ACCESS_KEY_ID.name).is_none() {
        differences.push(
            "reads the access key from `access_key_id` and `access_key_secret` only".to_owned(),
        );
    }
    if config
        .get(REGION.name)
        .is_some_and(|regions| regions.contains(','))
    {
        differences.push("takes `region` as the name of one region".to_owned());
    }
    if config.get(POWER_STATE.name).is_some() {
        differences.push("returns running instances only".to_owned());
    }
    differences
}
