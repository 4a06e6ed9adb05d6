//! Application default credentials: a file, gcloud's own file, the metadata server.
//!
//! `file.rs` reads the kinds of credentials files, `exchange.rs` exchanges what they hold for an
//! access token (`aws.rs` for a workload on AWS), `metadata.rs` asks the metadata server. Facts: google.aip.dev/auth/4110 and those
//! after it, and github.com/golang/oauth2.

mod aws;
mod exchange;
mod file;
mod metadata;

use cloud_autojoin_core::credential::{AccessToken, Chain, CredentialSource};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::file::{MAX_SECRET_FILE, read_text};
use cloud_autojoin_core::{Call, ConfigError, ConfigProblem, Context, Env, Error};

use async_trait::async_trait;

pub(crate) use metadata::MetadataServer;

use crate::keys::CREDENTIALS_FILE;
use crate::provider::NAME;
use exchange::Exchange;
use file::Credentials;

/// The scope that is asked for. go-discover asks for `compute`, which may change things too.
pub(crate) const SCOPE: &str = "https://www.googleapis.com/auth/compute.readonly";

/// The chain of application default credentials; `given` is the file of the join string or of
/// GOOGLE_APPLICATION_CREDENTIALS.
pub(crate) fn chain(given: Option<String>, context: &Context, metadata: MetadataServer) -> Chain {
    let exchange = Exchange {
        context: context.clone(),
    };
    let given = given.ok_or("neither `credentials_file` nor GOOGLE_APPLICATION_CREDENTIALS is set");
    let sources: Vec<Box<dyn CredentialSource>> = vec![
        Box::new(FileSource {
            name: "credentials file",
            path: given,
            is_optional: false,
            exchange: exchange.clone(),
        }),
        Box::new(FileSource {
            name: "gcloud's application default credentials",
            path: well_known_file(context.env()),
            is_optional: true,
            exchange,
        }),
        Box::new(metadata),
    ];
    Chain::new(NAME, sources).with_hint(
        "set `credentials_file=...` or GOOGLE_APPLICATION_CREDENTIALS, log in with `gcloud auth application-default login`, or attach a service account to this instance",
    )
}

/// Where `gcloud auth application-default login` leaves its file.
fn well_known_file(env: &Env) -> Result<String, &'static str> {
    const FILE: &str = "application_default_credentials.json";
    if let Some(directory) = env.filled("CLOUDSDK_CONFIG") {
        return Ok(format!("{directory}/{FILE}"));
    }
    let base = if cfg!(windows) {
        env.filled("APPDATA")
    } else {
        env.filled("HOME").map(|home| format!("{home}/.config"))
    };
    base.map(|base| format!("{base}/gcloud/{FILE}"))
        .ok_or("no home directory is known")
}

/// The credentials of a file, read again for every token: a key may be rotated.
#[derive(Debug)]
struct FileSource {
    name: &'static str,
    path: Result<String, &'static str>,
    is_optional: bool,
    exchange: Exchange,
}

#[async_trait]
impl CredentialSource for FileSource {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn token(&self, scope: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        let path = match &self.path {
            Ok(path) => path,
            Err(reason) => return Err(SourceOutcome::NotConfigured((*reason).to_owned())),
        };
        let text = match read_text(path, MAX_SECRET_FILE).await {
            Ok(text) => text,
            Err(error) if self.is_optional && error.kind() == std::io::ErrorKind::NotFound => {
                return Err(SourceOutcome::NotConfigured(format!(
                    "there is no `{path}`"
                )));
            }
            Err(error) => {
                return Err(unusable(format!(
                    "cannot read the credentials file `{path}`: {error}"
                ))
                .into());
            }
        };
        let credentials = Credentials::parse(&text).map_err(|reason| {
            unusable(format!(
                "cannot use the credentials file `{path}`: {reason}"
            ))
        })?;
        Ok(self.exchange.token(&credentials, scope, call).await?)
    }
}

/// The error for a credentials file that can't be used.
fn unusable(message: String) -> Error {
    let problem = ConfigProblem::of_key(CREDENTIALS_FILE.name, message)
        .with_hint("check the file, its permissions and who runs this");
    ConfigError::new(Some(NAME), problem).into()
}
