//! From options to `DescribeInstances`, page by page, in every region.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Provider, Result, RoleDocument,
    RoleFormat,
};
use cloud_autojoin_provider_kit::auth::{InstanceMetadata, InstanceRole, SigningAuthorizer};
use cloud_autojoin_provider_kit::go_discover::{Absent, Always, Given, Several, differences};
use cloud_autojoin_provider_kit::keys::{TAG, TAG_KEY, TAG_VALUE};
use cloud_autojoin_provider_kit::{
    ApiClient, Instance, Options, Pages, Places, Selection, TagFilter,
};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::json;

use crate::api::{API, InstancePage, PERMISSION};
use crate::keys::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, ADDRESS_TYPE, ENDPOINT, METADATA_ENDPOINT, NAME, POWER_STATE,
    REGION, SECURITY_TOKEN,
};
use crate::select;
use crate::signature::{self, sign};

/// The most instances the API gives in one page.
const PAGE_SIZE: u64 = 100;

/// CVM instances of one account, by tag.
#[derive(Debug)]
pub struct TencentCloud {
    client: ApiClient,
    /// The header of each region.
    regions: Vec<HeaderValue>,
    selection: Selection,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let names = options.list(&REGION);
    let tags = TagFilter::from_options(options, &TAG_KEY, &TAG_VALUE, &[&TAG]);
    let authorizer = authorizer(options, context);
    let regions = names.iter();
    let regions = regions.filter_map(|region| options.accept(header(region)));
    let regions = regions.collect();
    let selection = Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE)
        .with_tags(tags)
        .with_places(Places::new("region", names));
    let endpoint = options.endpoint(&ENDPOINT);
    options.finish(|| {
        let client = ApiClient::new(context, &API, endpoint?).with_authorizer(authorizer?);
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
    let base = options.url(&METADATA_ENDPOINT)?;
    let metadata = InstanceMetadata::new(NAME, context.http().clone(), base);
    let role = InstanceRole::new(metadata, "/latest/meta-data/cam/security-credentials/");
    let keys = [&ACCESS_KEY_ID, &ACCESS_KEY_SECRET, &SECURITY_TOKEN];
    Some(SigningAuthorizer::of_key_or_role(
        options, keys, role, PERMISSION, sign,
    ))
}

#[async_trait]
impl Provider for TencentCloud {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        self.selection.subject("instances")
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let regions = self.regions.iter().zip(self.selection.places.names());
        let lists = regions.map(|(header, region)| self.instances(header, region, call));
        let instances = futures::future::try_join_all(lists).await?;
        self.selection
            .record(&mut discovery, instances.into_iter().flatten());
        let hint = "check the tag and `region`; `tccli cvm DescribeInstances --region REGION` shows the instances with their tags";
        let nothing = "no instance in the region has the tag";
        Ok(self.client.conclude(discovery, nothing, hint))
    }
}

impl TencentCloud {
    async fn instances(
        &self,
        header: &HeaderValue,
        region: &str,
        call: &Call,
    ) -> Result<Vec<Instance>> {
        let headers = [
            ("x-tc-action", "DescribeInstances"),
            ("x-tc-version", "2017-03-12"),
            ("x-tc-language", "en-US"),
            (CONTENT_TYPE.as_str(), signature::CONTENT_TYPE),
        ];
        let url = self.client.endpoint().clone();
        let mut request = Request::post("list instances", url, self.body(0))
            .header(HeaderName::from_static("x-tc-region"), header.clone());
        for (name, value) in headers {
            request.set_header(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let read = |InstancePage { response: page }: InstancePage, pages: &mut Pages<'_>| {
            let (found, total) = (page.instance_set, Some(page.total_count));
            if let Some(offset) = pages.next_offset(PAGE_SIZE, found.len(), total) {
                pages.follow_request(request.clone().with_body(self.body(offset)))?;
            }
            let instances = found.into_iter();
            Ok(instances
                .map(|found| select::instance(found, region))
                .collect())
        };
        let pages = self.client.pages(request.clone(), call);
        pages.collect(read).await
    }

    fn body(&self, offset: u64) -> String {
        let filter = |(key, value): &(String, String)| json!({"Name": format!("tag:{key}"), "Values": [value]});
        let tags = self.selection.tags.conditions();
        let filters: Vec<_> = tags.iter().map(filter).collect();
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
    let table = [
        (Always, "returns the first 20 instances"),
        (
            Absent(&ACCESS_KEY_ID),
            "reads the access key from `access_key_id` and `access_key_secret` only",
        ),
        (Several(&REGION), "takes `region` as the name of one region"),
        (
            Given(&POWER_STATE),
            "ignores `power_state` and returns running instances only",
        ),
    ];
    differences(config, &table)
}
