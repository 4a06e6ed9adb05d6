//! The least custom role for a join string.

use cloud_autojoin_core::config::Options;
use cloud_autojoin_core::{ConfigString, Context, Result, RoleDocument, RoleFormat};

use crate::api::PERMISSIONS;
use crate::keys::{KEYS, NAME};
use crate::provider::Settings;

const TITLE: &str = "cloud-autojoin discover";
const DESCRIPTION: &str = "Lists what a join string needs, and nothing else";

/// Writes the role: YAML for `gcloud iam roles create --file`, or Terraform.
///
/// # Errors
///
/// As building the provider.
pub(crate) fn write(
    config: &ConfigString,
    context: &Context,
    format: RoleFormat,
) -> Result<RoleDocument> {
    let mut options = Options::new(NAME, KEYS, config, context.env());
    let settings = Settings::read(&mut options);
    options.check()?;
    let count = settings.group.as_ref().map_or(1, |_| PERMISSIONS.len());
    let list = |before: &str, after: &str| -> String {
        let permissions = PERMISSIONS[..count].iter();
        let lines = permissions.map(|(_, permission)| format!("{before}{permission}{after}\n"));
        lines.collect()
    };
    let text = match format {
        RoleFormat::Terraform => format!(
            "resource \"google_project_iam_custom_role\" \"discover\" {{\n  role_id     = \"cloudAutojoinDiscover\"\n  title       = \"{TITLE}\"\n  \
             description = \"{DESCRIPTION}\"\n  permissions = [\n{}  ]\n}}\n",
            list("    \"", "\",")
        ),
        _ => format!(
            "title: {TITLE}\ndescription: {DESCRIPTION}\nstage: GA\nincludedPermissions:\n{}",
            list("- ", "")
        ),
    };
    let project = settings.project.unwrap_or_else(|| "PROJECT_ID".to_owned());
    let note = format!(
        "create it with `gcloud iam roles create cloudAutojoinDiscover --project={project} --file=FILE` and grant it on the project"
    );
    Ok(RoleDocument::new(text).with_note(note))
}
