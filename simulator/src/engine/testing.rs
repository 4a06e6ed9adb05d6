//! A minimal service for the tests of the engine.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::service::{self, Scheme};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Endpoint {
    Api,
    Login,
    Proxy,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

impl service::Endpoint for Endpoint {
    const ALL: &'static [Self] = &[Self::Api, Self::Login, Self::Proxy];
    const PROXY: Self = Self::Proxy;

    fn scheme(self) -> Scheme {
        Scheme::Http
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Operation {
    List,
    Get,
    Unexpected,
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

impl service::Operation for Operation {
    fn unexpected() -> Self {
        Self::Unexpected
    }
}
