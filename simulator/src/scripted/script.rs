//! Scripts: TOML files, alone or in a directory, and those that ship.

use std::io;
use std::path::{Path, PathBuf};

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::exchange::{Exchange, ExchangePlan};

/// The scripts that ship: `simulator/scripts/*.toml`, in the program itself.
const SHIPPED: &[(&str, &str)] = &[(
    "digitalocean",
    include_str!("../../scripts/digitalocean.toml"),
)];

/// Why a script can't be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// A file or directory can't be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file isn't a script.
    #[error("{origin}: {problem}")]
    Invalid {
        /// The file, or the name of a script that ships.
        origin: String,
        /// The problem, with its line.
        problem: String,
    },
    /// The directory has no script.
    #[error("there is no `*.toml` in {path}", path = path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
}

/// The responses of one or several services, in the order in which they are tried.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub(super) exchanges: Vec<Exchange>,
    error_body: Option<String>,
    join_string: Option<String>,
}

/// The format of a script file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptPlan {
    /// The JSON body of failures that faults make, with `{status}` and `{reason}` in it.
    error_body: Option<String>,
    /// A join string that matches the script.
    join_string: Option<String>,
    /// The exchanges. The first that matches a request is used.
    exchange: Vec<ExchangePlan>,
}

impl Script {
    /// The script of that name that ships with the simulator.
    pub fn shipped(name: &str) -> Option<Result<Self, ScriptError>> {
        let (_, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
        let mut script = Self::default();
        Some(script.add(name, text, Path::new("")).map(|()| script))
    }

    /// The names of the scripts that ship.
    pub fn shipped_names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// Reads a file, or all `*.toml` of a directory in the order of their names.
    ///
    /// # Errors
    ///
    /// A file can't be read or isn't a script.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        let problem = |source| ScriptError::Read {
            path: path.to_owned(),
            source,
        };
        let mut files = Vec::new();
        if path.is_dir() {
            for entry in std::fs::read_dir(path).map_err(problem)? {
                let file = entry.map_err(problem)?.path();
                if file
                    .extension()
                    .is_some_and(|extension| extension == "toml")
                {
                    files.push(file);
                }
            }
            files.sort();
            if files.is_empty() {
                return Err(ScriptError::Empty {
                    path: path.to_owned(),
                });
            }
        } else {
            files.push(path.to_owned());
        }
        let mut script = Self::default();
        for file in files {
            let text = std::fs::read_to_string(&file).map_err(|source| ScriptError::Read {
                path: file.clone(),
                source,
            })?;
            script.add(
                &file.display().to_string(),
                &text,
                file.parent().unwrap_or_else(|| Path::new("")),
            )?;
        }
        Ok(script)
    }

    /// A join string that matches the script, if it has one.
    pub fn join_string(&self) -> Option<&str> {
        self.join_string.as_deref()
    }

    /// Adds the exchanges of one file.
    fn add(&mut self, origin: &str, text: &str, directory: &Path) -> Result<(), ScriptError> {
        let invalid = |problem: String| ScriptError::Invalid {
            origin: origin.to_owned(),
            problem,
        };
        let plan: ScriptPlan = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        for (index, plan) in plan.exchange.into_iter().enumerate() {
            let body = plan.body_file.as_ref().map(|file| directory.join(file));
            let body = body
                .map(|path| {
                    std::fs::read_to_string(&path)
                        .map_err(|source| ScriptError::Read { path, source })
                })
                .transpose()?;
            self.exchanges.push(
                Exchange::new(plan, body)
                    .map_err(|problem| invalid(format!("exchange {}: {problem}", index + 1)))?,
            );
        }
        if let Some(body) = plan.error_body {
            serde_json::from_str::<Value>(&fill(&body, StatusCode::OK))
                .map_err(|error| invalid(format!("`error_body` is no JSON: {error}")))?;
            self.error_body = Some(body);
        }
        self.join_string = plan.join_string.or_else(|| self.join_string.take());
        Ok(())
    }

    /// The body of a failure with this status.
    pub(super) fn error_body(&self, status: StatusCode) -> Value {
        let written = self
            .error_body
            .as_deref()
            .and_then(|body| serde_json::from_str(&fill(body, status)).ok());
        written.unwrap_or_else(|| json!({ "status": status.as_u16(), "message": reason(status) }))
    }
}

fn fill(body: &str, status: StatusCode) -> String {
    body.replace("{status}", status.as_str())
        .replace("{reason}", reason(status))
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}
