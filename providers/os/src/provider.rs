//! From options to the requests: a token with the catalog, then the servers, page by page.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::credential::Chain;
use cloud_autojoin_core::http::{Authorizer as _, Request};
use cloud_autojoin_core::{
    Call, ConfigError, ConfigProblem, ConfigString, Context, Detail, Discovery, Finding, Provider,
    Result, RoleDocument, RoleFormat,
};
use cloud_autojoin_provider_kit::auth::BearerAuthorizer;
use cloud_autojoin_provider_kit::go_discover::{When, differences};
use cloud_autojoin_provider_kit::select::{TagFilter, TagNearMisses};
use cloud_autojoin_provider_kit::{ApiClient, Options, PowerState, Selection};
use http::header::{HeaderName, HeaderValue};
use url::Url;

use crate::api::{OpenStackApi, PERMISSION, ServerPage};
use crate::keys::{
    ADDRESS_TYPE, AUTH_URL, CLOUD, ENDPOINT, INSECURE, KEYS, METADATA_ENDPOINT, NETWORK,
    POWER_STATE, PROJECT_ID, REGION, SERVER_TAGS, TAG, TAG_KEY, TAG_VALUE, USER_NAME,
};
use crate::keystone::{Keystone, TokenSource};
use crate::select::Conditions;
use crate::settings::Settings;

/// The name after `provider=`.
pub(crate) const NAME: &str = "os";

/// The header that holds a token.
const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// The header with the version of an API.
const API_VERSION: HeaderName = HeaderName::from_static("openstack-api-version");

/// The version of Nova's API that knows tags, as its header has it.
const WITH_TAGS: HeaderValue = HeaderValue::from_static("compute 2.26");

/// The value of `tag_value` that stands for the one that this server has.
const SELF: &str = "self";

/// Servers of one project, by metadata.
#[derive(Debug)]
pub struct OpenStack {
    context: Context,
    keystone: Arc<Keystone>,
    authorizer: Arc<BearerAuthorizer>,
    endpoint: Option<Url>,
    conditions: Conditions,
    selection: Selection,
    has_tag_pair: bool,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let has_tag_pair = options.is_given(&TAG_KEY);
    let conditions = Conditions {
        networks: options.list(&NETWORK),
        server_tags: options.list(&SERVER_TAGS),
    };
    let tags = if conditions.server_tags.is_empty() || has_tag_pair {
        TagFilter::from_options(options, &TAG_KEY, &TAG_VALUE, &[&TAG])
    } else {
        TagFilter::new(options.family(&TAG))
    };
    let selection = Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE).with_tags(tags);
    let settings = Settings::read(options);
    // As in OpenStack's own client, what is given here counts more than the file.
    let cloud = options
        .text(&CLOUD)
        .filter(|_| !options.is_given(&AUTH_URL) || options.config().get(CLOUD.name).is_some());
    if cloud.is_none() {
        if !options.is_given(&AUTH_URL) {
            options.add_missing(&AUTH_URL, Some("`cloud` isn't given either"));
        }
        options.accept(settings.auth_body());
    }
    let (endpoint, metadata) = (options.url(&ENDPOINT), options.url(&METADATA_ENDPOINT));
    options.finish(|| {
        let keystone = Keystone::new(context, settings, cloud, metadata?);
        let chain = Chain::new(NAME, vec![Box::new(TokenSource(Arc::clone(&keystone)))]);
        let authorizer = Arc::new(BearerAuthorizer::new(NAME, chain, "").with_header(X_AUTH_TOKEN));
        Some(Box::new(OpenStack {
            context: context.clone(),
            keystone,
            authorizer,
            endpoint,
            conditions,
            selection,
            has_tag_pair,
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
        let project = self
            .keystone
            .session()
            .map(|session| session.project.clone());
        project
            .map(|project| (PROJECT_ID.name, project))
            .into_iter()
            .collect()
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let mut near_misses = TagNearMisses::default();
        let selection = &self.selection(call).await?;
        // The catalog comes with the token.
        self.authorizer.token(call).await?;
        let Some(session) = self.keystone.session() else {
            return Ok(discovery);
        };
        if let Some(identity) = self.authorizer.identity() {
            discovery.set_identity(identity);
        }
        let hint = "set `cacert` to the certificate authorities of the cloud";
        session
            .tls
            .warn(&mut discovery, "the cloud", INSECURE.name, hint);
        let regions = session.regions();
        let endpoints = match &self.endpoint {
            Some(endpoint) => vec![(regions.join(","), endpoint.clone())],
            // All of them first: with one region missing there is no whole list.
            None => regions
                .iter()
                .map(|region| Ok((region.clone(), session.compute(region)?)))
                .collect::<Result<_>>()?,
        };
        for (region, endpoint) in endpoints {
            let client = ApiClient::new(&self.context, &OpenStackApi, endpoint)
                .with_http(session.http.clone())
                .with_authorizer(self.authorizer.clone());
            let mut pages = client.pages(self.request(&client, call), call);
            while let Some(page) = pages.next_json::<ServerPage>().await? {
                pages.follow_query("marker", page.next_marker())?;
                for server in page.servers {
                    let instance = self.conditions.instance(server, &session.project, &region);
                    near_misses.observe(&selection.tags, &instance.tags);
                    discovery.record(selection.apply(instance));
                }
            }
        }
        if discovery.matched() == 0 {
            discovery.add_finding(self.nothing_matched(&discovery, &near_misses, &regions));
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
        let mut tags = self.selection.tags.conditions().to_vec();
        if tags.iter().any(|(_, value)| value == SELF) {
            let own = self.keystone.own_server(call).await?.meta;
            for (name, value) in tags.iter_mut().filter(|(_, value)| value == SELF) {
                let found = own.get(name.as_str()).cloned();
                *value = found.ok_or_else(|| {
                    let problem = format!("this server has no metadata `{name}` (`{SELF}`)");
                    ConfigError::new(Some(NAME), ConfigProblem::of_key(TAG_VALUE.name, problem))
                })?;
            }
        }
        Ok(self.selection.clone().with_tags(TagFilter::new(tags)))
    }

    fn nothing_matched(
        &self,
        discovery: &Discovery,
        near_misses: &TagNearMisses,
        regions: &[String],
    ) -> Finding {
        let first = self
            .selection
            .tags
            .conditions()
            .first()
            .map(|(key, _)| key.as_str());
        let is_pair = |key: &str| self.has_tag_pair && Some(key) == first;
        let key_of = |key: &str| {
            if is_pair(key) {
                TAG_VALUE.name.to_owned()
            } else {
                format!("{}{key}", TAG.name)
            }
        };
        if let Some(finding) = near_misses.finding(key_of) {
            return finding;
        }
        let running = if self.selection.power_state == PowerState::Running {
            "running "
        } else {
            ""
        };
        match discovery.examined() {
            0 => Finding::new(format!("the project has no {running}servers in region `{}`", regions.join("`, `")))
                .with_hint("check the project and `region`; `openstack server list` shows the servers of the project"),
            examined => Finding::new(format!("none of {examined} servers gives an address"))
                .with_hint("check the metadata and `address_type`; `discover explain` says why, server by server"),
        }
    }
}

/// What the policy of Nova must allow.
///
/// # Errors
///
/// As building the provider.
pub(crate) fn role(
    config: &ConfigString,
    context: &Context,
    _: RoleFormat,
) -> Result<RoleDocument> {
    build(
        &mut Options::new(NAME, KEYS, config, context.env()),
        context,
    )?;
    let text = format!(
        "# policy.yaml of Nova: its default, which a member of the project with the role `reader` meets\n\"{PERMISSION}\": \"rule:project_reader_or_admin\"\n"
    );
    Ok(RoleDocument::new(text).with_note(
        "assign the role with `openstack role add --user USER --project PROJECT reader`",
    ))
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let mut found = differences(
        config,
        &[
            (
                When::Given(&INSECURE),
                "verifies no certificate whatever the value of `insecure` is",
            ),
            (When::Several(&REGION), "takes `region` as one region"),
            (When::Given(&SERVER_TAGS), "ignores `server_tags`"),
            (When::Given(&NETWORK), "ignores `network`"),
            (When::Given(&ADDRESS_TYPE), "ignores `address_type`"),
        ],
    );
    if config.get(POWER_STATE.name) != Some("any") {
        found.push("lists stopped and failed servers, too".to_owned());
    }
    if USER_NAME
        .aliases
        .iter()
        .any(|alias| config.get(alias).is_some())
    {
        found.push("ignores `username`".to_owned());
    }
    found
}
