//! The credentials of Google Cloud: application default credentials, in their order.
//!
//! `file.rs` reads credentials files, `exchange.rs` exchanges what they hold for an access token;
//! the token of another identity provider that some of them need comes from `subject_token.rs`, of
//! a workload on AWS from `aws.rs`. `metadata.rs` reads the metadata server. Facts:
//! google.aip.dev/auth/4110 and those after it, and github.com/golang/oauth2.

mod aws;
mod exchange;
mod file;
mod metadata;
mod subject_token;

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use cloud_autojoin_core::credential::{AccessToken, Chain, CredentialSource};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::file::{MAX_SECRET_FILE, read_text};
use cloud_autojoin_core::{Call, ConfigError, ConfigProblem, Context, Env, Error};

pub use metadata::MetadataServer;

use exchange::{Exchange, LIFETIME};
use file::Credentials;

const NAME: &str = "gce";

/// The sources of application default credentials: `given`, the file of the configuration or of
/// GOOGLE_APPLICATION_CREDENTIALS; gcloud's own file; the metadata server.
pub fn chain(given: Option<String>, context: &Context, metadata: MetadataServer) -> Chain {
    let given = given.ok_or("neither `credentials_file` nor GOOGLE_APPLICATION_CREDENTIALS is set");
    let file = |name, path, is_optional| {
        let context = context.clone();
        Box::new(FileSource {
            name,
            path,
            is_optional,
            context,
            signed: Mutex::default(),
        })
    };
    let own = "gcloud's application default credentials";
    let sources: Vec<Box<dyn CredentialSource>> = vec![
        file("credentials file", given, false),
        file(own, well_known_file(context.env()), true),
        Box::new(metadata),
    ];
    Chain::new(NAME, sources).with_hint(
        "set `credentials_file=...` or GOOGLE_APPLICATION_CREDENTIALS, log in with `gcloud auth application-default login`, or attach a service account to this instance",
    )
}

/// Where `gcloud auth application-default login` leaves its file.
fn well_known_file(env: &Env) -> Result<String, &'static str> {
    let folder = env.filled("CLOUDSDK_CONFIG").or_else(|| {
        let base = if cfg!(windows) {
            env.filled("APPDATA")
        } else {
            env.filled("HOME").map(|home| format!("{home}/.config"))
        };
        base.map(|base| format!("{base}/gcloud"))
    });
    folder
        .map(|folder| format!("{folder}/application_default_credentials.json"))
        .ok_or("no home directory is known")
}

/// The credentials of a file, read again for every token: a key may be rotated.
#[derive(Debug)]
struct FileSource {
    name: &'static str,
    path: Result<String, &'static str>,
    is_optional: bool,
    context: Context,
    /// When the key of a service account signed the last token.
    signed: Mutex<Option<SystemTime>>,
}

#[async_trait]
impl CredentialSource for FileSource {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn token(&self, scope: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        let absent = |reason: String| Err(SourceOutcome::NotConfigured(reason));
        let path = match &self.path {
            Ok(path) => path,
            Err(reason) => return absent((*reason).to_owned()),
        };
        let text = match read_text(path, MAX_SECRET_FILE).await {
            Ok(text) => text,
            Err(error) if self.is_optional && error.kind() == std::io::ErrorKind::NotFound => {
                return absent(format!("there is no `{path}`"));
            }
            Err(error) => {
                let problem = format!("cannot read the credentials file `{path}`: {error}");
                return Err(unusable(problem).into());
            }
        };
        let credentials = Credentials::parse(&text)
            .map_err(|why| unusable(format!("cannot use the credentials file `{path}`: {why}")))?;
        let context = &self.context;
        let exchange = Exchange { context, call };
        let now = call.clock().wall();
        let last = *self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        // A token that is needed again so early was refused. The token endpoint reports why, or
        // issues one that is accepted.
        let was_refused = last.is_some_and(|last| now < last + LIFETIME / 2);
        if !was_refused && let Some(token) = exchange.self_signed(&credentials, scope)? {
            *self.signed.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
            return Ok(token);
        }
        Ok(exchange.token(&credentials, scope).await?)
    }
}

/// The error for a credentials file that can't be used.
fn unusable(message: impl Into<String>) -> Error {
    let problem = ConfigProblem::of_key("credentials_file", message)
        .with_hint("check the file, its permissions and who runs this");
    ConfigError::new(Some(NAME), problem).into()
}
