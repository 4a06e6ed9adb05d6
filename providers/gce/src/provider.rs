//! From options to the requests: the project and a token, then the aggregated list of instances.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Detail, Discovery, Finding, Parent, Provider,
    Result,
};
use cloud_autojoin_provider_kit::auth::BearerAuthorizer;
use cloud_autojoin_provider_kit::select::{TagFilter, TagNearMisses};
use cloud_autojoin_provider_kit::{
    AddressType, ApiClient, Interfaces, Options, PowerState, Selection,
};
use futures::future::join;

use crate::api::{AggregatedPage, ComputeApi, Instance, LIST_INSTANCES};
use crate::credential::{MetadataServer, SCOPE, chain};
use crate::group::Group;
use crate::keys::{
    ADDRESS_TYPE, CREDENTIALS_FILE, ENDPOINT, INSTANCE_GROUP, INTERFACES, LABEL, LABEL_KEY,
    LABEL_VALUE, POWER_STATE, PROJECT_NAME, REGION, SELF, TAG_VALUE, ZONE, ZONE_PATTERN,
};
use crate::select::{Conditions, Places, filter, zone_pattern};

/// The name after `provider=`.
pub(crate) const NAME: &str = "gce";

/// The most resources the API gives in one page.
pub(crate) const MAX_RESULTS: &str = "500";

/// What is needed of an instance: without it, a page holds every start-up script.
const FIELDS: &str = "items/*/instances(id,name,status,labels,tags/items,networkInterfaces(name,networkIP,ipv6Address,accessConfigs/natIP,ipv6AccessConfigs/externalIpv6)),\
                      items/*/warning(code,message),nextPageToken,unreachables,warning(code,message)";

/// What a join string asks for.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) project: Option<String>,
    pub(crate) group: Option<String>,
    conditions: Conditions,
    selection: Selection,
    /// Whether the first label is the one of `label_key`.
    has_label_pair: bool,
}

impl Settings {
    /// Reads everything but the credentials and the endpoint.
    pub(crate) fn read(options: &mut Options<'_>) -> Self {
        let mut labels = options.family(&LABEL);
        let has_label_pair = options.is_given(&LABEL_KEY);
        match (options.text(&LABEL_KEY), options.text(&LABEL_VALUE)) {
            (Some(key), Some(value)) => labels.insert(0, (key, value)),
            (Some(_), None) => options.add_missing(&LABEL_VALUE, Some("`label_key` is given")),
            (None, Some(_)) => options.add_missing(&LABEL_KEY, Some("`label_value` is given")),
            (None, None) => {}
        }
        for (key, _) in &labels {
            // The API takes the name without quotes, so it must not be able to go on.
            if key
                .contains(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '-')))
            {
                let problem = ConfigProblem::of_key(
                    LABEL.name,
                    format!("`{key}` can't be the key of a label"),
                );
                options.add_problem(
                    problem.with_hint("a key has lower-case letters, digits, `_` and `-`"),
                );
            }
        }
        let (tags, group) = (options.list(&TAG_VALUE), options.text(&INSTANCE_GROUP));
        let has_filter = [TAG_VALUE, LABEL_KEY, LABEL_VALUE, LABEL, INSTANCE_GROUP]
            .iter()
            .any(|key| options.is_given(key));
        if !has_filter {
            let problem = ConfigProblem::of_key(
                TAG_VALUE.name,
                "none of `tag_value`, `label_key`, `tag.NAME` and `instance_group` is given",
            );
            options.add_problem(
                problem.with_hint("say which instances to find, as `tag_value=consul-server`"),
            );
        }
        let pattern = options.text(&ZONE_PATTERN).and_then(|text| {
            let compiled = zone_pattern(&text);
            options.accept(compiled.map_err(|reason| {
                let problem = ConfigProblem::of_key(ZONE_PATTERN.name, format!("`zone_pattern` is no regular expression: {reason}"));
                problem.with_hint("write it in RE2 syntax; it must match the whole name of a zone, as `us-(west|east).*`")
            }))
        });
        let places = Places {
            pattern,
            zones: options.list(&ZONE),
            regions: options.list(&REGION),
        };
        let selection = Selection {
            tags: TagFilter::new(labels),
            address_type: options
                .word(&ADDRESS_TYPE, AddressType::from_word)
                .unwrap_or_default(),
            power_state: options
                .word(&POWER_STATE, PowerState::from_word)
                .unwrap_or_default(),
            interfaces: options
                .word(&INTERFACES, Interfaces::from_word)
                .unwrap_or_default(),
            ..Selection::default()
        };
        Self {
            project: options.text(&PROJECT_NAME),
            group,
            conditions: Conditions { tags, places },
            selection,
            has_label_pair,
        }
    }
}

/// Instances of one project, by network tag, label or instance group.
#[derive(Debug)]
pub struct Gce {
    settings: Settings,
    client: ApiClient,
    authorizer: Arc<BearerAuthorizer>,
    metadata: MetadataServer,
    /// The project of this instance, once it is known.
    own_project: Mutex<Option<String>>,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let settings = Settings::read(options);
    let (endpoint, file) = (options.endpoint(&ENDPOINT), options.text(&CREDENTIALS_FILE));
    let metadata = options.accept(MetadataServer::new(context));
    options.finish(|| {
        let metadata = metadata?;
        let authorizer = Arc::new(BearerAuthorizer::new(
            NAME,
            chain(file, context, metadata.clone()),
            SCOPE,
        ));
        let client =
            ApiClient::new(context, &ComputeApi, endpoint?).with_authorizer(authorizer.clone());
        Some(Box::new(Gce {
            settings,
            client,
            authorizer,
            metadata,
            own_project: Mutex::default(),
        }) as Box<dyn Provider>)
    })
}

#[async_trait]
impl Provider for Gce {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let Settings {
            project,
            group,
            conditions,
            selection,
            ..
        } = &self.settings;
        let tags = conditions
            .tags
            .iter()
            .map(|tag| format!("network tag `{tag}`"));
        let labels = selection
            .tags
            .conditions()
            .iter()
            .map(|(key, value)| format!("label `{key}` = `{value}`"));
        let conditions: Vec<String> = tags.chain(labels).collect();
        let conditions = if conditions.is_empty() {
            String::new()
        } else {
            format!(" with {}", conditions.join(" and "))
        };
        let group = group
            .as_ref()
            .map_or_else(String::new, |group| format!(" of instance group `{group}`"));
        let project = project
            .as_ref()
            .map_or_else(String::new, |project| format!(" in project `{project}`"));
        format!("instances{group}{conditions}{project}")
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        let own = || {
            self.own_project
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        };
        let project = self.settings.project.clone().or_else(own);
        project
            .map(|project| (PROJECT_NAME.name, project))
            .into_iter()
            .collect()
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        self.client.connecting(call, self.find(call)).await
    }
}

impl Gce {
    async fn find(&self, call: &Call) -> Result<Discovery> {
        let (project, token) = join(self.project(call), self.authorizer.token(call)).await;
        let project = project?;
        token?;
        let Settings {
            group,
            conditions,
            selection,
            ..
        } = &self.settings;
        let mut conditions = conditions.clone();
        if conditions.places.names_self() {
            conditions.places = conditions
                .places
                .seen_from(&self.metadata.zone(call).await?);
        }
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        if let Some(identity) = self.client.identity() {
            discovery.set_identity(identity);
        }
        let group = match group.as_deref() {
            None => None,
            Some(SELF) => Some(Group::of_this_instance(&self.metadata, call).await?),
            Some(name) => Some(Group::named(name)),
        };
        let members = match &group {
            None => None,
            Some(group) => match group
                .members(&self.client, &project, &conditions.places, call)
                .await?
            {
                Some(members) => Some((group.name.as_str(), members)),
                None => {
                    let finding = Finding::new(format!(
                        "project `{project}` has no managed instance group `{}`",
                        group.name
                    ));
                    discovery.add_finding(finding.with_hint("check `instance_group`; `gcloud compute instance-groups managed list` shows the groups"));
                    return Ok(discovery);
                }
            },
        };
        let mut near_misses = TagNearMisses::default();
        let filter = self.filter(call);
        let mut query = vec![
            ("maxResults", MAX_RESULTS),
            ("returnPartialSuccess", "true"),
            ("fields", FIELDS),
        ];
        query.extend(Some(("filter", filter.as_str())).filter(|(_, filter)| !filter.is_empty()));
        let path = [
            "compute",
            "v1",
            "projects",
            &project,
            "aggregated",
            "instances",
        ];
        let mut pages = self
            .client
            .pages(self.client.get(LIST_INSTANCES, &path, &query), call);
        while let Some(page) = pages.next_json::<AggregatedPage<Instance>>().await? {
            page.require_complete(LIST_INSTANCES, |place| conditions.places.include(place))?;
            pages.follow_query("pageToken", page.next_page_token)?;
            for (place, instance) in page.items.into_iter().flat_map(|(place, scoped)| {
                scoped
                    .list
                    .into_iter()
                    .map(move |instance| (place.clone(), instance))
            }) {
                let group = members.as_ref().map(|(name, members)| (*name, members));
                let instance = conditions.instance(&project, &place, instance, group);
                let is_member = group.is_some() && instance.excluded.is_none();
                near_misses.observe(&selection.tags, &instance.tags);
                let mut node = selection.apply(instance);
                node.parents.extend(
                    group
                        .filter(|_| is_member)
                        .map(|(name, _)| Parent::new("instance group", name)),
                );
                discovery.record(node);
            }
        }
        if discovery.matched() == 0 {
            discovery.add_finding(self.nothing_matched(&project, &discovery, &near_misses));
        }
        Ok(discovery)
    }

    /// The filter that the API applies. To explain why instances don't match, all are listed.
    fn filter(&self, call: &Call) -> String {
        if call.detail() == Detail::Everything {
            return String::new();
        }
        filter(
            &self.settings.conditions.tags,
            self.settings.selection.tags.conditions(),
        )
    }

    async fn project(&self, call: &Call) -> Result<String> {
        let own = || {
            self.own_project
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(known) = self.settings.project.clone().or_else(|| own().clone()) {
            return Ok(known);
        }
        let advice = "add `project_name=...`: without it the project is the one of this instance of Compute Engine";
        let project = self
            .metadata
            .text(
                "read the project of this instance",
                "project/project-id",
                advice,
                call,
            )
            .await?;
        *own() = Some(project.clone());
        Ok(project)
    }

    fn nothing_matched(
        &self,
        project: &str,
        discovery: &Discovery,
        near_misses: &TagNearMisses,
    ) -> Finding {
        let labels = self.settings.selection.tags.conditions();
        let first = labels.first().map(|(key, _)| key.as_str());
        let is_pair = |key: &str| self.settings.has_label_pair && Some(key) == first;
        let key_of = |key: &str| {
            if is_pair(key) {
                LABEL_VALUE.name.to_owned()
            } else {
                format!("{}{key}", LABEL.name)
            }
        };
        if let Some(finding) = near_misses.finding(key_of) {
            return finding;
        }
        let examined = discovery.examined();
        if examined == 0 {
            return Finding::new(format!("project `{project}` has no such instance"))
                .with_hint("check `project_name`, the network tag and the label; `discover explain` lists every instance of the project with its reason");
        }
        Finding::new(format!(
            "none of {examined} instances of project `{project}` gives an address"
        ))
        .with_hint("`discover explain` says why, instance by instance")
    }
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let given = |name: &str| config.get(name).is_some_and(|value| !value.is_empty());
    let mut differences = Vec::new();
    if config
        .get(TAG_VALUE.name)
        .is_some_and(|tags| tags.contains(','))
    {
        differences.push("takes `tag_value` as one network tag".to_owned());
    }
    if given(LABEL_KEY.name) {
        differences.push(
            "up to 1.4.0 ignores labels and returns every instance with the network tag".to_owned(),
        );
    }
    let unknown = [
        INSTANCE_GROUP,
        ZONE,
        REGION,
        ADDRESS_TYPE,
        INTERFACES,
        POWER_STATE,
        ENDPOINT,
    ];
    let unknown: Vec<String> = unknown
        .iter()
        .filter(|key| given(key.name))
        .map(|key| format!("`{}`", key.name))
        .collect();
    if !unknown.is_empty() {
        differences.push(format!("ignores {}", unknown.join(", ")));
    }
    differences
}
