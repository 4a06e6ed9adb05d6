//! The transport over the network: reqwest with rustls.
//!
//! Each origin has its own client, created at its first request, because
//! `connection_coalescer.rs` works per origin and a client has one proxy (`proxy.rs`) or none. All
//! clients share one TLS configuration (`tls_config.rs`), created at the first TLS connection:
//! metadata services use plain http, and requests to them don't load CA certificates. `route.rs`
//! decides between proxy and direct connection.
//!
//! A request that times out discards the client of its origin, and so the connection: an HTTP/2
//! connection may acknowledge PINGs and never respond to requests again. HTTP/2 keep-alive pings
//! detect dead connections.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::header::HeaderValue;
use reqwest::redirect;
use rustls::ClientConfig;
use url::Url;

use super::connection_coalescer::{ConnectionCoalescer, SharedConnectionLost};
use super::proxy::{self, Proxies, Proxy};
use super::route::Route;
use super::server_name::{FixedHost, ServerName};
use super::tls_config::{TlsConfig, unusable};
use super::transport::{RawResponse, Transport, TransportCause, find_cause, is_caused_by};
use super::{HttpSettings, Request, origin_of};
use crate::clock::Instant;
use crate::env::Env;
use crate::error::{Result, TransportFailure};

/// The most bytes that are allocated because of `Content-Length` alone.
const TRUSTED_LENGTH: u64 = 4 << 20;

/// A request that is dropped this close to its deadline counts as timed out: the timers of callers
/// fire within some milliseconds.
const DEADLINE_SLACK: Duration = Duration::from_millis(20);

/// Sends requests over the network.
#[derive(Debug)]
pub(super) struct ReqwestTransport {
    settings: HttpSettings,
    trust: TlsConfig,
    server_name: Option<ServerName>,
    /// The proxy of the settings, instead of those of the environment.
    proxy: Option<Proxy>,
    proxies: OnceLock<Proxies>,
    tls: Mutex<Option<ClientConfig>>,
    clients: Mutex<HashMap<String, OriginClient>>,
}

/// The client for one origin, with its connections.
#[derive(Debug, Clone)]
struct OriginClient {
    key: String,
    client: reqwest::Client,
    coalescer: ConnectionCoalescer,
    proxy: Option<Proxy>,
}

impl ReqwestTransport {
    /// A transport with these settings. Loads and opens nothing yet.
    ///
    /// # Errors
    ///
    /// An unusable setting: the user agent, the certificates.
    pub(super) fn new(settings: HttpSettings) -> Result<Self> {
        if HeaderValue::from_str(&settings.user_agent).is_err() {
            return Err(unusable("the user agent isn't valid in a header").into());
        }
        let trust = TlsConfig::new(&settings)?;
        let server_name = match &settings.server_name {
            Some(name) => Some(
                ServerName::new(name)
                    .ok_or_else(|| unusable("the server name is not a DNS name"))?,
            ),
            None => None,
        };
        let proxy = settings.proxy.as_ref().map(Proxy::of_settings).transpose();
        let proxy = proxy.map_err(|problem| unusable(&problem))?;
        if proxy.is_some() && server_name.is_some() {
            return Err(unusable("a proxy and a server name exclude each other").into());
        }
        Ok(Self {
            settings,
            trust,
            server_name,
            proxy,
            proxies: OnceLock::new(),
            tls: Mutex::default(),
            clients: Mutex::default(),
        })
    }

    /// The client for the origin of `url`; with `no_proxy`, one that bypasses proxies.
    fn origin_client(&self, url: &Url, no_proxy: bool) -> Result<OriginClient, TransportCause> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = origin_of(url);
        if no_proxy {
            key.push_str(" without proxy");
        }
        if let Some(origin_client) = clients.get(&key) {
            return Ok(origin_client.clone());
        }
        let coalescer = ConnectionCoalescer::default();
        let route = match &self.proxy {
            Some(_) if !no_proxy => Route::Proxied,
            _ => Route::of(url, no_proxy),
        };
        let proxy = self.proxy(url, route)?;
        let client = self
            .builder(url, route, proxy.as_ref())?
            .connector_layer(coalescer.clone())
            .build()
            .map_err(classify)?;
        Ok(clients
            .entry(key.clone())
            .insert_entry(OriginClient {
                key,
                client,
                coalescer,
                proxy,
            })
            .get()
            .clone())
    }

    /// The proxy that requests to `url` go through.
    fn proxy(&self, url: &Url, route: Route) -> Result<Option<Proxy>, TransportCause> {
        if route == Route::Proxied && self.proxy.is_some() {
            return Ok(self.proxy.clone());
        }
        if route != Route::Proxied
            || !self.settings.proxy_from_environment
            || self.server_name.is_some()
        {
            return Ok(None);
        }
        self.proxies().find(url).map_err(|detail| {
            TransportCause::new(TransportFailure::InvalidRequest).with_detail(detail)
        })
    }

    fn proxies(&self) -> &Proxies {
        self.proxies.get_or_init(|| Proxies::new(&Env::Process))
    }

    /// The URL to request for `url`: with the configured server name if TLS is used.
    fn named<'a>(&self, url: &'a Url) -> Cow<'a, Url> {
        match &self.server_name {
            Some(name) if url.scheme() == "https" => name.applied_to(url),
            _ => Cow::Borrowed(url),
        }
    }

    /// Makes the next request to this origin open a new connection, unless another request that
    /// timed out has done so. Requests in flight on the old one may still succeed.
    fn forget(&self, origin_client: &OriginClient) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients
            .get(&origin_client.key)
            .is_some_and(|current| current.coalescer.is_same(&origin_client.coalescer))
        {
            clients.remove(&origin_client.key);
        }
    }

    fn tls(&self) -> Result<ClientConfig, rustls::Error> {
        let mut tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        match &*tls {
            Some(config) => Ok(config.clone()),
            None => Ok(tls.insert(self.trust.client_config()?).clone()),
        }
    }

    /// A client builder for the origin of `url`.
    fn builder(
        &self,
        url: &Url,
        route: Route,
        proxy: Option<&Proxy>,
    ) -> Result<reqwest::ClientBuilder, TransportCause> {
        // A proxy may use TLS even if the host doesn't.
        let tls = if route == Route::DirectPlain {
            TlsConfig::without_roots()
        } else {
            self.tls()
        }
        .map_err(|cause| {
            TransportCause::new(TransportFailure::Tls)
                .with_detail("the CA certificates of this machine cannot be used")
                .with_cause(cause)
        })?;
        let HttpSettings {
            user_agent,
            connect_timeout,
            idle_timeout,
            first_byte_timeout,
            ping_interval,
            proxy_from_environment,
            ..
        } = &self.settings;
        let mut builder = reqwest::Client::builder()
            .user_agent(user_agent)
            // The first-byte timeout includes connecting: connecting must time out earlier, or it
            // would look like an unresponsive server.
            .connect_timeout(
                (*connect_timeout).min(first_byte_timeout.unwrap_or(*idle_timeout) * 19 / 20),
            )
            .http2_keep_alive_interval(*ping_interval)
            .http2_keep_alive_timeout(*ping_interval)
            .http2_keep_alive_while_idle(true)
            .redirect(redirect::Policy::none())
            .referer(false)
            .tls_backend_preconfigured(tls)
            // `HttpClient` retries, so that every attempt is recorded.
            .retry(reqwest::retry::never());
        // On Windows and macOS reqwest also reads the system's proxy settings.
        let has_settings = cfg!(any(windows, target_vendor = "apple"));
        builder = match proxy {
            Some(proxy) => {
                builder.proxy(reqwest::Proxy::all(proxy.url().clone()).map_err(classify)?)
            }
            None if has_settings
                && route == Route::Proxied
                && *proxy_from_environment
                && self.proxies().are_unset() =>
            {
                builder
            }
            None => builder.no_proxy(),
        };
        if self.server_name.is_some()
            && let Some(host) = FixedHost::of(url)
        {
            builder = builder.dns_resolver(Arc::new(host));
        }
        Ok(builder)
    }

    /// `cause` with details about the proxy.
    async fn explain_proxy_failure(
        &self,
        cause: TransportCause,
        origin_client: &OriginClient,
        url: &Url,
    ) -> TransportCause {
        let (Some(proxy), TransportFailure::Connect) = (&origin_client.proxy, cause.failure) else {
            return cause;
        };
        let error = cause
            .cause
            .as_deref()
            .and_then(|cause| cause.downcast_ref::<reqwest::Error>());
        // The proxy was reachable and responded.
        let is_refusal =
            error.is_some_and(|error| !error.is_timeout() && !is_caused_by::<io::Error>(error));
        if is_refusal
            && url.scheme() == "https"
            && proxy.is_http()
            && let Ok(Ok(client)) = self
                .builder(url, Route::Proxied, Some(proxy))
                .map(reqwest::ClientBuilder::build)
            && let Ok(Some(status)) =
                tokio::time::timeout(self.settings.idle_timeout, proxy::refusal(&client, url)).await
        {
            return TransportCause::new(TransportFailure::ProxyStatus(status.as_u16()))
                .with_detail(proxy.to_string());
        }
        cause.with_detail(format!("through {proxy}"))
    }

    /// How long a request that starts now waits for the first byte.
    fn first_byte_timeout(&self, deadline: Instant) -> Duration {
        let HttpSettings {
            first_byte_timeout,
            idle_timeout,
            ..
        } = &self.settings;
        first_byte_timeout.unwrap_or_else(|| {
            (deadline.saturating_duration_since(Instant::now()) / 3).max(*idle_timeout)
        })
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<RawResponse, TransportCause> {
        let limit = self.settings.max_body;
        let too_large = || {
            TransportCause::new(TransportFailure::TooLarge)
                .with_detail(format!("the limit is {limit} bytes"))
        };
        let length = response.content_length().unwrap_or(0);
        if length > limit as u64 {
            return Err(too_large());
        }
        let mut body = Vec::with_capacity(usize::try_from(length.min(TRUSTED_LENGTH)).unwrap_or(0));
        // The decompressed size counts: a small response can decompress to any size.
        while let Some(chunk) = within(self.settings.idle_timeout, response.chunk()).await? {
            if chunk.len() > limit - body.len() {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(RawResponse {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body: body.into(),
        })
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(
        &self,
        request: &Request,
        deadline: Instant,
    ) -> Result<RawResponse, TransportCause> {
        let origin_client = self.origin_client(request.url(), request.has_no_proxy())?;
        let mut in_flight = InFlight {
            transport: self,
            origin_client: &origin_client,
            deadline,
            timed_out: None,
        };
        let named = self.named(request.url());
        let send = || {
            let builder = origin_client
                .client
                .request(request.method().clone(), named.as_ref().clone())
                .headers(request.headers().clone());
            match request.body() {
                Some(body) => builder.body(body.clone()),
                None => builder,
            }
            .send()
        };
        let head = async {
            match send().await {
                Err(error) if is_caused_by::<SharedConnectionLost>(&error) => send().await,
                response => response,
            }
        };
        let response = match within(self.first_byte_timeout(deadline), head).await {
            Ok(response) => self.read(response).await,
            Err(cause) => Err(self
                .explain_proxy_failure(cause, &origin_client, request.url())
                .await),
        };
        in_flight.timed_out =
            Some(matches!(&response, Err(cause) if cause.failure == TransportFailure::IdleTimeout));
        response
    }

    async fn connect(&self, url: &Url) {
        if let Ok(origin_client) = self.origin_client(url, false) {
            origin_client
                .coalescer
                .preconnect(
                    origin_client
                        .client
                        .get(self.named(url).into_owned())
                        .send(),
                )
                .await;
        }
    }

    fn reload_trust(&self) {
        *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// A request in flight. If it's dropped because of a timeout, its connection is discarded.
struct InFlight<'a> {
    transport: &'a ReqwestTransport,
    origin_client: &'a OriginClient,
    deadline: Instant,
    /// Whether it timed out; `None` while in flight.
    timed_out: Option<bool>,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        // A request that is dropped early was cancelled, and its connection is fine.
        if self
            .timed_out
            .unwrap_or_else(|| Instant::now() + DEADLINE_SLACK >= self.deadline)
        {
            self.transport.forget(self.origin_client);
        }
    }
}

/// The result of `response` within `limit`.
async fn within<T>(
    limit: Duration,
    response: impl Future<Output = reqwest::Result<T>>,
) -> Result<T, TransportCause> {
    match tokio::time::timeout(limit, response).await {
        Ok(response) => response.map_err(classify),
        Err(_) => Err(TransportCause::new(TransportFailure::IdleTimeout)
            .with_detail(format!("{:.1} s", limit.as_secs_f64()))),
    }
}

/// Whether hyper rejects the head of the response.
fn is_caused_by_parsing(error: &reqwest::Error) -> bool {
    find_cause::<hyper::Error>(error)
        .is_some_and(|error| error.is_parse() && !error.is_parse_too_large())
}

fn classify(error: reqwest::Error) -> TransportCause {
    let failure = if error.is_builder() {
        TransportFailure::InvalidRequest
    } else if error.is_connect() {
        if is_caused_by::<rustls::Error>(&error) {
            TransportFailure::Tls
        } else {
            TransportFailure::Connect
        }
    } else if error.is_timeout() {
        TransportFailure::IdleTimeout
    } else if is_caused_by_parsing(&error) {
        TransportFailure::NotHttp
    } else {
        TransportFailure::Truncated
    };
    TransportCause::new(failure).with_cause(error.without_url())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::secret::Secret;

    fn certified() -> rcgen::CertifiedKey<rcgen::KeyPair> {
        rcgen::generate_simple_self_signed(["visitor".to_owned()]).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_byte_has_a_third_of_the_time_left_and_at_least_the_idle_timeout() {
        let transport = |first_byte_timeout| {
            ReqwestTransport::new(HttpSettings {
                first_byte_timeout,
                ..HttpSettings::default()
            })
            .unwrap()
        };
        let limit = |transport: &ReqwestTransport, left| {
            transport
                .first_byte_timeout(Instant::now() + Duration::from_secs(left))
                .as_secs()
        };
        for (left, expected) in [(300, 100), (60, 20), (30, 10), (12, 10), (0, 10)] {
            assert_eq!(limit(&transport(None), left), expected, "{left} s left");
        }
        assert_eq!(limit(&transport(Some(Duration::from_secs(3))), 300), 3);
    }

    #[test]
    fn settings_that_no_request_could_be_made_with_are_refused_at_once() {
        let refused = |settings| ReqwestTransport::new(settings).unwrap_err().to_string();
        assert_eq!(
            refused(HttpSettings {
                user_agent: "a\nb".to_owned(),
                ..HttpSettings::default()
            }),
            "cannot set up HTTP: no request to any host could be made (the user agent isn't valid in a header)"
        );
        assert_eq!(
            refused(HttpSettings {
                certificate_authorities: vec![b"not PEM".to_vec()],
                ..HttpSettings::default()
            }),
            "cannot set up HTTP: no request to any host could be made (a CA bundle has no certificate in it)"
        );
        assert_eq!(
            refused(HttpSettings {
                client_identity: Some(Secret::new("canary")),
                ..HttpSettings::default()
            }),
            "cannot set up HTTP: no request to any host could be made (the client certificate and its key cannot be used: no certificate in it)"
        );
        let (one, other) = (certified(), certified());
        let mixed = Secret::new(format!(
            "{}{}",
            one.cert.pem(),
            other.signing_key.serialize_pem()
        ));
        assert_eq!(
            refused(HttpSettings {
                client_identity: Some(mixed),
                ..HttpSettings::default()
            }),
            "cannot set up HTTP: no request to any host could be made (the client certificate and its key cannot be used: none of its certificates belongs to its private key)"
        );
    }
}
