//! Keys with the same meaning for every provider that has them.

use crate::select::{AddressType, Interfaces, PowerState};
use cloud_autojoin_core::ConfigProblem;
use cloud_autojoin_core::config::{KeySpec, Options, Value, Values};
use url::Url;

/// `address_type`: which addresses of an instance are returned. Private addresses of both families
/// by default.
pub const ADDRESS_TYPE: KeySpec = KeySpec::new(
    "address_type",
    "which addresses of an instance are returned",
)
.values(Values::OneOf(AddressType::WORDS))
.default("private");

/// `power_state`: whether instances that aren't running are returned. All by default, as
/// go-discover returns them.
pub const POWER_STATE: KeySpec = KeySpec::new(
    "power_state",
    "whether only running instances are returned, or those in any state",
)
.values(Values::OneOf(PowerState::WORDS))
.default("any");

/// `interfaces`: whether the addresses of every interface are returned, or those of the primary
/// one.
pub const INTERFACES: KeySpec = KeySpec::new(
    "interfaces",
    "whether every interface of an instance counts, or its primary one only",
)
.values(Values::OneOf(Interfaces::WORDS))
.default("all");

/// `tag_key`: the key of a tag that instances must have.
pub const TAG_KEY: KeySpec = KeySpec::new("tag_key", "the key of the tag that instances must have")
    .common_mistakes(&["tag_name"]);

/// `tag_value`: the value of the tag that `tag_key` names.
pub const TAG_VALUE: KeySpec = KeySpec::new("tag_value", "the value of the tag `tag_key`");

/// `tag.NAME=VALUE`: a further tag; all must hold.
pub const TAG: KeySpec = KeySpec::family(
    "tag.",
    "NAME",
    "the value of the tag `NAME`; every tag that is given must match",
);

/// `endpoint`: another API endpoint than the cloud's own.
pub const ENDPOINT: KeySpec = KeySpec::new(
    "endpoint",
    "another API endpoint than the cloud's own, for tests and private installations",
)
.values(Values::Endpoint);

/// `metadata_endpoint`: another instance metadata service than the cloud's own, whose address is
/// the default of the provider's key.
pub const METADATA_ENDPOINT: KeySpec = KeySpec::new(
    "metadata_endpoint",
    "another instance metadata service than the cloud's own",
)
.values(Values::Url);

/// `ca_file`: a PEM file with the certificate authorities of the server.
pub const CA_FILE: KeySpec = KeySpec::new(
    "ca_file",
    "the path of a PEM file with the certificate authorities to trust; the system's by default",
);

/// `ca_directory`: PEM files with the certificate authorities of the server.
pub const CA_DIRECTORY: KeySpec = KeySpec::new(
    "ca_directory",
    "a directory whose files are read in place of `ca_file`, if that isn't given",
);

/// `certificate_file`: a PEM file with a client certificate.
pub const CERTIFICATE_FILE: KeySpec = KeySpec::new(
    "certificate_file",
    "the path of a PEM file with a client certificate; needs `key_file`",
);

/// `key_file`: a PEM file with the key of the client certificate.
pub const KEY_FILE: KeySpec = KeySpec::new(
    "key_file",
    "the path of a PEM file with the key of the client certificate",
);

/// `server_name`: the name in the server's certificate.
pub const SERVER_NAME: KeySpec = KeySpec::new(
    "server_name",
    "the name in the server's certificate, where it isn't the host of the URL",
);

/// `insecure`: no verification of the server's certificate.
pub const INSECURE: KeySpec = KeySpec::new(
    "insecure",
    "whether the server's certificate is not verified: anyone on the network path can read the credential",
)
.values(Values::Boolean);

/// `token_file`: a file with the token.
pub const TOKEN_FILE: KeySpec = KeySpec::new(
    "token_file",
    "the path of a file with the token, which is read for every request",
);

/// The endpoint that `spec` gives, as a URL or as `host:port`, which is of `scheme`. If secrets are
/// sent to it, it must be https or on this machine.
pub fn endpoint_or_host(
    options: &mut Options<'_>,
    spec: &KeySpec,
    scheme: &str,
    gets_secrets: bool,
) -> Option<Url> {
    let mut text = options.text(spec)?;
    if !text.contains("://") {
        text = format!("{scheme}://{text}");
    }
    let value = |values| Value::from_key(values, spec.name, &text);
    let url = if gets_secrets {
        value(&spec.values(Values::Endpoint)).endpoint()
    } else {
        value(&spec.values(Values::Url)).url()
    };
    let hint = "write `host:port` or a URL, and not a Unix socket; secrets go to another machine by https only";
    options.accept(
        url.map_err(|error| ConfigProblem::of_key(spec.name, error.to_string()).with_hint(hint)),
    )
}

/// The `https` endpoint at `host`, in which `REGION` is replaced by the name of the region.
///
/// # Errors
///
/// A problem of the key `key` for a name that no host name can hold. The hint has `example`.
pub fn regional_endpoint(
    key: &str,
    host: &str,
    region: &str,
    example: &str,
) -> Result<Url, ConfigProblem> {
    let host = host.replace("REGION", region);
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let is_host = !region.is_empty() && host.bytes().all(is_letter);
    let url = Url::parse(&format!("https://{host}")).ok();
    url.filter(|_| is_host).ok_or_else(|| {
        ConfigProblem::of_key(
            key,
            format!("`{region}` of `{key}` isn't the name of a region"),
        )
        .with_hint(format!("write names such as `{example}`"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cloud_autojoin_core::Env;

    use super::*;

    #[test]
    fn a_region_is_a_part_of_the_host_name_of_its_endpoint() {
        let url = |region| regional_endpoint("region", "vm.REGION.example", region, "eu-1");
        assert_eq!(url("eu-2").unwrap().as_str(), "https://vm.eu-2.example/");
        for other in ["", "a/b", "a@b", "ä", "a:1"] {
            let problem = url(other).unwrap_err();
            assert!(problem.message.contains("isn't the name of a region"));
            assert!(problem.hint.unwrap().contains("`eu-1`"));
        }
    }

    #[test]
    fn an_endpoint_is_a_url_or_a_host_with_a_port() {
        const SPEC: KeySpec = KeySpec::new("endpoint", "the endpoint");
        let read = |text: &str, gets_secrets| {
            let (config, env) = (format!("endpoint={text}").parse().unwrap(), Env::empty());
            let mut options = Options::new("test", &[SPEC], &config, &env);
            let url = endpoint_or_host(&mut options, &SPEC, "http", gets_secrets);
            url.map(String::from)
                .ok_or_else(|| options.check().unwrap_err().to_string())
        };
        assert_eq!(read("a.test:85", false).unwrap(), "http://a.test:85/");
        assert_eq!(read("https://a.test", true).unwrap(), "https://a.test/");
        assert_eq!(read("127.0.0.1:85", true).unwrap(), "http://127.0.0.1:85/");
        for (text, gets_secrets) in [("a.test:85", true), ("unix:///run/a", false)] {
            assert!(read(text, gets_secrets).unwrap_err().contains("`endpoint`"));
        }
    }
}
