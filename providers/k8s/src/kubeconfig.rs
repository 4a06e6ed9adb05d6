//! Kubeconfig files: clusters, contexts and users by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_autojoin_core::file::{MAX_SECRET_FILE, read_text};
use cloud_autojoin_provider_kit::yaml::from_yaml;
use serde_json::{Map, Value};

/// One file, or several merged: the first that has an entry wins, as for kubectl.
#[derive(Default)]
pub(crate) struct Kubeconfig {
    pub(crate) current_context: Option<String>,
    entries: BTreeMap<(&'static str, String), Entry>,
}

impl Kubeconfig {
    /// Reads and merges `paths`. Of several, those that don't exist are skipped; `None` when none
    /// exists.
    pub(crate) async fn read(paths: &[PathBuf]) -> Result<Option<Self>, String> {
        let mut merged = None;
        for path in paths {
            let directory = path.parent().unwrap_or_else(|| Path::new(""));
            match read_text(path, MAX_SECRET_FILE).await {
                Ok(text) => merged
                    .get_or_insert_with(Self::default)
                    .add(&text, directory)
                    .map_err(|error| format!("{}: {error}", path.display()))?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("{}: {error}", path.display())),
            }
        }
        Ok(merged)
    }

    /// Adds what a file has. The error repeats none of it but names: it may be a token.
    fn add(&mut self, text: &str, directory: &Path) -> Result<(), String> {
        let values = match from_yaml(text)? {
            Value::Object(values) => values,
            Value::Null => Map::new(),
            _ => return Err("it isn't a kubeconfig".to_owned()),
        };
        let file = Entry {
            values,
            directory: directory.to_owned(),
        };
        if self.current_context.is_none() {
            self.current_context = file.text("current-context")?.map(str::to_owned);
        }
        for (list, kind) in [
            ("clusters", "cluster"),
            ("contexts", "context"),
            ("users", "user"),
        ] {
            for entry in file.objects(list)? {
                let name = entry
                    .text("name")?
                    .ok_or_else(|| format!("an entry of `{list}` has no name"))?
                    .to_owned();
                let values = entry.object(kind)?.unwrap_or_else(|| Entry {
                    values: Map::new(),
                    ..entry.clone()
                });
                self.entries.entry((kind, name)).or_insert(values);
            }
        }
        Ok(())
    }

    /// The entry of this name.
    pub(crate) fn find(&self, kind: &'static str, name: &str) -> Result<&Entry, String> {
        self.entries.get(&(kind, name.to_owned())).ok_or_else(|| {
            let known: Vec<&str> = self
                .entries
                .keys()
                .filter(|(of, _)| *of == kind)
                .map(|(_, name)| name.as_str())
                .collect();
            format!(
                "there is no {kind} `{name}`; it has `{}`",
                known.join("`, `")
            )
        })
    }
}

/// Values by name, some of them secret, and the directory that paths are relative to.
#[derive(Clone, Default)]
pub(crate) struct Entry {
    pub(crate) values: Map<String, Value>,
    directory: PathBuf,
}

impl Entry {
    /// A text; absent or empty is none.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, String> {
        match self.values.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(format!("`{name}` isn't a text: put it in quotes")),
        }
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.values.get(name) == Some(&Value::Bool(true))
    }

    pub(crate) fn path(&self, name: &str) -> Result<Option<PathBuf>, String> {
        Ok(self.text(name)?.map(|path| self.directory.join(path)))
    }

    /// A program to run: relative to the directory if there is a separator in it.
    pub(crate) fn program(&self, name: &str) -> Result<String, String> {
        let program = self.text(name)?.unwrap_or_default();
        let is_path = program.contains(std::path::is_separator);
        Ok(if is_path {
            self.directory.join(program).to_string_lossy().into_owned()
        } else {
            program.to_owned()
        })
    }

    pub(crate) fn object(&self, name: &str) -> Result<Option<Self>, String> {
        match self.values.get(name) {
            None => Ok(None),
            Some(Value::Object(values)) => Ok(Some(Self {
                values: values.clone(),
                directory: self.directory.clone(),
            })),
            Some(_) => Err(format!("`{name}` has another type than a kubeconfig's")),
        }
    }

    pub(crate) fn objects(&self, name: &str) -> Result<Vec<Self>, String> {
        let items = self
            .values
            .get(name)
            .map_or(Some(&[][..]), |value| value.as_array().map(Vec::as_slice));
        let entry = |item: &Value| {
            Some(Self {
                values: item.as_object()?.clone(),
                directory: self.directory.clone(),
            })
        };
        items
            .and_then(|items| items.iter().map(entry).collect())
            .ok_or_else(|| format!("`{name}` has another type than a kubeconfig's"))
    }

    /// A PEM text, given as base64 in `NAME-data` or in the file `NAME`; the data come first, as
    /// for kubectl.
    pub(crate) async fn pem(&self, name: &str) -> Result<Option<String>, String> {
        if let Some(data) = self.text(&format!("{name}-data"))? {
            let packed: String = data.split_whitespace().collect();
            let text = STANDARD
                .decode(packed)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok());
            return text
                .map(Some)
                .ok_or_else(|| format!("`{name}-data` isn't base64 of PEM"));
        }
        match self.path(name)? {
            Some(path) => read(&path).await.map(Some),
            None => Ok(None),
        }
    }
}

/// A small file, with its path in the error.
pub(crate) async fn read(path: &Path) -> Result<String, String> {
    read_text(path, MAX_SECRET_FILE)
        .await
        .map_err(|error| format!("{}: {error}", path.display()))
}
