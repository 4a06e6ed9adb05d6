//! From options to the requests: a token with the catalog, then the servers, page by page.

use async_trait::async_trait;
use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{
    Call, ConfigError, ConfigProblem, ConfigString, Context, Detail, Discovery, Provider, Result,
    RoleDocument, RoleFormat,
};
use cloud_autojoin_provider_kit::auth::openstack::Keystone;
use cloud_autojoin_provider_kit::auth::openstack::keys::{INSECURE, PROJECT_ID, REGION};
use cloud_autojoin_provider_kit::go_discover::{When, differences};
use cloud_autojoin_provider_kit::select::{TagFilter, TagNearMisses};
use cloud_autojoin_provider_kit::{ApiClient, Options, PowerState, Selection};
use http::header::{HeaderName, HeaderValue};
use url::Url;

use crate::api::{NovaApi, PERMISSION, ServerPage};
use crate::keys::{
    ADDRESS_TYPE, ENDPOINT, NAME, NETWORK, POWER_STATE, SERVER_TAGS, TAG, TAG_KEY, TAG_VALUE,
};
use crate::select::Conditions;

/// The header with the version of an API.
const API_VERSION: HeaderName = HeaderName::from_static("openstack-api-version");

/// The version of Nova's API that knows tags, as its header has it.
const WITH_TAGS: HeaderValue = HeaderValue::from_static("compute 2.26");

/// Servers of one project, by metadata.
#[derive(Debug)]
pub struct OpenStack {
    keystone: Keystone,
    endpoint: Option<Url>,
    conditions: Conditions,
    selection: Selection,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let conditions = Conditions {
        networks: options.list(&NETWORK),
        server_tags: options.list(&SERVER_TAGS),
    };
    let tags = if conditions.server_tags.is_empty() || options.is_given(&TAG_KEY) {
        TagFilter::from_options(options, &TAG_KEY, &TAG_VALUE, &[&TAG])
    } else {
        TagFilter::new(options.family(&TAG))
    };
    let selection = Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE).with_tags(tags);
    let endpoint = options.url(&ENDPOINT);
    let keystone = Keystone::from_options(options, context, endpoint.clone());
    options.finish(|| {
        Some(Box::new(OpenStack {
            keystone: keystone?,
            endpoint,
            conditions,
            selection,
        }) as Box<dyn Provider>)
    })
}

#[async_trait]
impl Provider for OpenStack {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let tags = self.conditions.server_tags.join("`, `");
        let tags = if tags.is_empty() {
            tags
        } else {
            format!(" tagged `{tags}`")
        };
        self.selection.subject(&format!("servers{tags}"))
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        let project = self.keystone.project();
        project
            .map(|id| (PROJECT_ID.name, id))
            .into_iter()
            .collect()
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let mut near_misses = TagNearMisses::default();
        let selection = &self.selection(call).await?;
        // The catalog comes with the token.
        let session = self.keystone.session(call).await?;
        let hint = "set `cacert` to the certificate authorities of the cloud";
        let tls = &session.tls;
        tls.warn(&mut discovery, "the cloud", INSECURE.name, hint);
        let regions = session.regions();
        let endpoints = match &self.endpoint {
            Some(endpoint) => vec![(regions.join(","), endpoint.clone())],
            // All of them first: with one region missing there is no whole list.
            None => regions
                .iter()
                .map(|region| Ok((region.clone(), session.endpoint("compute", region)?)))
                .collect::<Result<_>>()?,
        };
        for (region, endpoint) in endpoints {
            let client = self.keystone.client(&session, &NovaApi, endpoint);
            let mut pages = client.pages(self.request(&client, call), call);
            while let Some(page) = pages.next_json::<ServerPage>().await? {
                pages.follow_query("marker", page.next_marker())?;
                for server in page.servers {
                    let instance = self.conditions.instance(server, &session.project, &region);
                    let node = selection.apply(instance);
                    near_misses.record(&selection.tags, &mut discovery, node);
                }
            }
        }
        near_misses.conclude(&selection.tags, &mut discovery);
        let nothing = format!(
            "the project has no such servers in region `{}`",
            regions.join("`, `")
        );
        let hint = "check the project, `region` and `power_state`: by default running servers count; `openstack server list` shows the servers of the project";
        discovery.explain_nothing(&nothing, hint);
        if let Some(identity) = self.keystone.identity() {
            discovery.set_identity(identity);
        }
        Ok(discovery)
    }
}

impl OpenStack {
    /// The request for the first page. To explain why servers don't match, all are listed.
    fn request(&self, client: &ApiClient, call: &Call) -> Request {
        let tags = self.conditions.server_tags.join(",");
        let is_running = self.selection.power_state == PowerState::Running;
        let mut query = Vec::new();
        if call.detail() != Detail::Everything {
            query.extend(is_running.then_some(("status", "ACTIVE")));
            query.extend((!tags.is_empty()).then_some(("tags", tags.as_str())));
        }
        let request = client.get("list servers", &["servers", "detail"], &query);
        if tags.is_empty() {
            request
        } else {
            request.header(API_VERSION, WITH_TAGS)
        }
    }

    /// What is wanted, with what this server has in place of `self`.
    async fn selection(&self, call: &Call) -> Result<Selection> {
        let mut selection = self.selection.clone();
        let mut own = None;
        for (name, value) in selection.tags.own_values() {
            if own.is_none() {
                own = Some(self.keystone.own_server(call).await?.meta);
            }
            let found = own.as_ref().and_then(|own| own.get(name)).cloned();
            *value = found.ok_or_else(|| {
                let problem = format!("this server has no metadata `{name}` (`self`)");
                ConfigError::new(Some(NAME), ConfigProblem::of_key(TAG_VALUE.name, problem))
            })?;
        }
        Ok(selection)
    }
}

/// What the policy of Nova must allow.
pub(crate) fn role(_: &ConfigString, _: &Context, _: RoleFormat) -> Result<RoleDocument> {
    let comment = "policy.yaml of Nova: its default, which a member of the project with the role `reader` meets";
    let text = format!("# {comment}\n\"{PERMISSION}\": \"rule:project_reader_or_admin\"\n");
    let command = "openstack role add --user USER --project PROJECT reader";
    Ok(RoleDocument::new(text).with_note(format!("assign the role with `{command}`")))
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let table = [
        (
            When::Given(&INSECURE),
            "verifies no certificate whatever the value of `insecure` is",
        ),
        (When::Several(&REGION), "takes `region` as one region"),
        (When::Given(&SERVER_TAGS), "ignores `server_tags`"),
        (When::Given(&NETWORK), "ignores `network`"),
        (When::Given(&ADDRESS_TYPE), "ignores `address_type`"),
    ];
    let mut found = differences(config, &table);
    if config.get(POWER_STATE.name) != Some("any") {
        found.push("lists stopped and failed servers, too".to_owned());
    }
    if config.get("username").is_some() {
        found.push("ignores `username`".to_owned());
    }
    found
}
