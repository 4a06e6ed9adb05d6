//! The endpoints of a cloud: authority, Azure Resource Manager, the audience of its tokens.
//!
//! The three clouds that Microsoft runs are constants; everything else (Azure Stack, a simulator)
//! is put together from keys of the join string in `builder.rs`.

use cloud_autojoin_provider_kit::words;
use url::{Host, Url};

/// The endpoints that the results of a call come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cloud {
    /// Which cloud the endpoints belong to, or are modelled on.
    pub environment: Environment,
    /// Microsoft Entra ID: scheme, host and port.
    pub authority: Url,
    /// Azure Resource Manager: scheme, host and port.
    pub resource_manager: Url,
    /// Whom tokens are for, as `https://management.azure.com/`.
    pub audience: String,
}

impl Cloud {
    /// The endpoints of a cloud that Microsoft runs.
    pub fn of(environment: Environment) -> Self {
        let endpoints = environment.endpoints();
        Self {
            environment,
            authority: origin(endpoints.authorities[0]),
            resource_manager: origin(endpoints.resource_manager),
            audience: endpoints.audience.to_owned(),
        }
    }

    /// The scope that is requested of the v2.0 token endpoint: the audience's `.default`.
    pub fn scope(&self) -> String {
        format!("{}/.default", self.audience.trim_end_matches('/'))
    }
}

impl Default for Cloud {
    fn default() -> Self {
        Self::of(Environment::Public)
    }
}

words! {
    /// The clouds that Microsoft runs (`environment`), by the words of the table and those of other
    /// tools (Azure CLI, Terraform, autorest's `AZURE_ENVIRONMENT`).
    #[non_exhaustive]
    Environment {
        /// Azure itself.
        #[default]
        Public = "public" | "AzureCloud" | "AzurePublicCloud" | "AzurePublic",
        /// Azure Government of the United States.
        UsGovernment = "usgovernment"
            | "AzureUSGovernment" | "AzureUSGovernmentCloud" | "AzureGovernment" | "usgov",
        /// Azure in China, run by 21Vianet.
        China = "china" | "AzureChinaCloud" | "AzureChina",
    }
}

/// The hosts of a cloud's Microsoft Entra ID and of its Azure Resource Manager, and the audience of
/// tokens, from the Azure SDKs' cloud configurations.
///
/// In public Azure tokens for `management.azure.com` and for the older
/// `management.core.windows.net` are both accepted; the other clouds document the `management.core`
/// one.
struct Endpoints {
    authorities: &'static [&'static str],
    resource_manager: &'static str,
    audience: &'static str,
}

const PUBLIC: Endpoints = Endpoints {
    authorities: &[
        "login.microsoftonline.com",
        "login.windows.net",
        "login.microsoft.com",
        "sts.windows.net",
    ],
    resource_manager: "management.azure.com",
    audience: "https://management.azure.com/",
};

const US_GOVERNMENT: Endpoints = Endpoints {
    authorities: &["login.microsoftonline.us", "login.usgovcloudapi.net"],
    resource_manager: "management.usgovcloudapi.net",
    audience: "https://management.core.usgovcloudapi.net/",
};

const CHINA: Endpoints = Endpoints {
    authorities: &["login.chinacloudapi.cn", "login.partner.microsoftonline.cn"],
    resource_manager: "management.chinacloudapi.cn",
    audience: "https://management.core.chinacloudapi.cn/",
};

impl Environment {
    /// The cloud whose authority this is, by its host; none for another one.
    pub fn of_authority(authority: &Url) -> Option<Self> {
        let host = authority.host_str()?;
        let mut all = [Self::Public, Self::UsGovernment, Self::China].into_iter();
        all.find(|cloud| cloud.endpoints().authorities.contains(&host))
    }

    /// Whether the host is this cloud's Azure Resource Manager, or one of its regional names
    /// (`westeurope.management.azure.com`).
    pub(crate) fn has_resource_manager(self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let region = host.strip_suffix(self.endpoints().resource_manager);
        region.is_some_and(|region| region.is_empty() || region.ends_with('.'))
    }

    fn endpoints(self) -> &'static Endpoints {
        match self {
            Self::Public => &PUBLIC,
            Self::UsGovernment => &US_GOVERNMENT,
            Self::China => &CHINA,
        }
    }
}

/// Whether a service that issues tokens may be at this URL: https, or http to this machine or its
/// link.
pub(crate) fn is_secure_or_near(url: &Url) -> bool {
    let is_near = match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_link_local(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unicast_link_local(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_near)
}

#[expect(
    clippy::expect_used,
    reason = "the constants of this file, each read by a test"
)]
fn origin(host: &'static str) -> Url {
    Url::parse(&format!("https://{host}")).expect("a constant host makes a URL")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn each_cloud_has_its_own_three_endpoints() {
        let table = [
            (
                Environment::Public,
                "login.microsoftonline.com",
                "management.azure.com",
                "https://management.azure.com/.default",
            ),
            (
                Environment::UsGovernment,
                "login.microsoftonline.us",
                "management.usgovcloudapi.net",
                "https://management.core.usgovcloudapi.net/.default",
            ),
            (
                Environment::China,
                "login.chinacloudapi.cn",
                "management.chinacloudapi.cn",
                "https://management.core.chinacloudapi.cn/.default",
            ),
        ];
        for (environment, authority, resource_manager, scope) in table {
            let cloud = Cloud::of(environment);
            assert_eq!(cloud.authority.host_str(), Some(authority));
            assert_eq!(cloud.resource_manager.host_str(), Some(resource_manager));
            assert_eq!(cloud.scope(), scope);
            assert_eq!(
                Environment::of_authority(&cloud.authority),
                Some(environment)
            );
            assert_eq!(
                Environment::from_word(environment.word()),
                Some(environment)
            );
        }
    }

    #[test]
    fn a_resource_manager_is_known_by_its_host_and_not_by_a_part_of_it() {
        let has = |text: &str| Environment::Public.has_resource_manager(&Url::parse(text).unwrap());
        assert!(
            has("https://management.azure.com")
                && has("https://MANAGEMENT.azure.com:443")
                && has("https://westeurope.management.azure.com")
        );
        for foreign in [
            "https://management.azure.com.evil.example",
            "https://evilmanagement.azure.com",
            "https://management.chinacloudapi.cn",
            "http://127.0.0.1:9",
        ] {
            assert!(!has(foreign), "{foreign}");
        }
    }

    #[test]
    fn every_word_names_a_cloud() {
        for word in Environment::WORDS {
            assert!(Environment::from_word(word).is_some(), "{word}");
        }
        assert_eq!(Environment::from_word("AzureGermanCloud"), None);
    }
}
