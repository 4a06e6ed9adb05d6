//! The hosts of the services of each cloud, and the token audiences that each cloud's ARM accepts.
//!
//! Hosts and audiences: the cloud configurations of the Azure SDK for Go (`azcore/cloud`) and Entra
//! ID's own instance discovery (recorded 2021).

use crate::clouds::azure::Endpoint;

/// One of Azure's clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cloud {
    Public,
    UsGovernment,
    China,
}

const CLOUDS: [Cloud; 3] = [Cloud::Public, Cloud::UsGovernment, Cloud::China];

impl Cloud {
    fn arm(self) -> &'static str {
        match self {
            Self::Public => "management.azure.com",
            Self::UsGovernment => "management.usgovcloudapi.net",
            Self::China => "management.chinacloudapi.cn",
        }
    }

    /// Login hosts, the preferred one first, as in instance discovery.
    pub(crate) fn logins(self) -> &'static [&'static str] {
        match self {
            Self::Public => &[
                "login.microsoftonline.com",
                "login.windows.net",
                "login.microsoft.com",
                "sts.windows.net",
            ],
            Self::UsGovernment => &["login.microsoftonline.us", "login.usgovcloudapi.net"],
            Self::China => &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
        }
    }

    /// The host under which Entra's cache entries of this cloud are kept.
    pub(crate) fn preferred_cache(self) -> &'static str {
        match self {
            Self::Public => "login.windows.net",
            other => other.logins()[0],
        }
    }

    /// Audiences that this cloud's ARM accepts, without trailing slash.
    pub(crate) fn audiences(self) -> [&'static str; 2] {
        match self {
            Self::Public => [
                "https://management.core.windows.net",
                "https://management.azure.com",
            ],
            Self::UsGovernment => [
                "https://management.core.usgovcloudapi.net",
                "https://management.usgovcloudapi.net",
            ],
            Self::China => [
                "https://management.core.chinacloudapi.cn",
                "https://management.chinacloudapi.cn",
            ],
        }
    }
}

/// All clouds, the public one first.
pub(crate) fn clouds() -> impl Iterator<Item = Cloud> {
    CLOUDS.into_iter()
}

/// The service and cloud of a host (without port); `None` for a host that isn't simulated.
pub(crate) fn service(host: &str) -> Option<(Endpoint, Option<Cloud>)> {
    let host = host.to_ascii_lowercase();
    if host == "169.254.169.254" {
        return Some((Endpoint::Metadata, None));
    }
    CLOUDS.into_iter().find_map(|cloud| {
        // Regional ARM endpoints are `REGION.management.azure.com`.
        let is_arm = host
            .strip_suffix(cloud.arm())
            .is_some_and(|region| region.is_empty() || region.ends_with('.'));
        if is_arm {
            return Some((Endpoint::Arm, Some(cloud)));
        }
        cloud
            .logins()
            .contains(&host.as_str())
            .then_some((Endpoint::Authority, Some(cloud)))
    })
}

/// Whether the ARM of `cloud` accepts tokens for `audience`. The loopback endpoints belong to no
/// cloud and accept those of all clouds, and their own.
pub(crate) fn takes(cloud: Option<Cloud>, audience: &str) -> bool {
    let audience = audience.trim_end_matches('/').to_ascii_lowercase();
    match cloud {
        Some(cloud) => cloud.audiences().contains(&audience.as_str()),
        None => {
            CLOUDS
                .iter()
                .any(|cloud| cloud.audiences().contains(&audience.as_str()))
                || is_loopback_url(&audience)
        }
    }
}

fn is_loopback_url(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_its_service() {
        assert_eq!(
            service("Management.Azure.com"),
            Some((Endpoint::Arm, Some(Cloud::Public)))
        );
        assert_eq!(
            service("westeurope.management.azure.com"),
            Some((Endpoint::Arm, Some(Cloud::Public)))
        );
        assert_eq!(
            service("login.chinacloudapi.cn"),
            Some((Endpoint::Authority, Some(Cloud::China)))
        );
        assert_eq!(service("evilmanagement.azure.com"), None);
        assert_eq!(service("management.azure.com.example"), None);
    }

    #[test]
    fn a_token_of_one_cloud_is_none_of_another() {
        assert!(takes(
            Some(Cloud::Public),
            "https://management.core.windows.net//"
        ));
        assert!(!takes(
            Some(Cloud::Public),
            "https://management.usgovcloudapi.net"
        ));
        assert!(takes(None, "https://management.usgovcloudapi.net"));
        assert!(takes(None, "http://127.0.0.1:8080/"));
        assert!(!takes(None, "https://graph.microsoft.com"));
    }
}
