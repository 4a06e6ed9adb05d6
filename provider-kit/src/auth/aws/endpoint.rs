//! Where the services of a region are.
//!
//! Facts: the partitions of github.com/aws/aws-sdk-go-v2 (internal/endpoints/awsrulesfn) and
//! docs.aws.amazon.com/general/latest/gr/rande.html.

use cloud_autojoin_core::config::Value;
use cloud_autojoin_core::{ConfigError, ConfigProblem, Env, Error, Result};
use url::Url;

use super::NAME;
use crate::keys::ENDPOINT;

/// Partitions by the beginning of their regions: the domain of their endpoints, and of those with
/// IPv6. Regions of no other partition are of the first.
const PARTITIONS: &[(&str, &str, &str)] = &[
    ("", "amazonaws.com", "api.aws"),
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
];

/// A service of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Elastic Compute Cloud.
    Ec2,
    /// Elastic Container Service.
    Ecs,
    /// Security Token Service.
    Sts,
    /// IAM Identity Center.
    Sso,
}

impl Service {
    /// The service of a join string.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Ec2, Self::Ecs]
            .into_iter()
            .find(|service| service.name() == name)
    }

    /// Its name in host names and signatures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Ecs => "ecs",
            Self::Sts => "sts",
            Self::Sso => "portal.sso",
        }
    }
}

/// The endpoints that the join string and the environment choose.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    /// The endpoint that is given for one service.
    pub given: Option<(Service, Url)>,
    /// Whether FIPS endpoints are used.
    pub fips: bool,
    /// Whether endpoints with IPv6 are used.
    pub dual_stack: bool,
}

impl Endpoints {
    /// The endpoint of `service` in `region`: that of the join string, of `AWS_ENDPOINT_URL_...` or
    /// `AWS_ENDPOINT_URL`, or the region's own.
    ///
    /// # Errors
    ///
    /// A variable that isn't an https URL; a region that no host name can hold.
    pub(super) fn of(&self, service: Service, region: &str, env: &Env) -> Result<Url> {
        if let Some((_, url)) = self.given.as_ref().filter(|(given, _)| *given == service) {
            return Ok(url.clone());
        }
        let own = format!(
            "AWS_ENDPOINT_URL_{}",
            service.name().trim_start_matches("portal.").to_uppercase()
        );
        let ignored = env.filled("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
        let is_ignored = ignored.is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if let Some((name, text)) = [own.as_str(), "AWS_ENDPOINT_URL"]
            .iter()
            .filter(|_| !is_ignored)
            .find_map(|name| Some((*name, env.filled(name)?)))
        {
            let value = Value::from_key(&ENDPOINT, name, &text);
            return value.endpoint().map_err(|_| {
                let problem = ConfigProblem::new(format!(
                    "`{name}` must be an https URL, or an http URL of this machine"
                ));
                ConfigError::new(Some(NAME), problem).into()
            });
        }
        let is_label = !region.is_empty()
            && region
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let url = is_label
            .then(|| Url::parse(&self.url(service, region)).ok())
            .flatten();
        url.ok_or_else(|| not_a_region(region))
    }

    fn url(&self, service: Service, region: &str) -> String {
        let known = PARTITIONS
            .iter()
            .rfind(|(prefix, ..)| region.starts_with(prefix));
        let (_, domain, dual_stack) = known.unwrap_or(&PARTITIONS[0]);
        let domain = if self.dual_stack { dual_stack } else { domain };
        // In GovCloud the plain endpoints of EC2 and STS are the FIPS endpoints.
        let is_fips_already =
            region.starts_with("us-gov-") && service != Service::Ecs && !self.dual_stack;
        let fips = if self.fips && !is_fips_already {
            "-fips"
        } else {
            ""
        };
        format!("https://{}{fips}.{region}.{domain}/", service.name())
    }
}

/// The zone's region, where a zone is given for a region: `eu-west-1` of `eu-west-1a`.
pub fn region_of_zone(text: &str) -> Option<&str> {
    let region = text.strip_suffix(|last: char| last.is_ascii_lowercase())?;
    (region.ends_with(|last: char| last.is_ascii_digit()) && region.contains('-')).then_some(region)
}

fn not_a_region(region: &str) -> Error {
    let problem = ConfigProblem::of_key("region", format!("`{region}` isn't a region"))
        .with_hint("write the region's code, such as `eu-west-1`");
    ConfigError::new(Some(NAME), problem).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn endpoint(service: Service, region: &str, fips: bool, dual_stack: bool) -> String {
        let endpoints = Endpoints {
            given: None,
            fips,
            dual_stack,
        };
        endpoints
            .of(service, region, &Env::empty())
            .unwrap()
            .to_string()
    }

    #[test]
    fn each_partition_has_its_domain() {
        use Service::{Ec2, Ecs, Sts};
        let cases = [
            (
                Ec2,
                "eu-west-1",
                false,
                false,
                "https://ec2.eu-west-1.amazonaws.com/",
            ),
            (
                Ecs,
                "eu-west-1",
                true,
                false,
                "https://ecs-fips.eu-west-1.amazonaws.com/",
            ),
            (
                Ec2,
                "eu-west-1",
                false,
                true,
                "https://ec2.eu-west-1.api.aws/",
            ),
            (
                Ec2,
                "us-east-1",
                true,
                true,
                "https://ec2-fips.us-east-1.api.aws/",
            ),
            (
                Sts,
                "cn-north-1",
                false,
                false,
                "https://sts.cn-north-1.amazonaws.com.cn/",
            ),
            (
                Ec2,
                "cn-north-1",
                false,
                true,
                "https://ec2.cn-north-1.api.amazonwebservices.com.cn/",
            ),
            (
                Ec2,
                "us-gov-west-1",
                true,
                false,
                "https://ec2.us-gov-west-1.amazonaws.com/",
            ),
            (
                Ecs,
                "us-gov-west-1",
                true,
                false,
                "https://ecs-fips.us-gov-west-1.amazonaws.com/",
            ),
            (
                Ec2,
                "us-isob-east-1",
                false,
                false,
                "https://ec2.us-isob-east-1.sc2s.sgov.gov/",
            ),
            (
                Ec2,
                "eusc-de-east-1",
                false,
                false,
                "https://ec2.eusc-de-east-1.amazonaws.eu/",
            ),
        ];
        for (service, region, fips, dual_stack, expected) in cases {
            assert_eq!(endpoint(service, region, fips, dual_stack), expected);
        }
    }

    #[test]
    fn the_endpoint_of_the_join_string_is_not_that_of_the_token_service() {
        let endpoints = Endpoints {
            given: Some((Service::Ec2, "https://vpce.example/".parse().unwrap())),
            ..Endpoints::default()
        };
        let env = Env::from([
            ("AWS_ENDPOINT_URL_STS", "https://sts.example"),
            ("AWS_ENDPOINT_URL", "https://all.example"),
        ]);
        let of = |service| {
            endpoints
                .of(service, "eu-west-1", &env)
                .unwrap()
                .to_string()
        };
        assert_eq!(
            (of(Service::Ec2), of(Service::Sts)),
            (
                "https://vpce.example/".into(),
                "https://sts.example/".into()
            )
        );
        let of = |service| {
            Endpoints::default()
                .of(service, "eu-west-1", &env)
                .unwrap()
                .to_string()
        };
        assert_eq!(of(Service::Ecs), "https://all.example/");
        let env = Env::from([
            ("AWS_ENDPOINT_URL", "https://all.example"),
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
        ]);
        let ignored = Endpoints::default().of(Service::Ecs, "eu-west-1", &env);
        assert_eq!(
            ignored.unwrap().to_string(),
            "https://ecs.eu-west-1.amazonaws.com/"
        );
    }

    #[test]
    fn no_credential_goes_to_a_host_that_a_region_or_a_variable_makes_up() {
        for region in ["evil.example/", "a.b", "EU", ""] {
            assert!(
                Endpoints::default()
                    .of(Service::Ec2, region, &Env::empty())
                    .is_err(),
                "{region}"
            );
        }
        let env = Env::from([("AWS_ENDPOINT_URL", "http://evil.example")]);
        let error = Endpoints::default()
            .of(Service::Ec2, "eu-west-1", &env)
            .unwrap_err();
        assert!(
            error.chain().contains("AWS_ENDPOINT_URL"),
            "{}",
            error.chain()
        );
    }

    #[test]
    fn a_zone_is_told_from_a_region() {
        assert_eq!(region_of_zone("eu-west-1a"), Some("eu-west-1"));
        for region in ["eu-west-1", "us-gov-west-1", "local", "a1b"] {
            assert_eq!(region_of_zone(region), None);
        }
    }
}
