//! From options to the lists of every region.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigProblem, Context, Discovery, Error, Finding, Node, Provider, Result,
    TransportFailure,
};
use cloud_autojoin_provider_kit::auth::aws::{AwsConfig, Endpoints, Service, region_of_zone};
use cloud_autojoin_provider_kit::auth::{AccessKey, AccessKeys};
use cloud_autojoin_provider_kit::select::{Interfaces, TagNearMisses};
use cloud_autojoin_provider_kit::{AddressType, Options, Places, PowerState, Selection, TagFilter};
use futures::future::try_join_all;
use tokio::sync::OnceCell;

use crate::ecs::Tasks;
use crate::keys::{
    ACCESS_KEY_ID, ADDRESS_TYPE, ECS_CLUSTER, ECS_FAMILY, ENDPOINT, INTERFACES, POWER_STATE,
    REGION, SECRET_ACCESS_KEY, SERVICE, SESSION_TOKEN, TAG, TAG_KEY, TAG_VALUE, USE_DUAL_STACK,
    USE_FIPS,
};
use crate::select::Conditions;
use crate::{ec2, ecs};

/// The name after `provider=`.
pub(crate) const NAME: &str = "aws";

/// Stands for what this machine or task itself has.
const SELF: &str = "self";

/// EC2 instances or ECS tasks of one or more regions, by tag.
#[derive(Debug)]
pub struct Aws {
    config: AwsConfig,
    keys: Arc<AccessKeys>,
    wanted: Wanted,
    /// `wanted` without `self`, looked up once.
    resolved: OnceCell<Wanted>,
}

/// What is looked for, and where.
#[derive(Debug, Clone)]
struct Wanted {
    /// Empty for the region of the shared profile or this machine.
    regions: Vec<String>,
    target: Target,
}

#[derive(Debug, Clone)]
enum Target {
    Instances(Conditions),
    Tasks(Tasks),
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let key = AccessKey::from_options(options, &ACCESS_KEY_ID, &SECRET_ACCESS_KEY, &SESSION_TOKEN);
    let regions = options.list(&REGION);
    for zone in &regions {
        if let Some(region) = region_of_zone(zone) {
            let problem = format!("`{zone}` is an availability zone");
            let problem = ConfigProblem::of_key(REGION.name, problem);
            options.add_problem(problem.with_hint(format!("write its region, `{region}`")));
        }
    }
    let service = options.word(&SERVICE, Service::from_name);
    let target = match service {
        Some(Service::Ecs) => Target::Tasks(tasks(options)),
        _ => Target::Instances(conditions(options)),
    };
    let endpoints = Endpoints {
        given: service.zip(options.endpoint(&ENDPOINT)),
        fips: options.boolean(&USE_FIPS),
        dual_stack: options.boolean(&USE_DUAL_STACK),
    };
    options.finish(|| {
        let config = AwsConfig::new(context, endpoints);
        Some(Box::new(Aws {
            keys: config.keys(key),
            config,
            wanted: Wanted { regions, target },
            resolved: OnceCell::new(),
        }) as Box<dyn Provider>)
    })
}

/// Without `interfaces` the IPv4 addresses of the primary interface count, and all IPv6 addresses.
fn conditions(options: &mut Options<'_>) -> Conditions {
    let interfaces = options.word(&INTERFACES, Interfaces::from_word);
    Conditions {
        selection: Selection {
            tags: tags(options, true).with_wildcards(),
            interfaces: interfaces.unwrap_or(Interfaces::All),
            ..Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE)
        },
        all_ipv4: interfaces == Some(Interfaces::All),
    }
}

/// Tasks have private IPv4 addresses, whatever type is asked for, and their tags no wildcards.
fn tasks(options: &mut Options<'_>) -> Tasks {
    let (clusters, families) = (options.list(&ECS_CLUSTER), options.list(&ECS_FAMILY));
    let tags = tags(options, clusters.is_empty() && families.is_empty());
    Tasks {
        clusters,
        families,
        selection: Selection {
            tags,
            address_type: AddressType::PrivateV4,
            power_state: PowerState::Running,
            ..Selection::default()
        },
    }
}

/// The tags that must hold: `tag_key` and every `tag.NAME`.
fn tags(options: &mut Options<'_>, is_required: bool) -> TagFilter {
    let mut tags = options.family(&TAG);
    let value = options.text(&TAG_VALUE);
    match options.text(&TAG_KEY) {
        Some(key) => tags.insert(0, (key, value.unwrap_or_default())),
        None if value.is_some() => options.add_missing(&TAG_KEY, Some("`tag_value` is given")),
        None if tags.is_empty() && is_required => options.add_missing(&TAG_KEY, None),
        None => {}
    }
    TagFilter::new(tags)
}

#[async_trait]
impl Provider for Aws {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let selection = self.wanted.target.selection().clone();
        let mut places = vec![selection.subject(match &self.wanted.target {
            Target::Instances(_) => "instances",
            Target::Tasks(_) => "tasks",
        })];
        if let Target::Tasks(tasks) = &self.wanted.target {
            let names = [("family", &tasks.families), ("cluster", &tasks.clusters)];
            let names = names.map(|(kind, names)| Places::new(kind, names.clone()));
            places.extend(
                names
                    .iter()
                    .filter(|names| !names.is_empty())
                    .map(|names| format!("of {names}")),
            );
        }
        if !self.wanted.regions.is_empty() {
            let regions = Places::new("region", self.wanted.regions.clone());
            places.push(format!("in {regions}"));
        }
        places.join(" ")
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let wanted = self.resolved.get_or_try_init(|| self.resolve(call)).await?;
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        // All or nothing: a region that fails would make the list look complete.
        let lists = wanted
            .regions
            .iter()
            .map(|region| self.list(region, wanted, call));
        let lists = try_join_all(lists).await?;
        let tags = &wanted.target.selection().tags;
        let mut misses = TagNearMisses::default();
        for node in lists.into_iter().flatten() {
            if !node.is_match() {
                misses.observe(tags, &node.tags);
            }
            discovery.record(node);
        }
        if discovery.matched() == 0 {
            let key_of = |tag: &str| match tags.conditions().first() {
                Some((name, _)) if name == tag => TAG_VALUE.name.to_owned(),
                _ => format!("tag.{tag}"),
            };
            if let Some(finding) = misses.finding(key_of) {
                discovery.add_finding(finding);
            }
            if discovery.examined() == 0 {
                discovery.add_finding(wanted.nothing());
            }
        }
        if let Some(identity) = self.keys.identity() {
            discovery.set_identity(identity);
        }
        Ok(discovery)
    }
}

impl Aws {
    /// What is wanted, with the values of this machine or task in place of `self`.
    async fn resolve(&self, call: &Call) -> Result<Wanted> {
        let mut wanted = self.wanted.clone();
        if wanted.regions.is_empty() {
            wanted.regions.push(self.config.region(call).await?);
        }
        for region in &mut wanted.regions {
            if region == SELF {
                *region = self.config.own_region(call).await?;
            }
        }
        let mut seen = Vec::new();
        wanted.regions.retain(|region| {
            let is_new = !seen.contains(region);
            seen.push(region.clone());
            is_new
        });
        match &mut wanted.target {
            Target::Instances(conditions) => {
                let mut tags = conditions.selection.tags.conditions().to_vec();
                for (name, value) in &mut tags {
                    if value == SELF {
                        let own = self.config.own_tag(name, call).await?;
                        *value = own
                            .replace('\\', r"\\")
                            .replace('*', r"\*")
                            .replace('?', r"\?");
                    }
                }
                conditions.selection.tags = TagFilter::new(tags).with_wildcards();
            }
            Target::Tasks(tasks) => {
                let own = |name: &&mut String| name.as_str() == SELF;
                for cluster in tasks.clusters.iter_mut().filter(own) {
                    *cluster = self.config.own_task(call).await?.cluster;
                }
                for family in tasks.families.iter_mut().filter(own) {
                    *family = self.config.own_task(call).await?.family;
                }
            }
        }
        Ok(wanted)
    }

    async fn list(&self, region: &str, wanted: &Wanted, call: &Call) -> Result<Vec<Node>> {
        // One token of the first region's token service serves all regions.
        let keys = Some((&self.keys, wanted.regions[0].as_str()));
        let ec2 = self.config.client(Service::Ec2, region, keys).await?;
        let list = match &wanted.target {
            Target::Instances(conditions) => ec2::list(&ec2, region, conditions, call).await,
            Target::Tasks(tasks) => {
                let ecs = self.config.client(Service::Ecs, region, keys).await?;
                ecs::list(&ecs, &ec2, region, tasks, call).await
            }
        };
        list.map_err(|error| match error {
            Error::Transport(error) if error.failure() == TransportFailure::Connect => {
                let hint = format!(
                    "check that `{region}` is a region, and that this machine reaches its endpoint"
                );
                error.with_hint(hint).into()
            }
            other => other,
        })
    }
}

impl Target {
    fn selection(&self) -> &Selection {
        match self {
            Self::Instances(conditions) => &conditions.selection,
            Self::Tasks(tasks) => &tasks.selection,
        }
    }
}

impl Wanted {
    fn nothing(&self) -> Finding {
        let regions = self.regions.join("`, `");
        match &self.target {
            Target::Instances(conditions) => {
                let state = match conditions.selection.power_state {
                    PowerState::Running => "running ",
                    PowerState::Any => "",
                };
                Finding::new(format!("no {state}instance in `{regions}` has the tags"))
                    .with_hint("check the tags and `region`; `discover explain` shows every instance with what it has instead")
            }
            Target::Tasks(_) => Finding::new(format!("no task is running in `{regions}`"))
                .with_hint("check `region`, `ecs_cluster` and `ecs_family`, and that the service has started its tasks"),
        }
    }
}
