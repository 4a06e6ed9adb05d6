//! Proxy selection from the environment.
//!
//! The variables have Go's meaning, as `golang.org/x/net/http/httpproxy` documents it, since
//! HashiCorp's tools share their environment with this program: `https_proxy` or `HTTPS_PROXY` for
//! https, `http_proxy` or `HTTP_PROXY` for http, `no_proxy` or `NO_PROXY` for exceptions. Lower
//! case takes precedence, and an empty variable is unset. Unlike in Go, `all_proxy` and `ALL_PROXY`
//! are the fallback for both schemes, and an invalid value is an error.

use std::fmt;
use std::net::IpAddr;

use http::{Method, StatusCode};
use ipnet::IpNet;
use url::{Host, Url};

use crate::env::Env;
use crate::secret::Secret;

/// The schemes of proxies that can be used.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// The proxies of the environment. `Debug` shows no credentials.
#[derive(Debug)]
pub(super) struct Proxies {
    http: Option<Setting>,
    https: Option<Setting>,
    exceptions: Exceptions,
    /// Whether this process seems to be a CGI program, for which `HTTP_PROXY` may be the `Proxy`
    /// header of a request.
    is_cgi: bool,
}

#[derive(Debug)]
struct Setting {
    variable: &'static str,
    proxy: Option<Proxy>,
}

/// A proxy and the variable that names it, if one does.
#[derive(Clone)]
pub(super) struct Proxy {
    variable: Option<&'static str>,
    url: Url,
}

impl Proxy {
    /// The proxy that the settings name.
    ///
    /// # Errors
    ///
    /// The problem, without the value.
    pub(super) fn of_settings(url: &Secret) -> Result<Self, String> {
        let url = parse(url.expose()).ok_or_else(|| not_a_proxy("the setting `proxy`"))?;
        let variable = None;
        Ok(Self { variable, url })
    }

    /// Its URL, with credentials.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Whether https goes through a tunnel opened by a `CONNECT` request.
    pub(super) fn is_http(&self) -> bool {
        self.url.scheme().starts_with("http")
    }
}

/// Its address and variable, without credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the proxy {}://{}",
            self.url.scheme(),
            self.url.host_str().unwrap_or_default()
        )?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        match self.variable {
            Some(variable) => write!(f, " from `{variable}`"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Proxies {
    /// Reads the variables.
    pub(super) fn new(env: &Env) -> Self {
        let setting = |variables: [&'static str; 4]| {
            variables.into_iter().find_map(|variable| {
                let url = parse(&env.filled(variable)?);
                Some(Setting {
                    variable,
                    proxy: url.map(|url| Proxy {
                        variable: Some(variable),
                        url,
                    }),
                })
            })
        };
        Self {
            https: setting(["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            http: setting(["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
            exceptions: Exceptions::new(
                &env.filled("no_proxy")
                    .or_else(|| env.filled("NO_PROXY"))
                    .unwrap_or_default(),
            ),
            is_cgi: env.filled("REQUEST_METHOD").is_some(),
        }
    }

    /// The proxy for `url`, if it has one.
    ///
    /// # Errors
    ///
    /// The problem with the variable, without its value, which may contain a password.
    pub(super) fn find(&self, url: &Url) -> Result<Option<Proxy>, String> {
        let is_http = url.scheme() == "http";
        let Some(setting) = (if is_http { &self.http } else { &self.https }) else {
            return Ok(None);
        };
        if self.exceptions.contain(url) {
            return Ok(None);
        }
        let variable = setting.variable;
        if is_http && self.is_cgi {
            return Err(format!(
                "`{variable}` is not used while `REQUEST_METHOD` is set, since the client of a CGI program could set it"
            ));
        }
        match &setting.proxy {
            Some(proxy) => Ok(Some(proxy.clone())),
            None => Err(not_a_proxy(&format!("the value of `{variable}`"))),
        }
    }

    /// Whether no variable names a proxy.
    pub(super) fn are_unset(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }
}

/// The status with which the proxy of `client` refuses a tunnel to `target`. hyper doesn't report
/// it when a tunnel fails, so this sends a separate request to the proxy.
pub(super) async fn refusal(client: &reqwest::Client, target: &Url) -> Option<StatusCode> {
    // A `CONNECT` request to an http URL is passed to the proxy unchanged.
    let target = format!(
        "http://{}:{}/",
        target.host_str()?,
        target.port_or_known_default()?
    );
    let response = client.request(Method::CONNECT, target).send().await.ok()?;
    Some(response.status()).filter(|status| !status.is_success())
}

fn not_a_proxy(what: &str) -> String {
    format!(
        "{what} is not the URL of a proxy, as http://HOST:PORT; its scheme may be {}",
        SCHEMES.join(", ")
    )
}

/// A URL, or `HOST:PORT` of an http proxy.
fn parse(value: &str) -> Option<Url> {
    let value = value.trim();
    let url = if value.contains("://") {
        Url::parse(value)
    } else {
        Url::parse(&format!("http://{value}"))
    }
    .ok()?;
    // reqwest ignores a proxy whose URL isn't also an `http::Uri`.
    let is_usable = SCHEMES.contains(&url.scheme())
        && url.host_str().is_some_and(|host| !host.is_empty())
        && url.as_str().parse::<http::Uri>().is_ok();
    is_usable.then_some(url)
}

/// `NO_PROXY`: the hosts that bypass proxies.
#[derive(Debug, Default)]
struct Exceptions {
    everything: bool,
    networks: Vec<IpNet>,
    addresses: Vec<(IpAddr, String)>,
    domains: Vec<Domain>,
}

#[derive(Debug)]
struct Domain {
    /// With a leading dot.
    suffix: String,
    /// Whether the name without the dot matches too.
    itself: bool,
    /// Empty: any port.
    port: String,
}

impl Exceptions {
    fn new(list: &str) -> Self {
        let mut exceptions = Self::default();
        for entry in list.split(',').map(|entry| entry.trim().to_lowercase()) {
            if entry == "*" {
                exceptions.everything = true;
            } else if let Ok(network) = entry.parse() {
                exceptions.networks.push(network);
            } else {
                let (host, port) = split_host_port(&entry).unwrap_or((&entry, ""));
                if let Ok(address) = host.parse::<IpAddr>() {
                    exceptions
                        .addresses
                        .push((address.to_canonical(), port.to_owned()));
                } else if !host.is_empty() {
                    exceptions.domains.push(Domain::new(host, port));
                }
            }
        }
        exceptions
    }

    fn contain(&self, url: &Url) -> bool {
        if self.everything {
            return true;
        }
        let port = url
            .port_or_known_default()
            .map(|port| port.to_string())
            .unwrap_or_default();
        let matches = |wanted: &str| wanted.is_empty() || wanted == port;
        let address = match url.host() {
            Some(Host::Domain(name)) => {
                return self
                    .domains
                    .iter()
                    .any(|domain| domain.contains(name) && matches(&domain.port));
            }
            Some(Host::Ipv4(address)) => IpAddr::from(address),
            Some(Host::Ipv6(address)) => IpAddr::from(address).to_canonical(),
            None => return false,
        };
        self.networks
            .iter()
            .any(|network| network.contains(&address))
            || self
                .addresses
                .iter()
                .any(|(known, port)| *known == address && matches(port))
    }
}

impl Domain {
    fn new(host: &str, port: &str) -> Self {
        let host = host
            .strip_prefix('*')
            .filter(|rest| rest.starts_with('.'))
            .unwrap_or(host);
        let (itself, name) = match host.strip_prefix('.') {
            Some(name) => (false, name),
            None => (true, host),
        };
        let ascii = match Host::parse(name) {
            Ok(Host::Domain(ascii)) if !name.is_ascii() => ascii,
            _ => name.to_owned(),
        };
        Self {
            suffix: format!(".{ascii}"),
            itself,
            port: port.to_owned(),
        }
    }

    fn contains(&self, name: &str) -> bool {
        name.ends_with(&self.suffix) || (self.itself && name == &self.suffix[1..])
    }
}

/// `HOST:PORT` or `[ADDRESS]:PORT`.
fn split_host_port(entry: &str) -> Option<(&str, &str)> {
    let (host, port) = entry.rsplit_once(':')?;
    match host.strip_prefix('[') {
        Some(host) => Some((host.strip_suffix(']')?, port)),
        None => (!host.contains(':')).then_some((host, port)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn find(variables: &[(&str, &str)], url: &str) -> Result<Option<String>, String> {
        let env = Env::Memory(std::sync::Arc::new(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        ));
        let found = Proxies::new(&env).find(&Url::parse(url).unwrap())?;
        Ok(found.map(|proxy| proxy.url().to_string()))
    }

    fn is_exception(list: &str, url: &str) -> bool {
        find(
            &[
                ("HTTPS_PROXY", "proxy:3128"),
                ("HTTP_PROXY", "proxy:3128"),
                ("NO_PROXY", list),
            ],
            url,
        )
        .unwrap()
        .is_none()
    }

    #[test]
    fn no_proxy_has_the_forms_that_go_documents() {
        for (list, exceptions, others) in [
            (
                "azure.com",
                &[
                    "https://azure.com",
                    "https://management.azure.com",
                    "http://a.b.azure.com:81",
                ][..],
                &["https://notazure.com"][..],
            ),
            (
                ".azure.com",
                &["https://management.azure.com"],
                &["https://azure.com", "https://notazure.com"],
            ),
            (
                "*.azure.com",
                &["https://management.azure.com", "https://a.b.azure.com"],
                &["https://azure.com", "https://notazure.com"],
            ),
            (
                "azure.com:443",
                &["https://azure.com", "https://management.azure.com:443"],
                &["http://azure.com", "https://azure.com:8443"],
            ),
            (
                ".azure.com:8443",
                &["https://a.azure.com:8443"],
                &["https://a.azure.com", "https://azure.com:8443"],
            ),
            (
                "*.azure.com:80",
                &["http://a.azure.com"],
                &["https://a.azure.com", "http://azure.com"],
            ),
            (
                "azure.com:",
                &["https://azure.com", "http://azure.com:81"],
                &[],
            ),
            ("AZURE.com", &["https://management.Azure.COM"], &[]),
            (
                "bücher.example",
                &["https://bücher.example", "https://a.xn--bcher-kva.example"],
                &[],
            ),
            (
                "*",
                &[
                    "https://azure.com",
                    "http://10.0.0.4",
                    "https://[2001:db8::1]",
                ],
                &[],
            ),
            ("a.example,*", &["https://azure.com"], &[]),
            (
                "10.0.0.4",
                &[
                    "https://10.0.0.4",
                    "http://10.0.0.4:81",
                    "https://[::ffff:10.0.0.4]",
                ],
                &["https://10.0.0.5", "https://10.0.0.4.example"],
            ),
            (
                "10.0.0.4:443",
                &["https://10.0.0.4"],
                &["http://10.0.0.4", "https://10.0.0.4:8443"],
            ),
            (
                "10.1.2.3/8",
                &["https://10.200.0.1", "http://10.0.0.1:81"],
                &["https://11.0.0.1", "https://10.example"],
            ),
            (
                "2001:db8::1",
                &["https://[2001:db8::1]", "http://[2001:db8:0::1]:81"],
                &["https://[2001:db8::2]"],
            ),
            (
                "[2001:db8::1]:443",
                &["https://[2001:db8::1]"],
                &["http://[2001:db8::1]"],
            ),
            (
                "2001:db8::/32",
                &["https://[2001:db8:1::1]"],
                &["https://[2001:db9::1]", "https://10.0.0.4"],
            ),
            (
                " a.example , ,b.example ",
                &["https://a.example", "https://c.b.example"],
                &["https://c.example"],
            ),
            // Entries without a host, and what no host is called, match nothing.
            (
                ",:443,*azure.com,a:b:c,azure.*,10.0.0.0/33",
                &[],
                &["https://azure.com", "https://10.0.0.4", "https://a"],
            ),
        ] {
            for url in exceptions {
                assert!(is_exception(list, url), "{list} doesn't have {url}");
            }
            for url in others {
                assert!(!is_exception(list, url), "{list} has {url}");
            }
        }
    }

    #[test]
    fn each_scheme_has_its_variable_lower_case_first_and_empty_ones_are_unset() {
        let all = [
            ("ALL_PROXY", "all"),
            ("HTTP_PROXY", "upper"),
            ("http_proxy", "lower"),
            ("HTTPS_PROXY", "upper:1"),
            ("https_proxy", "lower:1"),
            ("no_proxy", ""),
            ("NO_PROXY", "b.example"),
        ];
        assert_eq!(
            find(&all, "http://a.example").unwrap().unwrap(),
            "http://lower/"
        );
        assert_eq!(
            find(&all, "https://a.example").unwrap().unwrap(),
            "http://lower:1/"
        );
        assert_eq!(find(&all, "https://b.example").unwrap(), None);
        let upper = [
            ("https_proxy", ""),
            ("HTTPS_PROXY", "upper"),
            ("no_proxy", "a.example"),
            ("NO_PROXY", "b.example"),
        ];
        assert_eq!(
            find(&upper, "https://b.example").unwrap().unwrap(),
            "http://upper/"
        );
        assert_eq!(find(&upper, "https://a.example").unwrap(), None);
        assert_eq!(find(&upper, "http://b.example").unwrap(), None);
        assert_eq!(
            find(&all[..1], "https://a.example").unwrap().unwrap(),
            "http://all/"
        );
        assert_eq!(find(&[], "https://a.example").unwrap(), None);
    }

    #[test]
    fn a_proxy_may_be_a_url_or_a_host_with_a_port() {
        for (value, url) in [
            ("proxy", "http://proxy/"),
            ("10.0.0.1:3128", "http://10.0.0.1:3128/"),
            ("user:p%40ss@proxy:3128", "http://user:p%40ss@proxy:3128/"),
            (" https://proxy ", "https://proxy/"),
            ("socks5://proxy", "socks5://proxy"),
            (
                "socks5h://user:password@proxy:1",
                "socks5h://user:password@proxy:1",
            ),
            ("http://[2001:db8::1]:3128", "http://[2001:db8::1]:3128/"),
        ] {
            assert_eq!(
                find(&[("HTTPS_PROXY", value)], "https://a.example")
                    .unwrap()
                    .unwrap(),
                url
            );
        }
    }

    #[test]
    fn an_unusable_value_is_an_error_that_names_the_variable_alone() {
        for value in [
            "http://",
            "ftp://canary@proxy",
            "http://user:canary@proxy:99999",
            "canary proxy",
            "://canary",
            "http://pro xy",
            "user:canary@",
        ] {
            let error = find(&[("https_proxy", value)], "https://a.example").unwrap_err();
            assert!(
                error.starts_with(
                    "the value of `https_proxy` is not the URL of a proxy, as http://HOST:PORT;"
                ),
                "{value}: {error}"
            );
            assert!(!error.contains("canary"), "{error}");
            // It doesn't matter where it doesn't count.
            assert_eq!(
                find(
                    &[("https_proxy", value), ("NO_PROXY", "a.example")],
                    "https://a.example"
                ),
                Ok(None)
            );
            assert_eq!(
                find(&[("https_proxy", value)], "http://a.example"),
                Ok(None)
            );
        }
    }

    #[test]
    fn a_cgi_program_takes_no_proxy_for_http_from_its_environment() {
        let variables = [
            ("REQUEST_METHOD", "GET"),
            ("HTTP_PROXY", "canary"),
            ("HTTPS_PROXY", "proxy"),
        ];
        let error = find(&variables, "http://a.example").unwrap_err();
        assert!(
            error.starts_with("`HTTP_PROXY` is not used while `REQUEST_METHOD` is set")
                && !error.contains("canary"),
            "{error}"
        );
        assert!(find(&variables, "https://a.example").unwrap().is_some());
    }

    #[test]
    fn credentials_are_not_shown() {
        let proxies = Proxies::new(&Env::from([(
            "HTTPS_PROXY",
            "http://user:canary@proxy:3128",
        )]));
        let proxy = proxies
            .find(&Url::parse("https://a.example").unwrap())
            .unwrap()
            .unwrap();
        assert_eq!(
            proxy.to_string(),
            "the proxy http://proxy:3128 from `HTTPS_PROXY`"
        );
        assert!(!format!("{proxies:?} {proxy:?}").contains("canary"));
    }
}
