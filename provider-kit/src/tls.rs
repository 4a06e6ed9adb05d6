//! TLS settings of a server that differ from those of the machine: its own certificate authorities,
//! a client certificate, a proxy, or no verification.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use cloud_autojoin_core::config::{KeySpec, Options};
use cloud_autojoin_core::http::HttpClient;
use cloud_autojoin_core::{ConfigError, ConfigProblem, Discovery, Finding, Result, Secret};

use crate::{ApiClient, ConfiguredFile, keys};

/// The TLS settings of one server. The default is those of the machine.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM certificates to trust instead of the machine's.
    pub authority: Option<String>,
    /// The client certificate and its key in PEM.
    pub client_identity: Option<Secret>,
    /// The name in the server's certificate, where it isn't the URL's host.
    pub server_name: Option<String>,
    /// Whether the server's certificate isn't verified.
    pub insecure: bool,
    /// The URL of a proxy to the server instead of the environment's; it may hold a password.
    pub proxy: Option<Secret>,
}

impl Tls {
    /// The certificate and the key of a client in one PEM text, if there are both.
    ///
    /// # Errors
    ///
    /// One of them is missing.
    pub fn client_identity(
        certificate: Option<String>,
        key: Option<String>,
    ) -> Result<Option<Secret>, &'static str> {
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                Ok(Some(Secret::new(format!("{certificate}\n{key}\n"))))
            }
            (None, None) => Ok(None),
            _ => Err("a client certificate and its key need each other"),
        }
    }

    /// Warns that the certificate of `server` isn't verified, if that is so. `option` is what turns
    /// verification off.
    pub fn warn(&self, discovery: &mut Discovery, server: &str, option: &str, hint: &str) {
        if self.insecure {
            let message = format!("the certificate of {server} isn't verified (`{option}`)");
            discovery.add_finding(Finding::new(message).with_hint(hint));
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("server_name", &self.server_name)
            .field("insecure", &self.insecure)
            .finish_non_exhaustive()
    }
}

/// Where TLS settings are.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// The certificate authorities.
    pub authority: Option<ConfiguredFile>,
    /// A directory with certificate authorities, which is read if there is no such file.
    pub authority_directory: Option<ConfiguredFile>,
    /// The client certificate.
    pub certificate: Option<ConfiguredFile>,
    /// The key of the client certificate.
    pub key: Option<ConfiguredFile>,
    /// The name in the server's certificate, where it isn't the URL's host.
    pub server_name: Option<String>,
    /// Whether the server's certificate isn't verified.
    pub insecure: bool,
}

impl TlsFiles {
    /// The settings that those keys of `table` give which [`keys`] has.
    pub fn from_options(options: &Options<'_>, table: &[KeySpec]) -> Self {
        let find = |key: &KeySpec| table.iter().find(|spec| spec.name == key.name);
        let file = |key| ConfiguredFile::from_options(options, find(key)?);
        Self {
            authority: file(&keys::CA_FILE),
            authority_directory: file(&keys::CA_DIRECTORY),
            certificate: file(&keys::CERTIFICATE_FILE),
            key: file(&keys::KEY_FILE),
            server_name: find(&keys::SERVER_NAME).and_then(|key| options.text(key)),
            insecure: find(&keys::INSECURE).is_some_and(|key| options.boolean(key)),
        }
    }

    /// The keys and variables that give something, for people.
    fn given(&self) -> String {
        let authority = self.authority.as_ref();
        let files = [
            authority.or(self.authority_directory.as_ref()),
            self.certificate.as_ref(),
            self.key.as_ref(),
        ];
        let files = files.into_iter().flatten().map(ConfiguredFile::given_as);
        let name = self.server_name.as_ref().map(|_| keys::SERVER_NAME.name);
        let given: Vec<&str> = files.chain(name).collect();
        format!("`{}`", given.join("`, `"))
    }

    /// Reads the files. They may be replaced while a program runs, so each discovery reads them.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](cloud_autojoin_core::Error::Config) for a file that can't be read, and for
    /// a client certificate without its key.
    pub async fn read(&self, provider: &'static str) -> Result<Tls> {
        let read = async || {
            let files = [&self.authority, &self.certificate, &self.key];
            let mut texts = [None, None, None];
            for (file, text) in files.into_iter().zip(&mut texts) {
                if let Some(file) = file {
                    *text = Some(file.read().await?);
                }
            }
            let [mut authority, certificate, key] = texts;
            if let (None, Some(directory)) = (&authority, &self.authority_directory) {
                authority = Some(directory.read_directory().await?);
            }
            let identity = Tls::client_identity(certificate, key);
            Ok(Tls {
                authority,
                client_identity: identity.map_err(|problem| {
                    let given = self.certificate.as_ref().or(self.key.as_ref());
                    ConfigProblem::of_key(given.map_or("", ConfiguredFile::key), problem)
                })?,
                server_name: self.server_name.clone(),
                insecure: self.insecure,
                proxy: None,
            })
        };
        let tls: Result<Tls, ConfigProblem> = read().await;
        tls.map_err(|problem| ConfigError::new(Some(provider), problem).into())
    }
}

/// An API client with the TLS settings of files.
#[derive(Debug)]
pub struct TlsReloader {
    files: TlsFiles,
    client: TlsClient,
}

impl TlsReloader {
    /// Nothing is read yet.
    pub fn new(files: TlsFiles) -> Self {
        let client = TlsClient::default();
        Self { files, client }
    }

    /// `client` with the current settings, and these.
    ///
    /// # Errors
    ///
    /// As [`TlsFiles::read`] and [`TlsClient::get`].
    pub async fn apply(&self, client: &ApiClient) -> Result<(ApiClient, Tls)> {
        let tls = self.files.read(client.provider()).await?;
        let client = client.clone().with_tls(&self.client, &tls);
        let hint = || format!("check {}", self.files.given());
        Ok((client.map_err(|error| error.with_hint(hint()))?, tls))
    }
}

/// The HTTP client for TLS settings, kept for as long as they stay the same.
#[derive(Debug, Default)]
pub struct TlsClient(Mutex<Option<(Tls, HttpClient)>>);

impl TlsClient {
    /// A client with these TLS settings and the other settings of `base`; `base` itself for the
    /// settings of the machine.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`](cloud_autojoin_core::Error::Transport) when they can't be used.
    pub fn get(&self, base: &HttpClient, tls: &Tls) -> Result<HttpClient> {
        if *tls == Tls::default() {
            return Ok(base.clone());
        }
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = last.as_ref().filter(|(of, _)| of == tls) {
            return Ok(client.clone());
        }
        let mut settings = base.settings().clone();
        let authority = tls.authority.clone().map(String::into_bytes);
        settings.certificate_authorities.extend(authority);
        settings.client_identity.clone_from(&tls.client_identity);
        settings.server_name.clone_from(&tls.server_name);
        settings.insecure_skip_verify = tls.insecure;
        settings.proxy = tls.proxy.clone().or(settings.proxy);
        let client = HttpClient::new(settings)?;
        *last = Some((tls.clone(), client.clone()));
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use cloud_autojoin_core::Detail;
    use cloud_autojoin_core::http::HttpSettings;

    use super::*;

    fn file(key: &'static str, text: &str) -> (tempfile::TempPath, Option<ConfiguredFile>) {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::write(&path, text).unwrap();
        let file = ConfiguredFile::new(key, path.to_str().unwrap());
        (path, Some(file))
    }

    #[tokio::test]
    async fn files_are_read_and_one_that_cannot_be_is_named_with_its_key() {
        let (_a, authority) = file("ca_file", "CA");
        let (_c, certificate) = file("certificate_file", "CERTIFICATE");
        let (gone, key) = file("key_file", "c4n4ry");
        let mut files = TlsFiles {
            authority,
            certificate,
            key,
            ..TlsFiles::default()
        };
        let tls = files.read("example").await.unwrap();
        assert_eq!(tls.authority.as_deref(), Some("CA"));
        let identity = tls.client_identity.as_ref().map(Secret::expose);
        assert_eq!(identity, Some("CERTIFICATE\nc4n4ry\n"));
        assert!(!format!("{tls:?} {files:?}").contains("c4n4ry"));
        drop(gone);
        let error = files.read("example").await.unwrap_err().chain();
        assert!(
            error.contains("cannot read `/") && error.contains("(`key_file`)"),
            "{error}"
        );
        files.key = None;
        let error = files.read("example").await.unwrap_err().chain();
        assert!(error.contains("need each other"), "{error}");
    }

    #[tokio::test]
    async fn the_files_of_a_directory_are_read_where_there_is_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for (name, text) in [("b.pem", "B"), ("a.crt", "A"), (".hidden", "H")] {
            std::fs::write(path.join(name), text).unwrap();
        }
        std::fs::create_dir(path.join("c")).unwrap();
        let mut files = TlsFiles {
            authority_directory: Some(ConfiguredFile::new("ca_directory", path.to_str().unwrap())),
            ..TlsFiles::default()
        };
        let tls = files.read("example").await.unwrap();
        assert_eq!(tls.authority.as_deref(), Some("A\nB\n"));
        std::fs::write(path.join("d.der"), b"\xff").unwrap();
        let error = files.read("example").await.unwrap_err().chain();
        assert!(error.contains("d.der` (`ca_directory`)"), "{error}");
        let (_f, authority) = file("ca_file", "F");
        files.authority = authority;
        let tls = files.read("example").await.unwrap();
        assert_eq!(tls.authority.as_deref(), Some("F"));
        files.authority = None;
        drop(directory);
        let error = files.read("example").await.unwrap_err().chain();
        assert!(error.contains("(`ca_directory`)"), "{error}");
    }

    #[test]
    fn a_client_is_kept_for_as_long_as_its_settings_stay() {
        let base = HttpClient::new(HttpSettings::default()).unwrap();
        let clients = TlsClient::default();
        let mut tls = Tls::default();
        let client = clients.get(&base, &tls).unwrap();
        assert!(!client.settings().insecure_skip_verify && clients.0.lock().unwrap().is_none());
        tls.insecure = true;
        tls.server_name = Some("api".to_owned());
        let client = clients.get(&base, &tls).unwrap();
        let settings = client.settings();
        assert!(settings.insecure_skip_verify && settings.server_name.as_deref() == Some("api"));
        let same = clients.get(&base, &tls.clone()).unwrap();
        assert!(Arc::ptr_eq(&client.transport(), &same.transport()));
        tls.server_name = None;
        tls.proxy = Some(Secret::new("socks5://10.0.0.9:1080"));
        let client = clients.get(&base, &tls).unwrap();
        assert_eq!(client.settings().proxy, tls.proxy);
        tls.authority = Some("no PEM".to_owned());
        assert!(clients.get(&base, &tls).is_err());
    }

    #[test]
    fn a_server_that_is_not_verified_is_warned_of() {
        let mut discovery = Discovery::new("example", "servers", Detail::Addresses);
        let mut tls = Tls::default();
        tls.warn(&mut discovery, "vc", "insecure=true", "set `ca_file`");
        assert!(discovery.findings().is_empty());
        tls.insecure = true;
        tls.warn(&mut discovery, "vc", "insecure=true", "set `ca_file`");
        assert_eq!(
            discovery.findings()[0].message,
            "the certificate of vc isn't verified (`insecure=true`)"
        );
    }
}
