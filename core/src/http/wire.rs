//! The real wire: reqwest over rustls.
//!
//! Three connection pools, each made when it is first needed: through the proxies of the environment with TLS; direct with TLS (loopback and link-local); direct without
//! (the metadata services, which are plain http, so that asking them does not load a hundred CA certificates).

use std::error::Error as StdError;
use std::io;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use http::header::HeaderValue;
use reqwest::redirect;
use url::{Host, Url};

use super::transport::{RawResponse, Transport, TransportCause};
use super::{HttpSettings, Request};
use crate::error::{Result, TransportError, TransportFailure};

/// Metadata services that are not at link-local addresses: Azure's platform address, Alibaba's, EC2's and GCE's over IPv6. They answer this machine only, and never a proxy.
const METADATA_ADDRESSES: [&str; 4] = ["168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"];

/// The same by name.
const METADATA_NAMES: [&str; 2] = ["metadata.google.internal", "metadata.goog"];

/// Bytes of an answer set aside on the word of its `Content-Length` alone.
const TRUSTED_LENGTH: u64 = 4 << 20;

/// Which connection pool a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Proxied,
    Direct,
    DirectPlain,
}

impl Route {
    fn of(url: &Url) -> Self {
        match (stays_here(url), url.scheme()) {
            (false, _) => Self::Proxied,
            (true, "http") => Self::DirectPlain,
            (true, _) => Self::Direct,
        }
    }
}

/// Whether the URL names this machine, its link or a metadata service, where a proxy has no business.
fn stays_here(url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            return name == "localhost" || name.ends_with(".localhost") || METADATA_NAMES.contains(&name);
        }
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => std::net::IpAddr::from(address).to_canonical(),
        None => return false,
    };
    let link_local = match address {
        std::net::IpAddr::V4(address) => address.is_link_local(),
        std::net::IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    address.is_loopback() || link_local || METADATA_ADDRESSES.iter().any(|known| known.parse() == Ok(address))
}

/// Requests over the network.
#[derive(Debug)]
pub(super) struct Wire {
    settings: HttpSettings,
    proxied: Pool,
    direct: Pool,
    direct_plain: Pool,
}

/// A client that is made once, when it is first needed.
type Pool = Mutex<Option<reqwest::Client>>;

impl Wire {
    /// A wire with these settings. Nothing is loaded or opened yet.
    ///
    /// # Errors
    ///
    /// A setting that no request could be made with: the user agent, the certificates.
    pub(super) fn new(settings: HttpSettings) -> Result<Self> {
        let wrong = |detail: &str| TransportError::new("set up HTTP", "any host", TransportFailure::Request).with_detail(detail);
        if HeaderValue::from_str(&settings.user_agent).is_err() {
            return Err(wrong("the user agent cannot stand in a header").into());
        }
        for bundle in &settings.certificate_authorities {
            let certificates = reqwest::Certificate::from_pem_bundle(bundle).map_err(|cause| wrong("a CA bundle is not PEM").with_cause(cause))?;
            if certificates.is_empty() {
                return Err(wrong("a CA bundle has no certificate in it").into());
            }
        }
        if let Some(identity) = &settings.client_identity {
            // What the layer below says of a key that it cannot read is not repeated.
            reqwest::Identity::from_pem(identity.expose().as_bytes()).map_err(|_| wrong("the client's certificate and key are not PEM"))?;
        }
        // reqwest takes the process's provider; where the program has one already, that one serves.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            _ = rustls::crypto::ring::default_provider().install_default();
        }
        Ok(Self { settings, proxied: Pool::default(), direct: Pool::default(), direct_plain: Pool::default() })
    }

    fn client(&self, route: Route) -> Result<reqwest::Client, TransportCause> {
        let pool = match route {
            Route::Proxied => &self.proxied,
            Route::Direct => &self.direct,
            Route::DirectPlain => &self.direct_plain,
        };
        let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*pool {
            return Ok(client.clone());
        }
        let client = self.build(route).map_err(|cause| {
            TransportCause::new(TransportFailure::Tls).with_detail("the CA certificates of this machine cannot be used").with_cause(cause.without_url())
        })?;
        Ok(pool.insert(client).clone())
    }

    fn build(&self, route: Route) -> reqwest::Result<reqwest::Client> {
        let HttpSettings { user_agent, connect_timeout, idle_timeout, proxy_from_environment, certificate_authorities, client_identity, .. } = &self.settings;
        let mut builder = reqwest::Client::builder()
            .user_agent(user_agent)
            // The idle limit counts from the start: a connection that does not come to be must end before it, or it would look like a silent server.
            .connect_timeout((*connect_timeout).min(*idle_timeout * 19 / 20))
            .read_timeout(*idle_timeout)
            .redirect(redirect::Policy::none())
            .referer(false)
            // Every try is the client's own, so that the record has them all.
            .retry(reqwest::retry::never());
        if route != Route::Proxied || !proxy_from_environment {
            builder = builder.no_proxy();
        }
        if let Some(identity) = client_identity.as_ref().filter(|_| route != Route::DirectPlain) {
            builder = builder.identity(reqwest::Identity::from_pem(identity.expose().as_bytes())?);
        }
        if route == Route::DirectPlain {
            builder = builder.tls_certs_only([]);
        } else if !certificate_authorities.is_empty() {
            let mut certificates = Vec::new();
            for bundle in certificate_authorities {
                certificates.extend(reqwest::Certificate::from_pem_bundle(bundle)?);
            }
            builder = builder.tls_certs_only(certificates);
        }
        builder.build()
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<RawResponse, TransportCause> {
        let limit = self.settings.max_body;
        let too_large = || TransportCause::new(TransportFailure::TooLarge).with_detail(format!("the limit is {limit} bytes"));
        let length = response.content_length().unwrap_or(0);
        if length > limit as u64 {
            return Err(too_large());
        }
        let mut body = Vec::with_capacity(usize::try_from(length.min(TRUSTED_LENGTH)).unwrap_or(0));
        // Counted as decompressed: a small answer can unfold to any size.
        while let Some(chunk) = response.chunk().await.map_err(classify)? {
            if chunk.len() > limit - body.len() {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(RawResponse { status: response.status(), headers: std::mem::take(response.headers_mut()), body: body.into() })
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: &Request) -> Result<RawResponse, TransportCause> {
        let client = self.client(Route::of(request.url()))?;
        let mut builder = client.request(request.method().clone(), request.url().clone()).headers(request.headers().clone());
        if let Some(body) = request.body() {
            builder = builder.body(body.clone());
        }
        let response = builder.send().await.map_err(classify)?;
        self.read(response).await
    }
}

fn classify(error: reqwest::Error) -> TransportCause {
    let failure = if error.is_builder() {
        TransportFailure::Request
    } else if error.is_connect() {
        if has_tls_error(&error) { TransportFailure::Tls } else { TransportFailure::Connect }
    } else if error.is_timeout() {
        TransportFailure::Idle
    } else {
        TransportFailure::Cut
    };
    TransportCause::new(failure).with_cause(error.without_url())
}

/// Whether rustls stands anywhere among the causes. `io::Error` hides what it wraps from `source()`, so that is looked into by itself.
fn has_tls_error(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            return has_tls_error(inner);
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::secret::Secret;

    fn route(url: &str) -> Route {
        Route::of(&Url::parse(url).unwrap())
    }

    #[test]
    fn this_machine_its_link_and_metadata_services_are_never_asked_through_a_proxy() {
        for host in [
            "127.0.0.1",
            "127.9.9.9:8080",
            "localhost",
            "LOCALHOST:1",
            "a.localhost",
            "localhost.",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "169.254.169.254",
            "169.254.170.2",
            "[fe80::1]",
            "168.63.129.16",
            "[fd00:ec2::254]",
            "metadata.google.internal",
        ] {
            assert_eq!(route(&format!("http://{host}/x")), Route::DirectPlain, "{host}");
            assert_eq!(route(&format!("https://{host}/x")), Route::Direct, "{host}");
        }
    }

    #[test]
    fn everything_else_goes_through_the_proxy_of_the_environment() {
        for host in ["management.azure.com", "10.0.0.4", "localhost.example", "notlocalhost", "169.253.0.1", "[2001:db8::1]", "127.0.0.1.example"] {
            assert_eq!(route(&format!("http://{host}/x")), Route::Proxied, "{host}");
            assert_eq!(route(&format!("https://{host}/x")), Route::Proxied, "{host}");
        }
    }

    #[test]
    fn settings_that_no_request_could_be_made_with_are_refused_at_once() {
        let refused = |settings| Wire::new(settings).unwrap_err().to_string();
        assert_eq!(
            refused(HttpSettings { user_agent: "a\nb".to_owned(), ..HttpSettings::default() }),
            "cannot set up HTTP: no request to any host could be made (the user agent cannot stand in a header)"
        );
        assert_eq!(
            refused(HttpSettings { certificate_authorities: vec![b"not PEM".to_vec()], ..HttpSettings::default() }),
            "cannot set up HTTP: no request to any host could be made (a CA bundle has no certificate in it)"
        );
        assert_eq!(
            refused(HttpSettings { client_identity: Some(Secret::new("canary")), ..HttpSettings::default() }),
            "cannot set up HTTP: no request to any host could be made (the client's certificate and key are not PEM)"
        );
    }

    #[test]
    fn a_tls_error_is_found_inside_an_io_error() {
        let inside = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError));
        assert!(has_tls_error(&inside));
        assert!(!has_tls_error(&io::Error::other("refused")));
    }
}
