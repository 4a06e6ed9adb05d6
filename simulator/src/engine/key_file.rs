//! The private key of the certificate authority in a file, so that clients still trust it after a
//! restart.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rcgen::KeyPair;

/// The key in `path`. A new one is written there first if there is no such file.
///
/// # Errors
///
/// The file can't be read or written, holds no key, or is open to other users.
pub(crate) fn read_or_create(path: &Path) -> io::Result<KeyPair> {
    let mut file = match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(mut file) => {
            let key = KeyPair::generate().map_err(io::Error::other)?;
            file.write_all(key.serialize_pem().as_bytes())?;
            return Ok(key);
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => File::open(path)?,
        Err(error) => return Err(error),
    };
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        let message = format!(
            "other users may use this private key (mode {:o}): `chmod 600` it, or delete it",
            mode & 0o777
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    let mut pem = String::new();
    file.read_to_string(&mut pem)?;
    KeyPair::from_pem(&pem).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "it holds no private key in PEM: delete it to get a new one",
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_key_is_kept_and_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.key");
        let made = read_or_create(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            read_or_create(&path).unwrap().serialize_pem(),
            made.serialize_pem()
        );
    }

    #[test]
    fn a_key_that_cannot_serve_is_refused_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.key");
        read_or_create(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_or_create(&path).unwrap_err().to_string();
        assert_eq!(
            error,
            "other users may use this private key (mode 640): `chmod 600` it, or delete it"
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "no key").unwrap();
        assert!(
            read_or_create(&path)
                .unwrap_err()
                .to_string()
                .contains("delete it to get a new one")
        );
    }
}
