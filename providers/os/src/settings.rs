//! How to reach Keystone and what to tell it: from the join string, the environment and
//! `clouds.yaml`.

use std::collections::BTreeMap;
use std::fmt;

use cloud_autojoin_core::file::{MAX_SECRET_FILE, read_text};
use cloud_autojoin_core::{ConfigProblem, Env, Secret};
use cloud_autojoin_provider_kit::yaml::from_yaml;
use cloud_autojoin_provider_kit::{KeySpec, Options};
use serde_json::{Map, Value, json};

use crate::keys::{
    APP_ID, APP_NAME, APP_SECRET, CLOUD_KEYS, DOMAIN_ID, DOMAIN_NAME, INSECURE, PASSWORD,
    PROJECT_DOMAIN_ID, PROJECT_DOMAIN_NAME, PROJECT_ID, PROJECT_NAME, TOKEN, USER_DOMAIN_ID,
    USER_DOMAIN_NAME, USER_NAME,
};

/// The values of the keys that `clouds.yaml` may have, too.
#[derive(Clone, Default)]
pub(crate) struct Settings(BTreeMap<&'static str, Secret>);

impl Settings {
    /// The values of the join string and the environment.
    pub(crate) fn read(options: &Options<'_>) -> Self {
        let given = CLOUD_KEYS.iter().filter(|(key, _)| options.is_given(key));
        Self(
            given
                .filter_map(|(key, _)| Some((key.name, options.secret(key)?)))
                .collect(),
        )
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &KeySpec) -> Option<&str> {
        self.0.get(key.name).map(Secret::expose)
    }

    /// The first of these keys that has a value, with its place in the list.
    fn first(&self, keys: &[&KeySpec]) -> Option<(usize, &str)> {
        keys.iter()
            .enumerate()
            .find_map(|(index, key)| Some((index, self.get(key)?)))
    }

    /// What authenticates, in Keystone's words.
    pub(crate) fn method(&self) -> &'static str {
        match self.first(&[&APP_ID, &APP_NAME, &PASSWORD, &TOKEN]) {
            Some((0 | 1, _)) => "application credential",
            Some((2, _)) => "password",
            _ => "token",
        }
    }

    /// Whether the project has to be known, and isn't.
    pub(crate) fn needs_project(&self) -> bool {
        self.method() != "application credential"
            && self.first(&[&PROJECT_ID, &PROJECT_NAME]).is_none()
    }

    pub(crate) fn set_project(&mut self, id: String) {
        self.0.insert(PROJECT_ID.name, Secret::new(id));
    }

    /// The body of the request for a token.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub(crate) fn auth_body(&self) -> Result<Value, ConfigProblem> {
        if self.first(&[&APP_ID, &APP_NAME]).is_some() {
            let secret = self.required(&APP_SECRET, "an application credential is given")?;
            let credential = match self.get(&APP_ID) {
                Some(id) => json!({"id": id, "secret": secret}),
                None => {
                    json!({"name": self.get(&APP_NAME), "secret": secret, "user": self.user()?})
                }
            };
            return Ok(
                json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential": credential}}}),
            );
        }
        let identity = match (self.get(&PASSWORD), self.get(&TOKEN)) {
            (Some(password), _) => {
                let mut user = self.user()?;
                user["password"] = json!(password);
                json!({"methods": ["password"], "password": {"user": user}})
            }
            (None, Some(token)) => json!({"methods": ["token"], "token": {"id": token}}),
            (None, None) => {
                let message = "no credential is given: `password`, `token` and `application_credential_id` are missing";
                return Err(ConfigProblem::of_key(PASSWORD.name, message).with_hint(
                    "source an openrc file, or set `cloud=...` to a cloud of clouds.yaml",
                ));
            }
        };
        let mut body = json!({"auth": {"identity": identity}});
        if let Some(scope) = self.scope()? {
            body["auth"]["scope"] = scope;
        }
        Ok(body)
    }

    fn user(&self) -> Result<Value, ConfigProblem> {
        let name = self.required(
            &USER_NAME,
            "a password or the name of an application credential is given",
        )?;
        match self.domain(
            &[&USER_DOMAIN_ID, &DOMAIN_ID],
            &[&USER_DOMAIN_NAME, &DOMAIN_NAME],
        ) {
            Some(domain) => Ok(json!({"name": name, "domain": domain})),
            None => Err(
                missing(&DOMAIN_NAME, "a user name is unique within a domain only")
                    .with_hint("add `domain_name=...`, which is `Default` in most clouds"),
            ),
        }
    }

    /// The project, or without one the domain.
    fn scope(&self) -> Result<Option<Value>, ConfigProblem> {
        if let Some(id) = self.get(&PROJECT_ID) {
            return Ok(Some(json!({"project": {"id": id}})));
        }
        let domain = self.domain(
            &[&PROJECT_DOMAIN_ID, &DOMAIN_ID, &USER_DOMAIN_ID],
            &[&PROJECT_DOMAIN_NAME, &DOMAIN_NAME, &USER_DOMAIN_NAME],
        );
        match (self.get(&PROJECT_NAME), domain) {
            (Some(name), Some(domain)) => {
                Ok(Some(json!({"project": {"name": name, "domain": domain}})))
            }
            (Some(_), None) => Err(missing(&DOMAIN_NAME, "`project_name` is given")
                .with_hint("add `domain_name=...`, or give `project_id`")),
            (None, _) => Ok(None),
        }
    }

    /// A domain by the first key of the ids or of the names, the more particular ones first.
    fn domain(&self, ids: &[&KeySpec], names: &[&KeySpec]) -> Option<Value> {
        match (self.first(ids), self.first(names)) {
            (Some((by_id, id)), Some((by_name, _))) if by_id <= by_name => Some(json!({"id": id})),
            (_, Some((_, name))) => Some(json!({"name": name})),
            (Some((_, id)), None) => Some(json!({"id": id})),
            (None, None) => None,
        }
    }

    fn required(&self, key: &KeySpec, because: &str) -> Result<&str, ConfigProblem> {
        self.get(key)
            .ok_or_else(|| missing(key, because).with_hint(format!("add `{}=...`", key.name)))
    }

    /// Fills in what the cloud of this name has in `clouds.yaml`.
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
        let clouds = config.get("clouds");
        let Some(found) = clouds.and_then(|clouds| clouds.get(cloud)) else {
            let known = clouds.and_then(Value::as_object);
            let known: Vec<&str> = known
                .into_iter()
                .flat_map(Map::keys)
                .map(String::as_str)
                .collect();
            return Err(format!(
                "`{path}` has no cloud `{cloud}`; it has `{}`",
                known.join("`, `")
            ));
        };
        for (key, name) in CLOUD_KEYS {
            let auth = found.get("auth").and_then(|auth| auth.get(name));
            if let Some(value) = auth.or_else(|| found.get(name)).and_then(text_of) {
                self.0.entry(key.name).or_insert(value);
            }
        }
        // The file says the opposite.
        if found["verify"] == false {
            self.0
                .entry(INSECURE.name)
                .or_insert_with(|| Secret::new("true"));
        }
        Ok(())
    }
}

fn missing(key: &KeySpec, because: &str) -> ConfigProblem {
    ConfigProblem::of_key(key.name, format!("`{}` is missing ({because})", key.name))
}

/// The first `clouds.yaml`, where OpenStack's own client looks for it.
async fn read_clouds_yaml(env: &Env) -> Result<(String, String), String> {
    let mut paths = vec!["clouds.yaml".to_owned()];
    if let Some(given) = env.filled("OS_CLIENT_CONFIG_FILE") {
        paths = vec![given];
    } else {
        let config = env
            .filled("XDG_CONFIG_HOME")
            .or_else(|| env.filled("HOME").map(|home| format!("{home}/.config")));
        paths.extend(config.map(|config| format!("{config}/openstack/clouds.yaml")));
        paths.push("/etc/openstack/clouds.yaml".to_owned());
    }
    for path in &paths {
        match read_text(path, MAX_SECRET_FILE).await {
            Ok(text) => return Ok((path.clone(), text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
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
    use crate::keys::KEYS;

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
