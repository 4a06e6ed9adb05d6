//! Faults as text: one table of keys for `[[fault]]` in a world's TOML and for `--fault
//! KEY=VALUE,...`.

use std::str::FromStr;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer};

use super::{Fault, FaultAction, FaultBody, RetryAfter};

/// A fault that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct FaultError(String);

const ACTIONS: &str = "`status`, `hang`, `reset`, `cut-body`, `cut-chunked-body`, `cut-json`, `redirect`, `next-link`, `next-link-loop`, `unauthorized`, `delay`, `not-found`";
const KEYS: &str = "`action`, `operation`, `endpoint`, `path_contains`, `skip`, `times`, `status`, `retry_after`, `body`, `to`, `delay`";

/// The keys as they are written, before they are joined.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultKeys {
    action: Option<String>,
    operation: Option<String>,
    endpoint: Option<String>,
    path_contains: Option<String>,
    #[serde(default)]
    skip: usize,
    times: Option<usize>,
    status: Option<u16>,
    retry_after: Option<NumberOrText>,
    body: Option<String>,
    to: Option<String>,
    delay: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl<'de, E: DeserializeOwned, O: DeserializeOwned> Deserialize<'de> for Fault<E, O> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        FaultKeys::deserialize(deserializer)?
            .fault()
            .map_err(D::Error::custom)
    }
}

impl<E: DeserializeOwned, O: DeserializeOwned> FromStr for Fault<E, O> {
    type Err = FaultError;

    /// Reads `KEY=VALUE,KEY=VALUE,...`; `-` and `_` in keys are the same, and a word without `=` is
    /// the action: `status=429,retry-after=2,times=1,operation=token`, `hang,endpoint=api`.
    fn from_str(line: &str) -> Result<Self, FaultError> {
        let mut written = FaultKeys::default();
        for part in line
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (key, value) = part.split_once('=').unwrap_or(("action", part));
            let text = Some(value.to_owned());
            match key.replace('-', "_").as_str() {
                "action" => written.action = text,
                "operation" => written.operation = text,
                "endpoint" => written.endpoint = text,
                "path_contains" => written.path_contains = text,
                "skip" => written.skip = number(key, value)?,
                "times" => written.times = Some(number(key, value)?),
                "status" => written.status = Some(number(key, value)?),
                "retry_after" => written.retry_after = Some(NumberOrText::Text(value.to_owned())),
                "body" => written.body = text,
                "to" => written.to = text,
                "delay" => written.delay = text,
                _ => {
                    return Err(FaultError(format!(
                        "fault has no key `{key}`; its keys are {KEYS}"
                    )));
                }
            }
        }
        written.fault()
    }
}

impl FaultKeys {
    fn fault<E: DeserializeOwned, O: DeserializeOwned>(
        mut self,
    ) -> Result<Fault<E, O>, FaultError> {
        let action = self.action()?;
        for (key, left) in [
            ("status", self.status.is_some()),
            ("retry_after", self.retry_after.is_some()),
            ("body", self.body.is_some()),
            ("to", self.to.is_some()),
            ("delay", self.delay.is_some()),
        ] {
            if left {
                return Err(FaultError(format!("fault `{action}` takes no `{key}`")));
            }
        }
        Ok(Fault {
            operation: self
                .operation
                .as_deref()
                .map(|name| named("operation", name))
                .transpose()?,
            endpoint: self
                .endpoint
                .as_deref()
                .map(|name| named("endpoint", name))
                .transpose()?,
            path_contains: self.path_contains,
            skip: self.skip,
            times: self.times,
            action,
        })
    }

    /// Takes the keys that belong to the action out of `self`.
    fn action(&mut self) -> Result<FaultAction, FaultError> {
        let implied = match (&self.status, &self.delay) {
            (Some(_), _) => Some("status"),
            (None, Some(_)) => Some("delay"),
            (None, None) => None,
        };
        let action = self.action.take();
        let Some(action) = action.as_deref().or(implied) else {
            return Err(FaultError(format!(
                "fault has no `action`; it is one of {ACTIONS}"
            )));
        };
        Ok(match action {
            "status" => self.status_action()?,
            "hang" => FaultAction::Hang,
            "reset" => FaultAction::Reset,
            "cut-body" => FaultAction::CutBody { chunked: false },
            "cut-chunked-body" => FaultAction::CutBody { chunked: true },
            "cut-json" => FaultAction::CutJson,
            "redirect" => FaultAction::Redirect {
                to: self.target(action)?,
            },
            "next-link" => FaultAction::NextLink {
                to: self.target(action)?,
            },
            "next-link-loop" => FaultAction::NextLinkLoop,
            "unauthorized" => FaultAction::Unauthorized,
            "delay" => {
                let delay = self.delay.take().ok_or_else(|| {
                    FaultError("fault `delay` needs `delay`, such as `500ms`".to_owned())
                })?;
                FaultAction::Delay(parse_duration(&delay).map_err(FaultError)?)
            }
            "not-found" => FaultAction::NotFound,
            other => {
                return Err(FaultError(format!(
                    "fault has no action `{other}`; it is one of {ACTIONS}"
                )));
            }
        })
    }

    fn target(&mut self, action: &str) -> Result<String, FaultError> {
        self.to
            .take()
            .ok_or_else(|| FaultError(format!("fault `{action}` needs `to`, a URL")))
    }

    fn status_action(&mut self) -> Result<FaultAction, FaultError> {
        let status = self
            .status
            .take()
            .ok_or_else(|| FaultError("fault `status` needs `status`, such as 503".to_owned()))?;
        let status = StatusCode::from_u16(status).map_err(|_| {
            FaultError(format!(
                "`status` is {status}; an HTTP status is from 100 to 999"
            ))
        })?;
        let retry_after = match self.retry_after.take() {
            None => None,
            Some(NumberOrText::Number(seconds)) => Some(RetryAfter::Seconds(seconds)),
            Some(NumberOrText::Text(text)) => Some(match text.strip_prefix("date:") {
                Some(seconds) => RetryAfter::Date(number("retry_after", seconds)?),
                None => RetryAfter::Seconds(number("retry_after", &text)?),
            }),
        };
        let body = match self.body.take().as_deref() {
            None | Some("json") => FaultBody::Json,
            Some("html") => FaultBody::Html,
            Some("empty") => FaultBody::Empty,
            Some(text) => match text.strip_prefix("text:") {
                Some(text) => FaultBody::Text(text.to_owned()),
                None => {
                    return Err(FaultError(format!(
                        "`body` is `{text}`; it is `json`, `html`, `empty` or `text:...`"
                    )));
                }
            },
        };
        Ok(FaultAction::Status {
            status,
            retry_after,
            body,
        })
    }
}

fn number<T: FromStr>(key: &str, value: &str) -> Result<T, FaultError> {
    value
        .parse()
        .map_err(|_| FaultError(format!("`{key}` is `{value}`, not a number that fits")))
}

fn named<T: DeserializeOwned>(key: &str, name: &str) -> Result<T, FaultError> {
    let text: StrDeserializer<'_, ValueError> = name.into_deserializer();
    T::deserialize(text).map_err(|error| FaultError(format!("`{key}` is `{name}`: {error}")))
}

/// Reads a duration such as `50ms`, `1.5s` or `2m`; `0` needs no unit.
///
/// # Errors
///
/// A description of the format.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(
        text.find(|letter: char| letter.is_ascii_alphabetic())
            .unwrap_or(text.len()),
    );
    let factor = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "" if number.trim() == "0" => 0.0,
        _ => {
            return Err(format!(
                "`{text}` is no duration; write it as `50ms`, `1.5s` or `2m`"
            ));
        }
    };
    let number: f64 = number
        .trim()
        .parse()
        .map_err(|_| format!("`{text}` is no duration; write it as `50ms`, `1.5s` or `2m`"))?;
    Duration::try_from_secs_f64(number * factor)
        .map_err(|_| format!("`{text}` is no duration that can be waited"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::engine::testing::{Endpoint, Operation};

    type Fault = super::Fault<Endpoint, Operation>;

    #[test]
    fn a_line_and_a_table_give_the_same_fault() {
        #[derive(Deserialize)]
        struct World {
            fault: Vec<Fault>,
        }
        let world: World = toml::from_str(
            "[[fault]]\naction = \"status\"\nstatus = 429\nretry_after = 5\ntimes = 2\noperation = \"list\"\n\
             [[fault]]\nstatus = 503\nretry_after = \"date:7\"\nbody = \"html\"\nendpoint = \"login\"\n\
             [[fault]]\naction = \"next-link\"\nto = \"https://elsewhere.example/\"\nskip = 1\n\
             [[fault]]\ndelay = \"1.5s\"\npath_contains = \"/instance\"\n",
        )
        .unwrap();
        let lines = [
            "status=429,retry-after=5,times=2,operation=list",
            "status=503, retry_after=date:7, body=html, endpoint=login",
            "next-link,to=https://elsewhere.example/,skip=1",
            "delay=1500ms,path-contains=/instance",
        ];
        let read: Vec<Fault> = lines.iter().map(|line| line.parse().unwrap()).collect();
        assert_eq!(world.fault, read);
        assert_eq!(
            read[..2],
            [
                Fault::status(429)
                    .retry_after(5)
                    .times(2)
                    .operation(Operation::List),
                Fault::status(503)
                    .retry_after_date(7)
                    .body(FaultBody::Html)
                    .endpoint(Endpoint::Login),
            ]
        );
        assert_eq!(
            read[3],
            Fault::delay(Duration::from_millis(1500)).path_contains("/instance")
        );
    }

    #[test]
    fn every_action_is_read() {
        for word in [
            "hang",
            "reset",
            "cut-body",
            "cut-chunked-body",
            "cut-json",
            "next-link-loop",
            "unauthorized",
            "not-found",
        ] {
            assert_eq!(
                word.parse::<Fault>().unwrap().to_string(),
                word.replace('-', " ")
                    .replace("json", "JSON")
                    .replace("cut chunked body", "cut body")
            );
        }
    }

    #[test]
    fn a_mistake_is_named() {
        for (line, words) in [
            ("", "no `action`"),
            ("explode", "no action `explode`"),
            ("hang,status=500", "takes no `status`"),
            ("status=99", "from 100 to 999"),
            ("status=abc", "`status` is `abc`"),
            ("redirect", "needs `to`"),
            ("hang,operation=list-everything", "list-everything"),
            ("hang,colour=blue", "no key `colour`"),
            ("delay=fast", "no duration"),
        ] {
            let error = line.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
