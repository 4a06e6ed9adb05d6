//! The API key, or the session token, of the join string, the environment and `~/.oci/config`.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloud_autojoin_core::credential::CredentialSource;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::file::{MAX_SECRET_FILE, read_text};
use cloud_autojoin_core::{Call, Context, Secret};
use cloud_autojoin_provider_kit::auth::{AccessKey, PrivateKey};
use cloud_autojoin_provider_kit::{KeySpec, Options};
use serde::Deserialize;

use crate::credential::{Home, SharedHome};
use crate::keys::{
    CONFIG_FILE, FINGERPRINT, KEY_CONTENT, KEY_FILE, PROFILE, REGION, TENANCY, USER,
};

/// The keys that a profile may have, too.
const GIVEN: [&KeySpec; 5] = [&TENANCY, &USER, &FINGERPRINT, &KEY_FILE, &KEY_CONTENT];

/// The source `API key`.
#[derive(Debug)]
pub(crate) struct ApiKey {
    given: BTreeMap<&'static str, Secret>,
    file: String,
    is_named: bool,
    profile: String,
    user_home: String,
    home: SharedHome,
}

impl ApiKey {
    pub(crate) fn new(options: &Options<'_>, context: &Context, home: SharedHome) -> Self {
        let given = GIVEN.iter().filter(|key| options.is_given(key));
        let user_home = ["HOME", "USERPROFILE"]
            .iter()
            .find_map(|name| context.env().filled(name));
        Self {
            given: given
                .filter_map(|key| Some((key.name, options.secret(key)?)))
                .collect(),
            file: options
                .text(&CONFIG_FILE)
                .unwrap_or_else(|| "~/.oci/config".to_owned()),
            is_named: options.is_given(&CONFIG_FILE) || options.given_as(&PROFILE).is_some(),
            profile: options.text(&PROFILE).unwrap_or_default(),
            user_home: user_home.unwrap_or_default(),
            home,
        }
    }

    async fn read(&self, path: &str) -> io::Result<String> {
        let path = match path.strip_prefix("~/") {
            Some(below) => format!("{}/{below}", self.user_home),
            None => path.to_owned(),
        };
        read_text(path, MAX_SECRET_FILE).await
    }

    /// The profile, with what was given in its place; empty where there is no file.
    async fn settings(&self) -> Result<BTreeMap<String, Secret>, SourceOutcome> {
        let (file, name) = (&self.file, &self.profile);
        let mut settings = match self.read(file).await {
            Ok(text) => match profile(&text, name) {
                Some(profile) => profile,
                None if self.is_named => {
                    return Err(SourceOutcome::failed(format!(
                        "`{file}` has no profile `{name}`"
                    )));
                }
                None => BTreeMap::new(),
            },
            Err(error) if self.is_named => {
                return Err(SourceOutcome::failed(format!(
                    "cannot read `{file}`: {error}"
                )));
            }
            Err(_) => BTreeMap::new(),
        };
        settings.extend(
            self.given
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone())),
        );
        Ok(settings)
    }
}

/// The values of a profile. Those of `DEFAULT` hold for every other one.
fn profile(text: &str, name: &str) -> Option<BTreeMap<String, Secret>> {
    let (mut values, mut section, mut found) = (BTreeMap::new(), "", false);
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').trim();
            found |= section == name;
        } else if let Some((key, value)) = line.split_once('=') {
            let (key, value) = (key.trim().to_lowercase(), Secret::new(value.trim()));
            if section == name {
                values.insert(key, value);
            } else if section == PROFILE.default.unwrap_or_default() {
                values.entry(key).or_insert(value);
            }
        }
    }
    found.then_some(values)
}

#[async_trait]
impl CredentialSource<AccessKey> for ApiKey {
    fn name(&self) -> &'static str {
        "API key"
    }

    async fn token(&self, _: &str, _: &Call) -> Result<AccessKey, SourceOutcome> {
        let settings = self.settings().await?;
        let get = |name: &str| settings.get(name).map(Secret::expose);
        let token_file = get("security_token_file");
        let needed: &[&KeySpec] = if token_file.is_some() {
            &[&TENANCY]
        } else {
            &[&TENANCY, &USER, &FINGERPRINT]
        };
        let mut missing: Vec<&str> = needed.iter().map(|key| key.name).collect();
        missing.retain(|name| get(name).is_none());
        let (file, content) = (get(KEY_FILE.name), get(KEY_CONTENT.name));
        if file.or(content).is_none() {
            missing.push(KEY_FILE.name);
        }
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
        let read = async |path: &str| {
            let text = self.read(path).await;
            text.map_err(|error| SourceOutcome::failed(format!("cannot read `{path}`: {error}")))
        };
        let key = match (content, file) {
            (Some(content), _) => content.to_owned(),
            (None, path) => read(path.unwrap_or_default()).await?,
        };
        PrivateKey::from_pem(&key).map_err(|reason| {
            SourceOutcome::failed(format!(
                "the private key is {reason}; `openssl rsa -in FILE` removes a passphrase"
            ))
        })?;
        let part = |key: &KeySpec| get(key.name).unwrap_or_default();
        let (id, expires_at) = match token_file {
            Some(path) => {
                let token = read(path).await?.trim().to_owned();
                (format!("ST${token}"), Some(expiry(&token)?))
            }
            None => {
                let parts = [part(&TENANCY), part(&USER), part(&FINGERPRINT)];
                (parts.join("/"), None)
            }
        };
        self.home.set(Home {
            tenancy: part(&TENANCY).to_owned(),
            region: get(REGION.name).map(str::to_owned),
            realm_domain: None,
        });
        Ok(AccessKey {
            expires_at,
            ..AccessKey::new(id, Secret::new(key), None)
        })
    }
}

/// When a token (JWT) ends.
pub(crate) fn expiry(token: &str) -> Result<SystemTime, SourceOutcome> {
    #[derive(Deserialize)]
    struct Claims {
        exp: u64,
    }
    let claims = token
        .split('.')
        .nth(1)
        .and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims: Option<Claims> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    let end = claims.and_then(|claims| UNIX_EPOCH.checked_add(Duration::from_secs(claims.exp)));
    end.ok_or_else(|| SourceOutcome::failed("the token isn't one with an end (JWT)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_has_the_values_of_default_too() {
        let text = "; comment\n[a]\nuser = u=1\n[DEFAULT]\nUser=d\nregion = r\n[b]\n";
        let values = |name| {
            let values = profile(text, name)?;
            let shown = values
                .iter()
                .map(|(key, value)| format!("{key}={}", value.expose()));
            Some(shown.collect::<Vec<_>>().join(" "))
        };
        assert_eq!(values("a").as_deref(), Some("region=r user=u=1"));
        assert_eq!(values("b").as_deref(), Some("region=r user=d"));
        assert_eq!(values("DEFAULT").as_deref(), Some("region=r user=d"));
        assert_eq!(values("c"), None);
    }
}
