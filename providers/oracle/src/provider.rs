//! From options to the instances of each compartment, and the VNICs of those that match.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigString, Context, Discovery, Exclusion, Provider, Result, RoleDocument, RoleFormat,
};
use cloud_autojoin_provider_kit::auth::oracle::{OracleConfig, Place};
use cloud_autojoin_provider_kit::keys::{ADDRESS_TYPE, INTERFACES, TAG, TAG_KEY, TAG_VALUE};
use cloud_autojoin_provider_kit::{Instance, Options, Selection, TagFilter};
use futures::stream::{StreamExt, TryStreamExt, iter};

use crate::api::{API, LIST_ATTACHMENTS, LIST_COMPARTMENTS, list};
use crate::keys::{COMPARTMENT_ID, DEFINED_TAG, KEYS, NAME, POWER_STATE, SUBCOMPARTMENTS};
use crate::select::{Compartment, OracleInstance, Vnic, VnicAttachment};

/// How many requests are made at once.
const PARALLEL: usize = 8;

/// Instances of some compartments, by tag.
#[derive(Debug)]
pub struct Oracle {
    config: OracleConfig,
    compartments: Vec<String>,
    has_subcompartments: bool,
    selection: Selection,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let families = [&TAG, &DEFINED_TAG];
    let tags = TagFilter::from_options(options, &TAG_KEY, &TAG_VALUE, &families);
    let selection = Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE)
        .with_interfaces(options, &INTERFACES)
        .with_tags(tags);
    let config = OracleConfig::from_options(options, context, &API);
    let compartments = options.list(&COMPARTMENT_ID);
    let has_subcompartments = options.boolean(&SUBCOMPARTMENTS);
    options.finish(|| {
        Some(Box::new(Oracle {
            config: config?,
            compartments,
            has_subcompartments,
            selection,
        }) as Box<dyn Provider>)
    })
}

#[async_trait]
impl Provider for Oracle {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        self.selection.subject("instances")
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        self.config.scope()
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let place = self.config.place(call).await?;
        let compartments = self.compartments(&place, call).await?;
        let mut lists = Vec::new();
        for region in &place.regions {
            let places = compartments.iter();
            lists.extend(places.map(|id| self.instances(region, id, &place, call)));
        }
        let lists: Vec<Vec<Instance>> = iter(lists).buffered(PARALLEL).try_collect().await?;
        self.selection
            .record(&mut discovery, lists.into_iter().flatten());
        let nothing = format!(
            "no instance in region `{}`, compartment `{}`",
            place.regions.join("`, `"),
            compartments.join("`, `")
        );
        let hint = "check `region` and `compartment_id`; `subcompartments=true` looks in the compartments below as well";
        let client = self.config.client("iaas", &place.regions[0], &place)?;
        Ok(client.conclude(discovery, &nothing, hint))
    }
}

impl Oracle {
    /// The compartments to look in.
    async fn compartments(&self, place: &Place, call: &Call) -> Result<Vec<String>> {
        let mut wanted = self.compartments.clone();
        if wanted.is_empty() {
            wanted.push(place.tenancy.clone());
        }
        if !self.has_subcompartments {
            return Ok(wanted);
        }
        // Those of the whole tenancy: below another compartment than the root, the API lists one
        // level only.
        let query = [
            ("compartmentId", place.tenancy.as_str()),
            ("compartmentIdInSubtree", "true"),
            ("accessLevel", "ACCESSIBLE"),
        ];
        let client = self.config.client("identity", &place.regions[0], place)?;
        let list = list(&client, LIST_COMPARTMENTS, "compartments", &query, call);
        let mut all: Vec<Compartment> = list.await?;
        all.retain(|compartment| compartment.lifecycle_state == "ACTIVE");
        let mut at = 0;
        while let Some(parent) = wanted.get(at).cloned() {
            let below = all.iter().filter(|below| below.compartment_id == parent);
            let new = below.map(|below| below.id.clone());
            let new: Vec<String> = new.filter(|id| !wanted.contains(id)).collect();
            wanted.extend(new);
            at += 1;
        }
        Ok(wanted)
    }

    /// The instances of a compartment; those that match have addresses.
    async fn instances(
        &self,
        region: &str,
        compartment: &str,
        place: &Place,
        call: &Call,
    ) -> Result<Vec<Instance>> {
        let client = self.config.client("iaas", region, place)?;
        let query = [("compartmentId", compartment), ("limit", "1000")];
        let (instances, mut attachments) = futures::try_join!(
            list::<OracleInstance>(&client, "list instances", "instances", &query, call),
            list::<VnicAttachment>(&client, LIST_ATTACHMENTS, "vnicAttachments", &query, call),
        )?;
        let instances = instances.into_iter();
        let mut instances: BTreeMap<String, Instance> = instances
            .map(|found| found.into_instance(region, compartment))
            .map(|instance| (instance.id.clone(), instance))
            .collect();
        attachments.retain(|attachment| {
            let instance = instances.get(&attachment.instance_id).cloned();
            instance.is_some_and(|instance| {
                self.selection.apply(instance).excluded == [Exclusion::NoAddress]
            })
        });
        let vnics = attachments.into_iter();
        let vnics = iter(vnics.filter_map(|attachment| attachment.vnic(&client, call)));
        let vnics: Vec<(String, Vnic)> = vnics.buffered(PARALLEL).try_collect().await?;
        for (id, vnic) in vnics {
            if let Some(instance) = instances.remove(&id) {
                instances.insert(id, vnic.added_to(instance));
            }
        }
        Ok(instances.into_values().collect())
    }
}

/// The policy that the instance's dynamic group, or the group of the user, needs.
///
/// # Errors
///
/// As building the provider.
pub(crate) fn role(
    config: &ConfigString,
    context: &Context,
    _: RoleFormat,
) -> Result<RoleDocument> {
    let mut options = Options::new(NAME, KEYS, config, context.env());
    build(&mut options, context)?;
    let compartments = options.list(&COMPARTMENT_ID).into_iter();
    let mut places: Vec<String> = compartments
        .map(|id| format!("compartment id {id}"))
        .collect();
    if places.is_empty() {
        places.push("tenancy".to_owned());
    }
    let mut text = String::new();
    if options.boolean(&SUBCOMPARTMENTS) {
        text += "Allow dynamic-group discover to inspect compartments in tenancy\n";
    }
    for place in places {
        for resource in ["instances", "vnic-attachments", "vnics"] {
            text += &format!("Allow dynamic-group discover to read {resource} in {place}\n");
        }
    }
    Ok(RoleDocument::new(text).with_note(
        "replace `discover` by a dynamic group with the instance, as \
         `instance.compartment.id = 'OCID'`; for an API key by `group` and the name of the user's \
         group",
    ))
}
