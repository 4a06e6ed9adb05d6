//! From options to the lists of every region.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigProblem, Context, Discovery, Error, Finding, Node, Provider, Result,
    TransportFailure,
};
use cloud_autojoin_provider_kit::auth::sigv4::AccessKey;
use cloud_autojoin_provider_kit::select::{Interfaces, TagNearMisses};
use cloud_autojoin_provider_kit::{
    AddressType, ApiClient, Options, PowerState, Selection, TagFilter,
};
use futures::future::try_join_all;

use crate::api::AwsApi;
use crate::credential::{Credentials, Signer};
use crate::endpoint::{Endpoints, Service, region_of_zone};
use crate::keys::{
    ACCESS_KEY_ID, ADDRESS_TYPE, ECS_CLUSTER, ECS_FAMILY, ENDPOINT, INTERFACES, POWER_STATE,
    REGION, SECRET_ACCESS_KEY, SERVICE, SESSION_TOKEN, TAG, TAG_KEY, TAG_VALUE, USE_DUAL_STACK,
    USE_FIPS,
};
use crate::region::Regions;
use crate::select::{Conditions, interfaces};
use crate::{ec2, ecs};

/// The name after `provider=`.
pub(crate) const NAME: &str = "aws";

/// EC2 instances or ECS tasks of one or more regions, by tag.
#[derive(Debug)]
pub struct Aws {
    context: Context,
    endpoints: Endpoints,
    regions: Regions,
    credentials: Arc<Credentials>,
    target: Target,
}

/// What is looked for.
#[derive(Debug)]
enum Target {
    Instances(Conditions),
    Tasks(ecs::Tasks),
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let key = access_key(options);
    let endpoints = Endpoints {
        given: options.endpoint(&ENDPOINT),
        fips: options.boolean(&USE_FIPS),
        dual_stack: options.boolean(&USE_DUAL_STACK),
    };
    let regions = options.list(&REGION);
    for zone in &regions {
        if let Some(region) = region_of_zone(zone) {
            let problem =
                ConfigProblem::of_key(REGION.name, format!("`{zone}` is an availability zone"));
            options.add_problem(problem.with_hint(format!("write its region, `{region}`")));
        }
    }
    let service = options.word(&SERVICE, |word| {
        Some(if word == "ecs" {
            Service::Ecs
        } else {
            Service::Ec2
        })
    });
    let target = if service == Some(Service::Ecs) {
        Target::Tasks(tasks(options))
    } else {
        Target::Instances(conditions(options))
    };
    options.finish(|| {
        let credentials = Arc::new(Credentials::new(key, &endpoints, context));
        let aws = Aws {
            context: context.clone(),
            endpoints,
            regions: Regions::new(regions),
            credentials,
            target,
        };
        Some(Box::new(aws) as Box<dyn Provider>)
    })
}

fn conditions(options: &mut Options<'_>) -> Conditions {
    let (interfaces, all_ipv4) = interfaces(options.word(&INTERFACES, Interfaces::from_word));
    let selection = Selection {
        tags: tags(options, true).with_wildcards(),
        address_type: options
            .word(&ADDRESS_TYPE, AddressType::from_word)
            .unwrap_or_default(),
        power_state: options
            .word(&POWER_STATE, PowerState::from_word)
            .unwrap_or_default(),
        interfaces,
        ..Selection::default()
    };
    Conditions {
        selection,
        all_ipv4,
    }
}

/// Tasks have private IPv4 addresses, whatever type is asked for, and their tags no wildcards.
fn tasks(options: &mut Options<'_>) -> ecs::Tasks {
    let (clusters, families) = (options.list(&ECS_CLUSTER), options.list(&ECS_FAMILY));
    let tags = tags(options, clusters.is_empty() && families.is_empty());
    let selection = Selection {
        tags,
        address_type: AddressType::PrivateV4,
        power_state: PowerState::Running,
        ..Selection::default()
    };
    ecs::Tasks {
        clusters,
        families,
        selection,
    }
}

/// The access key of the join string, whole or not at all.
fn access_key(options: &mut Options<'_>) -> Option<AccessKey> {
    let (id, secret) = (
        options.text(&ACCESS_KEY_ID),
        options.secret(&SECRET_ACCESS_KEY),
    );
    let session_token = options.secret(&SESSION_TOKEN);
    match (id, secret) {
        (Some(id), Some(secret)) => {
            return Some(AccessKey {
                id,
                secret,
                session_token,
            });
        }
        (Some(_), None) => {
            options.add_missing(&SECRET_ACCESS_KEY, Some("`access_key_id` is given"))
        }
        (None, Some(_)) => {
            options.add_missing(&ACCESS_KEY_ID, Some("`secret_access_key` is given"))
        }
        (None, None) if session_token.is_some() => {
            options.add_missing(&ACCESS_KEY_ID, Some("`session_token` is given"))
        }
        (None, None) => {}
    }
    None
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
        let tags = self
            .tags()
            .conditions()
            .iter()
            .map(|(name, value)| format!("tag `{name}` = `{value}`"));
        let (kind, more) = match &self.target {
            Target::Instances(_) => ("instances", None),
            Target::Tasks(tasks) => (
                "tasks",
                (!tasks.families.is_empty())
                    .then(|| format!("family `{}`", tasks.families.join("`, `"))),
            ),
        };
        let conditions: Vec<String> = tags.chain(more).collect();
        let with = if conditions.is_empty() {
            String::new()
        } else {
            format!(" with {}", conditions.join(" and "))
        };
        let clusters = match &self.target {
            Target::Tasks(tasks) if !tasks.clusters.is_empty() => {
                format!(" of cluster `{}`", tasks.clusters.join("`, `"))
            }
            _ => String::new(),
        };
        let regions = self.regions.given();
        let place = if regions.is_empty() {
            String::new()
        } else {
            format!(" in region `{}`", regions.join("`, `"))
        };
        format!("{kind}{with}{clusters}{place}")
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let regions = self.regions.get(&self.context, call).await?;
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        // All or nothing: a region that fails would make the list look complete.
        let lists = try_join_all(
            regions
                .iter()
                .map(|region| self.list(region, &regions[0], call)),
        )
        .await?;
        let mut misses = TagNearMisses::default();
        for node in lists.into_iter().flatten() {
            if !node.is_match() {
                misses.observe(self.tags(), &node.tags);
            }
            discovery.record(node);
        }
        if discovery.matched() == 0 {
            misses
                .finding(|name| self.key_of(name))
                .into_iter()
                .for_each(|finding| discovery.add_finding(finding));
            if discovery.examined() == 0 {
                discovery.add_finding(self.nothing(regions));
            }
        }
        if let Some(identity) = self.credentials.identity() {
            discovery.set_identity(identity);
        }
        Ok(discovery)
    }
}

impl Aws {
    fn tags(&self) -> &TagFilter {
        match &self.target {
            Target::Instances(conditions) => &conditions.selection.tags,
            Target::Tasks(tasks) => &tasks.selection.tags,
        }
    }

    async fn list(&self, region: &str, token_region: &str, call: &Call) -> Result<Vec<Node>> {
        let service = if matches!(self.target, Target::Tasks(_)) {
            Service::Ecs
        } else {
            Service::Ec2
        };
        let signer = Signer {
            credentials: Arc::clone(&self.credentials),
            token_region: token_region.to_owned(),
            region: region.to_owned(),
            service,
        };
        let endpoint = self.endpoints.of(service, region, self.context.env())?;
        let client =
            ApiClient::new(&self.context, &AwsApi, endpoint).with_authorizer(Arc::new(signer));
        let list = match &self.target {
            Target::Instances(conditions) => ec2::list(&client, region, conditions, call).await,
            Target::Tasks(tasks) => ecs::list(&client, region, tasks, call).await,
        };
        list.map_err(|error| match error {
            Error::Transport(error) if error.failure() == TransportFailure::Connect && self.endpoints.given.is_none() => {
                error.with_hint(format!("check that `{region}` is a region, and that this machine reaches its endpoint")).into()
            }
            other => other,
        })
    }

    fn key_of(&self, tag: &str) -> String {
        let is_family = self
            .tags()
            .conditions()
            .first()
            .is_none_or(|(name, _)| name != tag);
        if is_family {
            format!("tag.{tag}")
        } else {
            TAG_VALUE.name.to_owned()
        }
    }

    fn nothing(&self, regions: &[String]) -> Finding {
        let regions = regions.join("`, `");
        match &self.target {
            Target::Instances(conditions) => {
                let state = if conditions.selection.power_state == PowerState::Running { "running " } else { "" };
                Finding::new(format!("no {state}instance in `{regions}` has the tags"))
                    .with_hint("check the tags and `region`; `discover explain` shows every instance with what it has instead")
            }
            Target::Tasks(_) => Finding::new(format!("no task is running in `{regions}`"))
                .with_hint("check `region`, `ecs_cluster` and `ecs_family`, and that the service has started its tasks"),
        }
    }
}
