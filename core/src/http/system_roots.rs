//! The certificate authorities of a Unix machine, in the locations of OpenSSL and Go: a bundle file
//! and directories of single files.
//!
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` replace these locations. Without them the directories mostly
//! repeat the bundle: on Debian, reading them takes 140 more files and twice the time for no
//! further authority. So they are read only if the bundle doesn't verify a server.
//!
//! At that point changed files are also reloaded, within the same handshake, so that a rotated
//! authority causes no failed request.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::Error;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls_native_certs::load_certs_from_paths;

use super::roots::Roots;
use super::server_verifier::{ChainVerifier, PresentedChain, ServerVerifier};

/// A verifier that trusts the authorities of this machine.
///
/// # Errors
///
/// There is no authority at all.
pub(super) fn system_verifier(
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let system = SystemVerifier::new(RootLocations::of_process(), Arc::clone(&provider))?;
    Ok(Arc::new(ServerVerifier::new(system, &provider)))
}

/// The locations of certificate authorities.
#[derive(Debug)]
struct RootLocations {
    bundle: Option<PathBuf>,
    directories: Vec<PathBuf>,
    /// Whether the bundle alone is likely to be complete.
    is_bundle_enough: bool,
}

impl RootLocations {
    fn of_process() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "paths need not be UTF-8, as core's `Env` wants them"
        )]
        let [file, directories] = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
            .map(|variable| std::env::var_os(variable).filter(|value| !value.is_empty()));
        if file.is_none() && directories.is_none() {
            let found = openssl_probe::probe();
            return Self {
                bundle: found.cert_file,
                directories: found.cert_dir,
                is_bundle_enough: true,
            };
        }
        let directories = directories.map(|paths| {
            std::env::split_paths(&paths)
                .filter(|path| !path.as_os_str().is_empty())
                .collect()
        });
        Self {
            bundle: file.map(PathBuf::from),
            directories: directories.unwrap_or_default(),
            is_bundle_enough: false,
        }
    }

    /// Reads the bundle and the directories.
    fn load(&self, provider: &Arc<CryptoProvider>) -> Result<Roots, Error> {
        let mut certificates = read(self.bundle.as_deref(), None);
        for directory in &self.directories {
            certificates.extend(read(None, Some(directory)));
        }
        certificates.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
        certificates.dedup();
        Roots::new(certificates, provider)
    }

    fn stamps(&self) -> Vec<Stamp> {
        let entries = self
            .directories
            .iter()
            .filter_map(|directory| std::fs::read_dir(directory).ok())
            .flatten()
            .flatten();
        let mut stamps: Vec<_> = self
            .bundle
            .iter()
            .cloned()
            .chain(entries.map(|entry| entry.path()))
            .map(Stamp::of)
            .collect();
        stamps.sort_unstable();
        stamps
    }
}

fn read(file: Option<&Path>, directory: Option<&Path>) -> Vec<CertificateDer<'static>> {
    let found = load_certs_from_paths(file, directory);
    for error in &found.errors {
        tracing::debug!(%error, "a CA certificate of this machine can't be read");
    }
    found.certs
}

/// The state of a file: if it differs, the content may have changed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp {
    path: PathBuf,
    /// Device, inode, size, and the times of the last change in seconds and nanoseconds.
    state: Option<(u64, u64, u64, [i64; 4])>,
}

impl Stamp {
    fn of(path: PathBuf) -> Self {
        let state = std::fs::metadata(&path).ok().map(|file| {
            let times = [
                file.mtime(),
                file.mtime_nsec(),
                file.ctime(),
                file.ctime_nsec(),
            ];
            (file.dev(), file.ino(), file.size(), times)
        });
        Self { path, state }
    }
}

/// Verifies with the bundle first, and if that fails, with all current files.
#[derive(Debug)]
struct SystemVerifier {
    places: RootLocations,
    provider: Arc<CryptoProvider>,
    current: Mutex<Arc<Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    roots: Roots,
    /// The state of the files just before they were read; `None` before the first reload.
    stamps: Option<Vec<Stamp>>,
}

impl SystemVerifier {
    fn new(places: RootLocations, provider: Arc<CryptoProvider>) -> Result<Self, Error> {
        let bundle = places.bundle.as_deref().filter(|_| places.is_bundle_enough);
        let bundle = bundle.and_then(|file| Roots::new(read(Some(file), None), &provider).ok());
        let roots = match bundle {
            Some(roots) => roots,
            None => places.load(&provider)?,
        };
        Ok(Self {
            places,
            provider,
            current: Mutex::new(Arc::new(Loaded {
                roots,
                stamps: None,
            })),
        })
    }

    fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The current authorities, if they may differ from `used`.
    fn reload(&self, used: &Arc<Loaded>) -> Option<Arc<Loaded>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current, used) {
            let stamps = self.places.stamps();
            if used.stamps.as_ref() == Some(&stamps) {
                return None;
            }
            // A file that is being written may be unusable: the next failure reloads again.
            let roots = self.places.load(&self.provider).ok()?;
            *current = Arc::new(Loaded {
                roots,
                stamps: Some(stamps),
            });
        }
        Some(Arc::clone(&current))
    }
}

impl ChainVerifier for SystemVerifier {
    fn verify(&self, chain: &PresentedChain<'_>) -> Result<(), Error> {
        let current = self.current();
        // On any error: an authority that was renewed under its old name isn't reported as unknown.
        current.roots.verify(chain).or_else(|error| {
            self.reload(&current)
                .map_or(Err(error), |fresh| fresh.roots.verify(chain))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::pki_types::{ServerName, UnixTime};
    use tempfile::TempDir;

    use super::*;

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority() -> Authority {
        let mut params = CertificateParams::new(vec!["host.example".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn signed_by(authority: &Authority) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        CertificateParams::new(vec!["host.example".to_owned()])
            .unwrap()
            .signed_by(&key, authority)
            .unwrap()
            .der()
            .clone()
    }

    /// A bundle file and a directory of a fake machine.
    struct Machine(TempDir);

    impl Machine {
        fn new(bundle: &[&Authority]) -> Self {
            let machine = Self(TempDir::new().unwrap());
            std::fs::create_dir(machine.0.path().join("certs")).unwrap();
            machine.write("bundle.pem", bundle);
            machine
        }

        /// Replaces a file as package managers do.
        fn write(&self, name: &str, authorities: &[&Authority]) {
            let text: String = authorities
                .iter()
                .map(|authority| authority.pem())
                .collect();
            std::fs::write(self.0.path().join("new"), text).unwrap();
            std::fs::rename(self.0.path().join("new"), self.0.path().join(name)).unwrap();
        }

        fn verifier(&self, is_bundle_enough: bool) -> Result<SystemVerifier, Error> {
            let places = RootLocations {
                bundle: Some(self.0.path().join("bundle.pem")),
                directories: vec![self.0.path().join("certs")],
                is_bundle_enough,
            };
            SystemVerifier::new(places, Arc::new(rustls::crypto::ring::default_provider()))
        }
    }

    fn check(
        trust: &SystemVerifier,
        certificate: &CertificateDer<'_>,
        name: &str,
    ) -> Result<(), Error> {
        trust.verify(&PresentedChain {
            end_entity: certificate,
            intermediates: &[],
            server_name: &ServerName::try_from(name.to_owned()).unwrap(),
            ocsp_response: &[],
            now: UnixTime::now(),
        })
    }

    #[test]
    fn the_directories_are_not_read_while_the_bundle_verifies_servers() {
        let known = authority();
        let trust = Machine::new(&[&known]).verifier(true).unwrap();
        check(&trust, &signed_by(&known), "host.example").unwrap();
        assert!(trust.current().stamps.is_none());
    }

    #[test]
    fn an_authority_in_the_directories_alone_is_trusted_too_and_a_stranger_is_not() {
        let (known, added) = (authority(), authority());
        let machine = Machine::new(&[&known]);
        machine.write("certs/added.pem", &[&added]);
        for is_bundle_enough in [true, false] {
            let trust = machine.verifier(is_bundle_enough).unwrap();
            check(&trust, &signed_by(&added), "host.example").unwrap();
            check(&trust, &signed_by(&known), "host.example").unwrap();
            check(&trust, &signed_by(&authority()), "host.example").unwrap_err();
            check(&trust, &signed_by(&added), "other.example").unwrap_err();
        }
    }

    #[test]
    fn directories_without_authorities_change_nothing() {
        let machine = Machine::new(&[&authority()]);
        let trust = machine.verifier(true).unwrap();
        check(&trust, &signed_by(&authority()), "host.example").unwrap_err();
    }

    #[test]
    fn files_that_changed_are_read_again_within_the_handshake_that_needs_them() {
        let (old, new, newest) = (authority(), authority(), authority());
        for is_bundle_enough in [true, false] {
            let machine = Machine::new(&[&old]);
            let trust = machine.verifier(is_bundle_enough).unwrap();
            check(&trust, &signed_by(&old), "host.example").unwrap();
            check(&trust, &signed_by(&new), "host.example").unwrap_err();
            machine.write("bundle.pem", &[&new]);
            check(&trust, &signed_by(&new), "host.example").unwrap();
            check(&trust, &signed_by(&old), "host.example").unwrap_err();
            machine.write("certs/newest.pem", &[&newest]);
            check(&trust, &signed_by(&newest), "host.example").unwrap();
        }
    }

    #[test]
    fn files_that_did_not_change_are_not_read_again() {
        let machine = Machine::new(&[&authority()]);
        let trust = machine.verifier(true).unwrap();
        check(&trust, &signed_by(&authority()), "host.example").unwrap_err();
        let loaded = trust.current();
        check(&trust, &signed_by(&authority()), "host.example").unwrap_err();
        assert!(Arc::ptr_eq(&loaded, &trust.current()));
    }

    #[test]
    fn a_bundle_that_becomes_unusable_leaves_trust_as_it_was_until_it_is_usable_again() {
        let (old, new) = (authority(), authority());
        let machine = Machine::new(&[&old]);
        let trust = machine.verifier(true).unwrap();
        machine.write("bundle.pem", &[]);
        check(&trust, &signed_by(&new), "host.example").unwrap_err();
        check(&trust, &signed_by(&old), "host.example").unwrap();
        machine.write("bundle.pem", &[&new]);
        check(&trust, &signed_by(&new), "host.example").unwrap();
    }

    #[test]
    fn a_server_certificate_that_is_an_entry_of_the_bundle_is_trusted() {
        let server = authority();
        let trust = Machine::new(&[&authority(), &server])
            .verifier(true)
            .unwrap();
        check(&trust, server.der(), "host.example").unwrap();
        check(&trust, server.der(), "other.example").unwrap_err();
        check(&trust, authority().der(), "host.example").unwrap_err();
    }

    #[test]
    fn a_machine_without_authorities_is_an_error() {
        assert!(Machine::new(&[]).verifier(true).is_err());
    }
}
