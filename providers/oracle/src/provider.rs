//! From options to the instances of each compartment, and the VNICs of those that match.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::credential::{Chain, CredentialSource};
use cloud_autojoin_core::{
    Call, ConfigError, ConfigProblem, ConfigString, Context, Discovery, Exclusion, Provider,
    Result, RoleDocument, RoleFormat,
};
use cloud_autojoin_provider_kit::auth::{AccessKey, AccessKeys, PrivateKey, SigningAuthorizer};
use cloud_autojoin_provider_kit::{ApiClient, Instance, Interfaces, Options, Selection, TagFilter};
use futures::stream::{StreamExt, TryStreamExt, iter};
use url::Url;

use crate::api::{OracleApi, list};
use crate::api_key::ApiKey;
use crate::credential::{Home, SharedHome, sign};
use crate::instance_principal::InstancePrincipal;
use crate::keys::{
    ADDRESS_TYPE, AUTH, AUTH_ENDPOINT, COMPARTMENT_ID, DEFINED_TAG, ENDPOINT, INTERFACES, KEYS,
    METADATA_ENDPOINT, POWER_STATE, REALM_DOMAIN, REGION, SUBCOMPARTMENTS, TAG, TAG_KEY, TAG_VALUE,
};
use crate::select::{Compartment, OracleInstance, Vnic, VnicAttachment};

/// The name after `provider=`.
pub(crate) const NAME: &str = "oracle";

/// The domain of the commercial realm.
const DOMAIN: &str = "oraclecloud.com";

/// How many requests are made at once.
const PARALLEL: usize = 8;

/// Instances of some compartments, by tag.
#[derive(Debug)]
pub struct Oracle {
    context: Context,
    keys: Arc<AccessKeys>,
    signer: Arc<SigningAuthorizer>,
    home: SharedHome,
    regions: Vec<String>,
    compartments: Vec<String>,
    has_subcompartments: bool,
    domain: Option<String>,
    endpoint: Option<Url>,
    defined_tags: TagFilter,
    selection: Selection,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let defined = options.family(&DEFINED_TAG);
    let tags = if defined.is_empty() || options.is_given(&TAG_KEY) {
        TagFilter::from_options(options, &TAG_KEY, &TAG_VALUE, &TAG)
    } else {
        TagFilter::new(options.family(&TAG))
    };
    let mut selection =
        Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE).with_tags(tags);
    selection.interfaces = options
        .word(&INTERFACES, Interfaces::from_word)
        .unwrap_or_default();
    let (regions, domain) = (options.list(&REGION), options.text(&REALM_DOMAIN));
    for region in &regions {
        options.accept(service_url("iaas", region, DOMAIN).map(drop));
    }
    let home = SharedHome::default();
    let api_key = ApiKey::new(options, context, home.clone());
    let (metadata, auth_endpoint) = (
        options.url(&METADATA_ENDPOINT),
        options.endpoint(&AUTH_ENDPOINT),
    );
    let principal =
        metadata.and_then(|url| InstancePrincipal::new(context, url, auth_endpoint, home.clone()));
    let auth = options.word(&AUTH, |word| Some(word.to_owned()));
    let (compartments, has_subcompartments) = (
        options.list(&COMPARTMENT_ID),
        options.boolean(&SUBCOMPARTMENTS),
    );
    let endpoint = options.endpoint(&ENDPOINT);
    options.finish(|| {
        let mut sources: Vec<Box<dyn CredentialSource<AccessKey>>> =
            vec![Box::new(api_key), Box::new(principal?)];
        match auth.as_deref() {
            Some("instance_principal") => _ = sources.remove(0),
            Some(_) => _ = sources.pop(),
            None => {}
        }
        let chain = Chain::new(NAME, sources).with_hint(
            "run `oci setup config`, or give the instance a dynamic group with the policy of `discover check --role`",
        );
        let keys = AccessKeys::new(NAME, chain);
        let signer = SigningAuthorizer::new(Arc::clone(&keys), "", |request, key, now| {
            // The sources give keys that can be read.
            if let Ok(private) = PrivateKey::from_pem(key.secret.expose()) {
                let names = ["date", "(request-target)", "host"];
                sign(request, &private, &key.id, &names, now);
            }
            Ok(())
        });
        Some(Box::new(Oracle {
            context: context.clone(),
            keys,
            signer,
            home,
            regions,
            compartments,
            has_subcompartments,
            domain,
            endpoint,
            defined_tags: TagFilter::new(defined),
            selection,
        }) as Box<dyn Provider>)
    })
}

/// The endpoint of a service in a region.
pub(crate) fn service_url(service: &str, region: &str, domain: &str) -> Result<Url, ConfigProblem> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let host = format!("{service}.{region}.{domain}");
    let url = Url::parse(&format!("https://{host}")).ok();
    url.filter(|_| host.bytes().all(is_letter)).ok_or_else(|| {
        ConfigProblem::of_key(REGION.name, "`region` isn't the name of a region")
            .with_hint("write names such as `eu-frankfurt-1`, separated by commas")
    })
}

#[async_trait]
impl Provider for Oracle {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let mut kind = "instances".to_owned();
        if !self.defined_tags.is_empty() {
            kind += &format!(" with defined {}", self.defined_tags);
        }
        self.selection.subject(&kind)
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        let home = self.home.get();
        let regions = if self.regions.is_empty() {
            home.region.unwrap_or_default()
        } else {
            self.regions.join(",")
        };
        vec![("tenancy", home.tenancy), (REGION.name, regions)]
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        // The credential says where it belongs.
        self.keys.get("", call).await?;
        let home = self.home.get();
        let mut regions = self.regions.clone();
        if regions.is_empty() {
            regions.extend(home.region.clone());
        }
        let Some(first) = regions.first() else {
            let missing = "`region` is missing, and the profile names none";
            let problem = ConfigProblem::of_key(REGION.name, missing);
            let problem = problem.with_hint("add `region=...`, or set `OCI_REGION`");
            return Err(ConfigError::new(Some(NAME), problem).into());
        };
        let compartments = self.compartments(first, &home, call).await?;
        let mut lists = Vec::new();
        for region in &regions {
            let places = compartments
                .iter()
                .map(|id| self.instances(region, id, &home, call));
            lists.extend(places);
        }
        let lists: Vec<Vec<Instance>> = iter(lists).buffered(PARALLEL).try_collect().await?;
        self.selection
            .record(&mut discovery, lists.into_iter().flatten());
        let nothing = format!(
            "no instance in region `{}`, compartment `{}`",
            regions.join("`, `"),
            compartments.join("`, `")
        );
        let client = self.client("iaas", first, &home)?;
        Ok(client.conclude(
            discovery,
            &nothing,
            "check `region` and `compartment_id`; `subcompartments=true` looks in the compartments below as well",
        ))
    }
}

impl Oracle {
    fn client(&self, service: &str, region: &str, home: &Home) -> Result<ApiClient> {
        let domain = self.domain.as_deref().or(home.realm_domain.as_deref());
        let url = match &self.endpoint {
            Some(url) => url.clone(),
            None => service_url(service, region, domain.unwrap_or(DOMAIN))
                .map_err(|problem| ConfigError::new(Some(NAME), problem))?,
        };
        Ok(ApiClient::new(&self.context, &OracleApi, url).with_authorizer(self.signer.clone()))
    }

    /// The compartments to look in.
    async fn compartments(&self, region: &str, home: &Home, call: &Call) -> Result<Vec<String>> {
        let mut wanted = self.compartments.clone();
        if wanted.is_empty() {
            wanted.push(home.tenancy.clone());
        }
        if self.has_subcompartments {
            // Those of the whole tenancy: below another compartment than the root, the API lists
            // one level only.
            let query = [
                ("compartmentId", home.tenancy.as_str()),
                ("compartmentIdInSubtree", "true"),
                ("accessLevel", "ACCESSIBLE"),
            ];
            let client = self.client("identity", region, home)?;
            let all: Vec<Compartment> =
                list(&client, "list compartments", "compartments", &query, call).await?;
            let mut at = 0;
            while let Some(parent) = wanted.get(at).cloned() {
                for below in all.iter().filter(|below| below.compartment_id == parent) {
                    if below.lifecycle_state == "ACTIVE" && !wanted.contains(&below.id) {
                        wanted.push(below.id.clone());
                    }
                }
                at += 1;
            }
        }
        Ok(wanted)
    }

    /// The instances of a compartment; those that match have addresses.
    async fn instances(
        &self,
        region: &str,
        compartment: &str,
        home: &Home,
        call: &Call,
    ) -> Result<Vec<Instance>> {
        let client = self.client("iaas", region, home)?;
        let query = [("compartmentId", compartment), ("limit", "1000")];
        let (instances, attachments) = futures::try_join!(
            list::<OracleInstance>(&client, "list instances", "instances", &query, call),
            list::<VnicAttachment>(
                &client,
                "list VNIC attachments",
                "vnicAttachments",
                &query,
                call
            )
        )?;
        let mut instances: BTreeMap<String, Instance> = instances
            .into_iter()
            .map(|instance| instance.into_instance(region, compartment, &self.defined_tags))
            .map(|instance| (instance.id.clone(), instance))
            .collect();
        let is_wanted = |id: &str| {
            let instance = instances.get(id).cloned();
            instance.is_some_and(|instance| {
                self.selection.apply(instance).excluded == [Exclusion::NoAddress]
            })
        };
        let mut vnics = Vec::new();
        for attachment in attachments {
            if is_wanted(&attachment.instance_id) {
                vnics.extend(attachment.vnic(&client, call));
            }
        }
        let vnics: Vec<(String, Vnic)> = iter(vnics).buffered(PARALLEL).try_collect().await?;
        for (id, vnic) in vnics {
            if let Some(instance) = instances.get_mut(&id) {
                instance.addresses.extend(vnic.addresses());
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
    Ok(RoleDocument::new(text)
        .with_note("`discover` stands for a dynamic group with the instance, as `instance.compartment.id = 'OCID'`; for an API key write `group` and the name of the user's group"))
}
