//! The regions to look in: of the join string or the environment, the shared profile, the machine.

use cloud_autojoin_core::error::{SourceOutcome, SourceReport};
use cloud_autojoin_core::{Call, ConfigError, ConfigProblem, Context, Error, Result};
use tokio::sync::OnceCell;

use crate::keys::REGION;
use crate::metadata::{InstanceMetadata, task_region};
use crate::profile::SharedFiles;
use crate::provider::NAME;

/// Stands for the region of the machine this runs on.
pub(crate) const SELF: &str = "self";

/// The regions, looked up once.
#[derive(Debug, Default)]
pub(crate) struct Regions {
    /// Those that are given; empty when none is.
    given: Vec<String>,
    found: OnceCell<Vec<String>>,
}

impl Regions {
    pub(crate) fn new(given: Vec<String>) -> Self {
        Self {
            given,
            found: OnceCell::new(),
        }
    }

    pub(crate) fn given(&self) -> &[String] {
        &self.given
    }

    /// The regions: at least one, each once.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when none is given and the machine has none; [`Error::Transport`] or
    /// [`Error::Api`] when its metadata can't be read.
    pub(crate) async fn get(&self, context: &Context, call: &Call) -> Result<&[String]> {
        let find = async || {
            let mut regions: Vec<String> = Vec::new();
            let given = if self.given.is_empty() {
                vec![
                    profile_region(context)
                        .await
                        .unwrap_or_else(|| SELF.to_owned()),
                ]
            } else {
                self.given.clone()
            };
            for region in given {
                let region = if region == SELF {
                    own_region(context, call).await?
                } else {
                    region
                };
                if !regions.contains(&region) {
                    regions.push(region);
                }
            }
            Ok::<_, Error>(regions)
        };
        self.found.get_or_try_init(find).await.map(Vec::as_slice)
    }
}

/// The region of the shared profile. What is wrong with the files is the credentials' matter.
async fn profile_region(context: &Context) -> Option<String> {
    let files = SharedFiles::read(context).await.ok()?;
    let (profile, _) = SharedFiles::chosen(context);
    files
        .profile(&profile)?
        .get("region")
        .filter(|region| !region.is_empty())
        .cloned()
}

/// The region of the ECS task or the instance this runs on.
async fn own_region(context: &Context, call: &Call) -> Result<String> {
    let (source, result) = match context.env().filled("ECS_CONTAINER_METADATA_URI_V4") {
        Some(base) => ("task metadata", task_region(&base, context, call).await),
        None => (
            "instance metadata",
            InstanceMetadata::new(context).region(call).await,
        ),
    };
    let hint = "add `region=...`, or set AWS_REGION";
    result.map_err(|outcome| match outcome {
        SourceOutcome::NotConfigured(reason) => {
            let problem = ConfigProblem::of_key(
                REGION.name,
                format!("`region` is not given, and this machine has none: {reason}"),
            );
            ConfigError::new(Some(NAME), problem.with_hint(hint)).into()
        }
        outcome => {
            let mut report = SourceReport::not_configured(source, "");
            report.outcome = outcome;
            cloud_autojoin_core::CredentialError::new(NAME, vec![report])
                .with_hint(hint)
                .into()
        }
    })
}
