//! Kubeconfig files: those parts of clusters, contexts and users that a connection needs.

use std::path::{Path, PathBuf};

use cloud_autojoin_core::file::{MAX_SECRET_FILE, read_text};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One file, or several merged: the first that has an entry wins, as for kubectl.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Kubeconfig {
    pub(crate) current_context: String,
    pub(crate) clusters: Vec<Named<Cluster>>,
    pub(crate) contexts: Vec<Named<Context>>,
    pub(crate) users: Vec<Named<User>>,
}

#[derive(Deserialize)]
pub(crate) struct Named<T> {
    pub(crate) name: String,
    #[serde(alias = "cluster", alias = "context", alias = "user")]
    pub(crate) value: T,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Context {
    pub(crate) cluster: String,
    pub(crate) user: String,
    pub(crate) namespace: String,
}

/// Serialised, it is the cluster that an exec plugin is told of.
#[derive(Deserialize, Serialize, Default, Clone, PartialEq)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Cluster {
    pub(crate) server: String,
    #[serde(skip_serializing)]
    pub(crate) certificate_authority: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_authority_data: Option<String>,
    pub(crate) insecure_skip_tls_verify: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_server_name: Option<String>,
    #[serde(skip_serializing)]
    pub(crate) proxy_url: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct User {
    pub(crate) client_certificate: Option<PathBuf>,
    pub(crate) client_certificate_data: Option<String>,
    pub(crate) client_key: Option<PathBuf>,
    pub(crate) client_key_data: Option<String>,
    pub(crate) token: Option<String>,
    #[serde(rename = "tokenFile")]
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) exec: Option<Exec>,
    /// What isn't supported.
    #[serde(flatten)]
    pub(crate) others: Map<String, Value>,
}

/// A program that gives a credential. Its arguments and variables may be secret.
#[derive(Deserialize, Default, Clone, Hash)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Exec {
    pub(crate) api_version: String,
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<Variable>,
    pub(crate) install_hint: String,
    pub(crate) provide_cluster_info: bool,
    pub(crate) interactive_mode: String,
}

#[derive(Deserialize, Default, Clone, Hash)]
#[serde(default)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Kubeconfig {
    /// Reads and merges `paths`. Of several, those that don't exist are skipped; `None` when none
    /// exists.
    pub(crate) async fn read(paths: &[PathBuf]) -> Result<Option<Self>, String> {
        let mut merged = None;
        for path in paths {
            match read_text(path, MAX_SECRET_FILE).await {
                Ok(text) => {
                    let mut file = parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
                    file.resolve_paths(path.parent().unwrap_or(Path::new("")));
                    merged.get_or_insert_with(Self::default).merge(file);
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("{}: {error}", path.display())),
            }
        }
        Ok(merged)
    }

    /// Paths are relative to the directory of the file that has them; so is a command with a
    /// separator in it.
    fn resolve_paths(&mut self, directory: &Path) {
        let resolve = |path: &mut Option<PathBuf>| {
            *path = path.take().filter(|path| !path.as_os_str().is_empty()).map(|path| directory.join(path));
        };
        self.clusters.iter_mut().for_each(|entry| resolve(&mut entry.value.certificate_authority));
        for Named { value: user, .. } in &mut self.users {
            resolve(&mut user.client_certificate);
            resolve(&mut user.client_key);
            resolve(&mut user.token_file);
            if let Some(exec) = user.exec.as_mut().filter(|exec| exec.command.contains(std::path::is_separator)) {
                exec.command = directory.join(&exec.command).to_string_lossy().into_owned();
            }
        }
    }

    fn merge(&mut self, later: Self) {
        if self.current_context.is_empty() {
            self.current_context = later.current_context;
        }
        add_new(&mut self.clusters, later.clusters);
        add_new(&mut self.contexts, later.contexts);
        add_new(&mut self.users, later.users);
    }
}

fn add_new<T>(known: &mut Vec<Named<T>>, later: Vec<Named<T>>) {
    for entry in later {
        if !known.iter().any(|earlier| earlier.name == entry.name) {
            known.push(entry);
        }
    }
}

/// Takes the entry of this name out.
pub(crate) fn take<T>(entries: Vec<Named<T>>, kind: &str, name: &str) -> Result<T, String> {
    let known: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let error = format!("there is no {kind} `{name}`; it has `{}`", known.join("`, `"));
    entries.into_iter().find(|entry| entry.name == name).map(|entry| entry.value).ok_or(error)
}

/// Parses a file. The error repeats none of it: it may be a token.
fn parse(text: &str) -> Result<Kubeconfig, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| format!("line {} isn't valid YAML", error.marker().line()))?;
    let Some(document) = documents.first() else { return Ok(Kubeconfig::default()) };
    if document.is_null() {
        return Ok(Kubeconfig::default());
    }
    if !document.is_mapping() {
        return Err("it isn't a kubeconfig".to_owned());
    }
    serde_json::from_value(json(document)).map_err(|_| "a value has another type than a kubeconfig's; texts such as `123` or `true` need quotes".to_owned())
}

/// The same value in JSON, without entries that are null: Go writes empty lists so.
fn json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::String(text)) => Value::String(text.clone().into_owned()),
        Yaml::Value(Scalar::Boolean(value)) => Value::Bool(*value),
        Yaml::Value(Scalar::Integer(number)) => Value::from(*number),
        Yaml::Value(Scalar::FloatingPoint(number)) => Value::from(number.into_inner()),
        Yaml::Sequence(items) => items.iter().map(json).collect(),
        Yaml::Mapping(entries) => {
            let entries = entries.iter().filter_map(|(name, value)| Some((name.as_str()?.to_owned(), json(value))));
            entries.filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>().into()
        }
        Yaml::Tagged(_, value) => json(value),
        _ => Value::Null,
    }
}
