//! The API key, or the session token, of the join string, the environment and `~/.oci/config`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cloud_autojoin_core::config::{KeySpec, Options};
use cloud_autojoin_core::credential::CredentialSource;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::file::{MAX_SECRET_FILE, read_text};
use cloud_autojoin_core::{Call, Context, Env, Secret};

use super::keys::{CONFIG_FILE, FINGERPRINT, KEY_CONTENT, KEY_FILE, PROFILE, TENANCY, USER};
use crate::auth::{AccessKey, PrivateKey, jwt};
use crate::ini::{self, Section};

/// The source `API key`.
#[derive(Debug)]
pub(super) struct ApiKey {
    /// The keys that a profile may have, too.
    given: Vec<(&'static str, Secret)>,
    file: String,
    is_named: bool,
    profile: String,
    env: Env,
}

impl ApiKey {
    pub(super) fn new(options: &Options<'_>, context: &Context) -> Self {
        let keys = [&TENANCY, &USER, &FINGERPRINT, &KEY_FILE, &KEY_CONTENT];
        let given = keys
            .into_iter()
            .filter_map(|key| Some((key.name, options.secret(key)?)));
        let file = options.text(&CONFIG_FILE);
        Self {
            given: given.collect(),
            is_named: file.is_some() || options.given_as(&PROFILE).is_some(),
            file: file.unwrap_or_else(|| "~/.oci/config".to_owned()),
            profile: options.text(&PROFILE).unwrap_or_default(),
            env: context.env().clone(),
        }
    }

    async fn read(&self, path: &str) -> Result<String, SourceOutcome> {
        let text = read_text(self.env.expand_home(path), MAX_SECRET_FILE).await;
        text.map_err(|error| SourceOutcome::failed(format!("cannot read `{path}`: {error}")))
    }

    /// The profile, with what was given in its place; empty where there is no file.
    async fn settings(&self) -> Result<Section, SourceOutcome> {
        let (file, name) = (&self.file, &self.profile);
        let found = match self.read(file).await {
            Ok(text) => profile(&ini::parse(&text), name),
            Err(error) if self.is_named => return Err(error),
            Err(_) => None,
        };
        if found.is_none() && self.is_named {
            let missing = format!("`{file}` has no profile `{name}`");
            return Err(SourceOutcome::failed(missing));
        }
        let mut settings = found.unwrap_or_default();
        let given = self.given.iter();
        settings.extend(given.map(|(key, value)| ((*key).to_owned(), value.expose().to_owned())));
        Ok(settings)
    }
}

/// The values of a profile. Those of `DEFAULT` hold for every other one.
fn profile(sections: &BTreeMap<String, Section>, name: &str) -> Option<Section> {
    let own = sections.get(name)?.clone();
    let default = sections.get(PROFILE.default?).cloned();
    Some(default.into_iter().flatten().chain(own).collect())
}

#[async_trait]
impl CredentialSource<AccessKey> for ApiKey {
    fn name(&self) -> &'static str {
        "API key"
    }

    async fn token(&self, _: &str, _: &Call) -> Result<AccessKey, SourceOutcome> {
        let settings = self.settings().await?;
        let get = |name: &str| settings.get(name).map(String::as_str);
        let (token_file, content) = (get("security_token_file"), get(KEY_CONTENT.name));
        let needed: [(&KeySpec, bool); 4] = [
            (&TENANCY, true),
            (&USER, token_file.is_none()),
            (&FINGERPRINT, token_file.is_none()),
            (&KEY_FILE, content.is_none()),
        ];
        let missing = needed
            .iter()
            .filter(|(key, is_needed)| *is_needed && get(key.name).is_none());
        let missing: Vec<&str> = missing.map(|(key, _)| key.name).collect();
        if !missing.is_empty() {
            let missing = format!(
                "`{}` isn't set, nor in the profile `{}` of `{}`",
                missing.join("`, `"),
                self.profile,
                self.file
            );
            return Err(if settings.is_empty() {
                SourceOutcome::NotConfigured(missing)
            } else {
                SourceOutcome::failed(missing)
            });
        }
        let value = |key: &KeySpec| get(key.name).unwrap_or_default();
        let pem = match content {
            Some(content) => content.to_owned(),
            None => self.read(value(&KEY_FILE)).await?,
        };
        let private_key = PrivateKey::from_pem(&pem).map_err(|reason| {
            SourceOutcome::failed(format!(
                "the private key is {reason}; `openssl rsa -in FILE` removes a passphrase"
            ))
        })?;
        let key = match token_file {
            Some(path) => session_key(self.read(path).await?.trim(), private_key)?,
            None => {
                let parts = [&TENANCY, &USER, &FINGERPRINT].map(value);
                AccessKey::of_private_key(parts.join("/"), private_key)
            }
        };
        let key = key.with_attribute("tenancy", value(&TENANCY));
        Ok(key.with_attribute("region", get("region").unwrap_or_default()))
    }
}

/// The key of a session, which ends with its token.
pub(super) fn session_key(
    token: &str,
    private_key: PrivateKey,
) -> Result<AccessKey, SourceOutcome> {
    let end = jwt::expiry(token);
    let end = end.ok_or_else(|| SourceOutcome::failed("the token isn't one with an end (JWT)"))?;
    Ok(AccessKey {
        expires_at: Some(end),
        ..AccessKey::of_private_key(format!("ST${token}"), private_key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_has_the_values_of_default_too() {
        let text = "; comment\n[a]\nuser = u=1\n[DEFAULT]\nUser=d\nregion = r\n[b]\n";
        let values = |name| {
            let values = profile(&ini::parse(text), name)?;
            let shown = values.iter().map(|(key, value)| format!("{key}={value}"));
            Some(shown.collect::<Vec<_>>().join(" "))
        };
        assert_eq!(values("a").as_deref(), Some("region=r user=u=1"));
        assert_eq!(values("b").as_deref(), Some("region=r user=d"));
        assert_eq!(values("DEFAULT").as_deref(), Some("region=r user=d"));
        assert_eq!(values("c"), None);
    }
}
