//! How to reach Keystone and what to send it: from the join string, the environment and
//! `clouds.yaml`.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;

use cloud_autojoin_core::config::{KeySpec, Options};
use cloud_autojoin_core::file::{MAX_SECRET_FILE, read_text};
use cloud_autojoin_core::{ConfigProblem, Env, Secret};
use serde_json::{Value, json};

use super::keys::{
    APP_ID, APP_NAME, APP_SECRET, DOMAIN_ID, DOMAIN_NAME, INSECURE, KEYS, PASSWORD,
    PROJECT_DOMAIN_ID, PROJECT_DOMAIN_NAME, PROJECT_ID, PROJECT_NAME, TOKEN, USER_DOMAIN_ID,
    USER_DOMAIN_NAME, USER_NAME,
};
use crate::yaml::from_yaml;

/// Keys for the id and for the name of a domain.
type DomainKeys<'a> = (&'a KeySpec, &'a KeySpec);

const ANY_DOMAIN: DomainKeys<'_> = (&DOMAIN_ID, &DOMAIN_NAME);
const USER_DOMAIN: DomainKeys<'_> = (&USER_DOMAIN_ID, &USER_DOMAIN_NAME);
const PROJECT_DOMAIN: DomainKeys<'_> = (&PROJECT_DOMAIN_ID, &PROJECT_DOMAIN_NAME);

/// The method that has its project.
const APPLICATION_CREDENTIAL: &str = "application_credential";

/// The values of the keys.
#[derive(Clone, Default)]
pub(crate) struct Settings(BTreeMap<&'static str, Secret>);

impl Settings {
    /// The values of the join string and the environment.
    pub(crate) fn read(options: &Options<'_>) -> Self {
        let values = KEYS
            .iter()
            .filter_map(|key| Some((key.name, options.secret(key)?)));
        Self(values.collect())
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &KeySpec) -> Option<&str> {
        self.0.get(key.name).map(Secret::expose)
    }

    fn required(&self, key: &KeySpec, because: &str) -> Result<&str, ConfigProblem> {
        self.get(key).ok_or_else(|| missing(key, because))
    }

    /// What authenticates, as Keystone names it.
    pub(crate) fn method(&self) -> &'static str {
        let is_given = |key: &&KeySpec| self.get(key).is_some();
        if [&APP_ID, &APP_NAME].iter().any(is_given) {
            APPLICATION_CREDENTIAL
        } else if self.get(&PASSWORD).is_some() {
            "password"
        } else {
            "token"
        }
    }

    /// Whether the project has to be known, and isn't.
    pub(crate) fn needs_project(&self) -> bool {
        self.method() != APPLICATION_CREDENTIAL
            && self.get(&PROJECT_ID).is_none()
            && self.get(&PROJECT_NAME).is_none()
    }

    pub(crate) fn set_project(&mut self, id: String) {
        self.0.insert(PROJECT_ID.name, Secret::new(id));
    }

    /// The secrets that the body may hold.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        [&PASSWORD, &TOKEN, &APP_SECRET]
            .into_iter()
            .filter_map(|key| self.get(key))
    }

    /// The body of the request for a token.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub(crate) fn auth_body(&self) -> Result<Value, ConfigProblem> {
        let method = self.method();
        let details = match (method, self.get(&PASSWORD), self.get(&TOKEN)) {
            (APPLICATION_CREDENTIAL, ..) => {
                let secret = self.required(&APP_SECRET, "an application credential is given")?;
                match self.get(&APP_ID) {
                    Some(id) => json!({"id": id, "secret": secret}),
                    None => {
                        json!({"name": self.get(&APP_NAME), "secret": secret, "user": self.user()?})
                    }
                }
            }
            (_, Some(password), _) => {
                let mut user = self.user()?;
                user["password"] = json!(password);
                json!({ "user": user })
            }
            (.., Some(token)) => json!({ "id": token }),
            (.., None) => {
                let message = "no credential is given: `password`, `token` and `application_credential_id` are missing";
                let hint = "source an openrc file, or set `cloud=...` to a cloud of clouds.yaml";
                return Err(ConfigProblem::of_key(PASSWORD.name, message).with_hint(hint));
            }
        };
        let mut auth = json!({"identity": {"methods": [method], method: details}});
        if method != APPLICATION_CREDENTIAL
            && let Some(project) = self.project()?
        {
            auth["scope"] = json!({ "project": project });
        }
        Ok(json!({ "auth": auth }))
    }

    fn user(&self) -> Result<Value, ConfigProblem> {
        let because = "a password or the name of an application credential is given";
        let name = self.required(&USER_NAME, because)?;
        let domain = self.domain(&[USER_DOMAIN, ANY_DOMAIN]).ok_or_else(|| {
            missing(&DOMAIN_NAME, "a user name is unique within a domain only")
                .with_hint("add `domain_name=...`, which is `Default` in most clouds")
        })?;
        Ok(json!({"name": name, "domain": domain}))
    }

    fn project(&self) -> Result<Option<Value>, ConfigProblem> {
        if let Some(id) = self.get(&PROJECT_ID) {
            return Ok(Some(json!({ "id": id })));
        }
        let Some(name) = self.get(&PROJECT_NAME) else {
            return Ok(None);
        };
        let domain = self.domain(&[PROJECT_DOMAIN, ANY_DOMAIN, USER_DOMAIN]);
        let domain = domain.ok_or_else(|| {
            missing(&DOMAIN_NAME, "`project_name` is given")
                .with_hint("add `domain_name=...`, or give `project_id`")
        })?;
        Ok(Some(json!({"name": name, "domain": domain})))
    }

    /// The first domain that is given.
    fn domain(&self, keys: &[DomainKeys<'_>]) -> Option<Value> {
        keys.iter().find_map(|(id, name)| match self.get(id) {
            Some(id) => Some(json!({ "id": id })),
            None => Some(json!({ "name": self.get(name)? })),
        })
    }

    /// Fills in what the cloud of this name has in `clouds.yaml`. A value has the name of its
    /// variable there, in lower case and without `OS_`.
    ///
    /// # Errors
    ///
    /// There is no such file or no such cloud in it; the text repeats no value.
    pub(crate) async fn fill_from_clouds_yaml(
        &mut self,
        cloud: &str,
        env: &Env,
    ) -> Result<(), String> {
        let (path, text) = read_clouds_yaml(env).await?;
        let config = from_yaml(&text).map_err(|error| format!("`{path}`: {error}"))?;
        let clouds = config["clouds"].as_object().cloned().unwrap_or_default();
        let Some(found) = clouds.get(cloud) else {
            let known: Vec<&str> = clouds.keys().map(String::as_str).collect();
            let known = known.join("`, `");
            return Err(format!("`{path}` has no cloud `{cloud}`; it has `{known}`"));
        };
        for key in KEYS {
            let names = key
                .env
                .iter()
                .map(|name| name.trim_start_matches("OS_").to_lowercase());
            let value =
                |name: String| text_of(&found["auth"][&name]).or_else(|| text_of(&found[&name]));
            if let Some(value) = names.into_iter().find_map(value) {
                self.0.entry(key.name).or_insert(value);
            }
        }
        // The file has the opposite setting.
        if found["verify"] == false {
            let insecure = self.0.entry(INSECURE.name);
            insecure.or_insert_with(|| Secret::new("true"));
        }
        Ok(())
    }
}

fn missing(key: &KeySpec, because: &str) -> ConfigProblem {
    ConfigProblem::of_key(key.name, format!("`{}` is missing ({because})", key.name))
        .with_hint(format!("add `{}=...`", key.name))
}

/// The first `clouds.yaml`, where OpenStack's own client looks for it.
async fn read_clouds_yaml(env: &Env) -> Result<(String, String), String> {
    let home = || Some(format!("{}/.config", env.filled("HOME")?));
    let config = env
        .filled("XDG_CONFIG_HOME")
        .or_else(home)
        .unwrap_or_default();
    let paths = match env.filled("OS_CLIENT_CONFIG_FILE") {
        Some(given) => vec![given],
        None => vec![
            "clouds.yaml".to_owned(),
            format!("{config}/openstack/clouds.yaml"),
            "/etc/openstack/clouds.yaml".to_owned(),
        ],
    };
    for path in &paths {
        match read_text(path, MAX_SECRET_FILE).await {
            Ok(text) => return Ok((path.clone(), text)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(format!("cannot read `{path}`: {error}")),
        }
    }
    Err(format!("there is none of `{}`", paths.join("`, `")))
}

/// A scalar as text: a password of digits is a number in YAML.
fn text_of(value: &Value) -> Option<Secret> {
    match value {
        Value::String(text) if !text.is_empty() => Some(Secret::new(text)),
        Value::Number(number) if !number.is_f64() => Some(Secret::new(number.to_string())),
        Value::Bool(value) => Some(Secret::new(value.to_string())),
        _ => None,
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn body(join: &str) -> Result<Value, String> {
        let (config, env) = (join.parse().unwrap(), Env::empty());
        Settings::read(&Options::new("os", KEYS, &config, &env))
            .auth_body()
            .map_err(|problem| problem.message)
    }

    fn auth(method: &str, identity: &Value, scope: Option<&Value>) -> Value {
        let mut auth = json!({"auth": {"identity": {"methods": [method], method: identity}}});
        if let Some(scope) = scope {
            auth["auth"]["scope"] = scope.clone();
        }
        auth
    }

    #[test]
    fn the_request_for_a_token_is_that_of_go_discover() {
        let user = json!({"user": {"name": "u", "domain": {"name": "Default"}, "password": "p"}});
        let scoped = auth("password", &user, Some(&json!({"project": {"id": "P"}})));
        assert_eq!(
            body("user_name=u password=p domain_name=Default project_id=P").unwrap(),
            scoped
        );
        assert_eq!(
            body("username=u password=p domain_name=Default project_id=P project_name=PN token=t")
                .unwrap(),
            scoped
        );
        let user = json!({"user": {"name": "u", "domain": {"id": "default"}, "password": "p"}});
        let project = json!({"project": {"name": "PN", "domain": {"id": "default"}}});
        assert_eq!(
            body("user_name=u password=p domain_id=default project_name=PN").unwrap(),
            auth("password", &user, Some(&project))
        );
        assert_eq!(
            body("token=t project_id=P").unwrap(),
            auth(
                "token",
                &json!({"id": "t"}),
                Some(&json!({"project": {"id": "P"}}))
            )
        );
    }

    #[test]
    fn user_and_project_may_have_domains_of_their_own() {
        let user = json!({"user": {"name": "u", "domain": {"name": "users"}, "password": "p"}});
        let project = json!({"project": {"name": "PN", "domain": {"id": "projects"}}});
        let join = "user_name=u password=p project_name=PN user_domain_name=users project_domain_id=projects domain_id=other";
        assert_eq!(body(join).unwrap(), auth("password", &user, Some(&project)));
    }

    #[test]
    fn an_application_credential_has_its_project_and_may_be_named() {
        let identity = json!({"id": "a", "secret": "s"});
        assert_eq!(
            body("application_credential_id=a application_credential_secret=s project_id=P")
                .unwrap(),
            auth("application_credential", &identity, None)
        );
        let identity =
            json!({"name": "a", "secret": "s", "user": {"name": "u", "domain": {"id": "d"}}});
        let join = "application_credential_name=a application_credential_secret=s user_name=u domain_id=d password=p";
        assert_eq!(
            body(join).unwrap(),
            auth("application_credential", &identity, None)
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        for (join, expected) in [
            ("project_id=P", "no credential is given"),
            ("password=p project_id=P", "`user_name` is missing"),
            (
                "user_name=u password=p project_id=P",
                "`domain_name` is missing (a user name",
            ),
            (
                "token=t project_name=PN",
                "`domain_name` is missing (`project_name`",
            ),
            (
                "application_credential_id=a",
                "`application_credential_secret` is missing",
            ),
        ] {
            let message = body(join).unwrap_err();
            assert!(message.starts_with(expected), "{join}: {message}");
        }
    }
}
