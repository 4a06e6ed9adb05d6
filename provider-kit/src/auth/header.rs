//! A credential that is sent as it is, in one header: a given one, or that of a file.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_autojoin_core::config::{KeySpec, Options};
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{Call, ConfigError, ConfigProblem, Result, Secret};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::ConfiguredFile;

/// Sends the same header with every request: an API token or a user name and password.
#[derive(Clone)]
pub struct StaticHeader {
    name: HeaderName,
    value: HeaderValue,
    identity: String,
}

impl StaticHeader {
    /// `Authorization: Bearer TOKEN`, with the token that `key` gives, if it gives one.
    pub fn bearer_from(options: &mut Options<'_>, key: &KeySpec) -> Option<Arc<Self>> {
        let token = options.secret(key)?;
        options.accept(Self::bearer(key.name, &token))
    }

    /// A header of the cloud's own with the token that `key` gives, if it gives one.
    pub fn header_from(
        options: &mut Options<'_>,
        key: &KeySpec,
        name: &'static str,
    ) -> Option<Arc<Self>> {
        let token = options.secret(key)?;
        options.accept(Self::header(
            key.name,
            HeaderName::from_static(name),
            &token,
        ))
    }

    /// `Authorization: Bearer TOKEN`, with the token of `key`.
    ///
    /// # Errors
    ///
    /// A problem of `key` when the token holds characters that no header can carry, such as a line
    /// break at the end of a file.
    pub fn bearer(key: &str, token: &Secret) -> Result<Arc<Self>, ConfigProblem> {
        Self::new(key, AUTHORIZATION, &format!("Bearer {}", token.expose()))
    }

    /// A header of the cloud's own, `X-Auth-Token: TOKEN`.
    ///
    /// # Errors
    ///
    /// As [`StaticHeader::bearer`].
    pub fn header(key: &str, name: HeaderName, token: &Secret) -> Result<Arc<Self>, ConfigProblem> {
        Self::new(key, name, token.expose())
    }

    /// `Authorization: Basic ...` (RFC 7617), with the password of `key`.
    ///
    /// # Errors
    ///
    /// As [`StaticHeader::bearer`].
    pub fn basic(key: &str, user: &str, password: &Secret) -> Result<Arc<Self>, ConfigProblem> {
        let encoded = STANDARD.encode(format!("{user}:{}", password.expose()));
        Self::new(key, AUTHORIZATION, &format!("Basic {encoded}"))
    }

    fn new(key: &str, name: HeaderName, value: &str) -> Result<Arc<Self>, ConfigProblem> {
        match HeaderValue::from_str(value) {
            Ok(mut value) => {
                value.set_sensitive(true);
                Ok(Arc::new(Self {
                    name,
                    value,
                    identity: format!("`{key}`"),
                }))
            }
            Err(_) => Err(ConfigProblem::of_key(
                key,
                format!("`{key}` holds characters that a token can't have"),
            )
            .with_hint("remove line breaks and control characters from it")),
        }
    }
}

/// Sends the token of a file in a header. The file is read for every request, as it may be
/// replaced.
#[derive(Debug)]
pub struct TokenFileHeader {
    provider: &'static str,
    name: HeaderName,
    file: ConfiguredFile,
}

impl TokenFileHeader {
    /// A header with the token that `token` or `token_file` gives, if one of them does.
    ///
    /// In the join string as in the environment the file takes precedence over the token, and the
    /// join string takes precedence over the environment.
    pub fn from_options(
        options: &mut Options<'_>,
        token: &KeySpec,
        token_file: &KeySpec,
        name: &'static str,
    ) -> Option<Arc<dyn Authorizer>> {
        let is_explicit = |key: &KeySpec| key.names().any(|name| options.config().contains(name));
        let file = ConfiguredFile::from_options(options, token_file);
        match file.filter(|_| is_explicit(token_file) || !is_explicit(token)) {
            Some(file) => Some(Arc::new(Self {
                provider: options.provider(),
                name: HeaderName::from_static(name),
                file,
            })),
            None => StaticHeader::header_from(options, token, name).map(|header| header as _),
        }
    }
}

#[async_trait]
impl Authorizer for TokenFileHeader {
    async fn authorize(&self, request: &mut Request, call: &Call) -> Result<()> {
        let unusable = |problem| ConfigError::new(Some(self.provider), problem);
        let token = self.file.read().await.map_err(unusable)?;
        let token = Secret::new(token.trim());
        let header = StaticHeader::header(self.file.given_as(), self.name.clone(), &token);
        header.map_err(unusable)?.authorize(request, call).await
    }

    fn identity(&self) -> Option<String> {
        Some(format!("`{}`", self.file.given_as()))
    }
}

#[async_trait]
impl Authorizer for StaticHeader {
    async fn authorize(&self, request: &mut Request, _: &Call) -> Result<()> {
        request.set_header(self.name.clone(), self.value.clone());
        Ok(())
    }

    fn identity(&self) -> Option<String> {
        Some(self.identity.clone())
    }
}

impl fmt::Debug for StaticHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticHeader")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
