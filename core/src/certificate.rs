//! X.509 certificates: a client certificate with its private key, and the fields that TLS libraries
//! don't hand out.
//!
//! [`certified_key_from_pem`] accepts the certificates and the key of a PEM file in any order. It
//! also accepts X.509 v1 certificates, which rustls doesn't load as client certificates.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::CertifiedKey;

/// Why certificates and keys can't be used together. Doesn't repeat any of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertifiedKeyError {
    /// A PEM section is malformed.
    #[error("not valid PEM")]
    InvalidPem,
    /// There is no certificate.
    #[error("no certificate in it")]
    NoCertificate,
    /// There is no private key.
    #[error("no private key in it")]
    NoPrivateKey,
    /// The private key is malformed, or of an algorithm that isn't supported.
    #[error("its private key is malformed or of an unsupported algorithm")]
    UnsupportedKey,
    /// No certificate belongs to the private key.
    #[error("none of its certificates belongs to its private key")]
    KeyMismatch,
}

/// The crypto provider of the process, or ring if none is installed.
pub(crate) fn crypto_provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()))
}

/// Reads a certificate, its issuers and its private key from PEM sections in any order.
///
/// # Errors
///
/// A part is missing or malformed, or no certificate belongs to the key.
pub fn certified_key_from_pem(pem: &[u8]) -> Result<CertifiedKey, CertifiedKeyError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let keys: Result<Vec<_>, _> = PrivateKeyDer::pem_slice_iter(pem).collect();
    let invalid = |_| CertifiedKeyError::InvalidPem;
    certified_key(certificates.map_err(invalid)?, keys.map_err(invalid)?)
}

/// Finds the certificate that belongs to one of `keys`, and orders the others after it: its issuer,
/// that one's issuer and so on, then those that aren't part of this chain.
///
/// # Errors
///
/// A part is missing or malformed, or no certificate belongs to a key.
pub fn certified_key(
    certificates: Vec<CertificateDer<'static>>,
    keys: impl IntoIterator<Item = PrivateKeyDer<'static>>,
) -> Result<CertifiedKey, CertifiedKeyError> {
    if certificates.is_empty() {
        return Err(CertifiedKeyError::NoCertificate);
    }
    let provider = crypto_provider();
    let mut error = CertifiedKeyError::NoPrivateKey;
    for key in keys {
        let Ok(key) = provider.key_provider.load_private_key(key) else {
            error = CertifiedKeyError::UnsupportedKey;
            continue;
        };
        // A key that doesn't know its public key can't be compared: the first certificate is used.
        let leaf = match key.public_key() {
            Some(public) => certificates.iter().position(|certificate| {
                Fields::read(certificate).is_some_and(|fields| fields.public_key == public.as_ref())
            }),
            None => Some(0),
        };
        match leaf {
            Some(leaf) => return Ok(CertifiedKey::new(chain_from(leaf, certificates), key)),
            None => error = CertifiedKeyError::KeyMismatch,
        }
    }
    Err(error)
}

fn chain_from(leaf: usize, mut rest: Vec<CertificateDer<'static>>) -> Vec<CertificateDer<'static>> {
    let mut chain = vec![rest.remove(leaf)];
    rest.retain(|certificate| *certificate != chain[0]);
    while let Some(position) = chain.last().and_then(|last| issuer_of(last, &rest)) {
        chain.push(rest.remove(position));
    }
    for certificate in rest {
        if !chain.contains(&certificate) {
            chain.push(certificate);
        }
    }
    chain
}

fn issuer_of(certificate: &CertificateDer<'_>, candidates: &[CertificateDer<'_>]) -> Option<usize> {
    let fields = Fields::read(certificate)?;
    if fields.issuer == fields.subject {
        return None;
    }
    candidates.iter().position(|candidate| {
        Fields::read(candidate).is_some_and(|candidate| candidate.subject == fields.issuer)
    })
}

/// The fields of a certificate (RFC 5280, section 4.1) that are needed here, as DER with their
/// headers. Unlike webpki's parser this accepts certificates of X.509 v1.
struct Fields<'a> {
    issuer: &'a [u8],
    validity: &'a [u8],
    subject: &'a [u8],
    public_key: &'a [u8],
}

impl<'a> Fields<'a> {
    fn read(certificate: &'a [u8]) -> Option<Self> {
        let mut certificate = Element::next(&mut &*certificate)?.of(SEQUENCE)?;
        let mut fields = Element::next(&mut certificate)?.of(SEQUENCE)?;
        let version_or_serial = Element::next(&mut fields)?;
        if version_or_serial.tag == VERSION {
            Element::next(&mut fields)?;
        }
        let mut sequence = || Element::next(&mut fields).filter(|element| element.tag == SEQUENCE);
        let _signature_algorithm = sequence()?;
        Some(Self {
            issuer: sequence()?.whole,
            validity: sequence()?.content,
            subject: sequence()?.whole,
            public_key: sequence()?.whole,
        })
    }
}

/// Whether the validity period of a certificate covers `now`. False if it can't be read.
pub(crate) fn is_valid_at(certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
    let bounds = Fields::read(certificate).and_then(|fields| {
        let mut validity = fields.validity;
        Some((
            unix_seconds(&Element::next(&mut validity)?)?,
            unix_seconds(&Element::next(&mut validity)?)?,
        ))
    });
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    bounds.is_some_and(|(not_before, not_after)| (not_before..=not_after).contains(&now))
}

/// The time of a `UTCTime` (`YYMMDDHHMMSSZ`) or `GeneralizedTime` (`YYYYMMDDHHMMSSZ`).
fn unix_seconds(time: &Element<'_>) -> Option<i64> {
    let digits = time
        .content
        .strip_suffix(b"Z")
        .filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let number = |digits: &[u8]| {
        digits
            .iter()
            .fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
    };
    let (year, rest) = match (time.tag, digits.len()) {
        (UTC_TIME, 12) => {
            let year = number(&digits[..2]);
            (year + if year < 50 { 2000 } else { 1900 }, &digits[2..])
        }
        (GENERALIZED_TIME, 14) => (number(&digits[..4]), &digits[4..]),
        _ => return None,
    };
    let [month, day, hour, minute, second] =
        [0, 2, 4, 6, 8].map(|start| number(&rest[start..start + 2]));
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    // Days in the proleptic Gregorian calendar, with years that begin in March.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 719_469;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// One element of DER.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// Takes the first element off `input`.
    fn next(input: &mut &'a [u8]) -> Option<Self> {
        let all = *input;
        let (&[tag, first], mut rest) = all.split_first_chunk()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let count = usize::from(first & 0x7f);
            if !(1..=4).contains(&count) {
                return None;
            }
            let (bytes, after) = rest.split_at_checked(count)?;
            length = bytes
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            rest = after;
        }
        let (content, after) = rest.split_at_checked(length)?;
        *input = after;
        Some(Self {
            tag,
            content,
            whole: &all[..all.len() - after.len()],
        })
    }

    fn of(self, tag: u8) -> Option<&'a [u8]> {
        (self.tag == tag).then_some(self.content)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    fn named(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    fn authority(name: &str) -> CertificateParams {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    #[test]
    fn the_certificate_of_the_key_leads_its_chain_in_whatever_order_the_file_has_them() {
        let root =
            CertifiedIssuer::self_signed(authority("root"), KeyPair::generate().unwrap()).unwrap();
        let issuer =
            CertifiedIssuer::signed_by(authority("issuer"), KeyPair::generate().unwrap(), &root)
                .unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = named("leaf").signed_by(&key, &issuer).unwrap();
        let other = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap();
        let (leaf_pem, key_pem) = (leaf.pem(), key.serialize_pem());
        for parts in [
            [&*key_pem, &issuer.pem(), &leaf_pem, &root.pem()],
            [&root.pem(), &issuer.pem(), &leaf_pem, &key_pem],
            [&leaf_pem, &root.pem(), &key_pem, &issuer.pem()],
            [
                &issuer.pem(),
                &leaf_pem,
                &format!("{}{}", leaf_pem, root.pem()),
                &key_pem,
            ],
        ] {
            let certified = certified_key_from_pem(parts.concat().as_bytes()).unwrap();
            assert_eq!(
                certified.cert,
                [leaf.der().clone(), issuer.der().clone(), root.der().clone()]
            );
            certified.keys_match().unwrap();
        }
        // Another key with its certificate doesn't matter either.
        let pem = [
            other.signing_key.serialize_pem(),
            issuer.pem(),
            key_pem.clone(),
            leaf_pem.clone(),
        ]
        .concat();
        assert_eq!(
            certified_key_from_pem(pem.as_bytes()).unwrap().cert[0],
            *leaf.der()
        );

        let refused =
            |parts: &[&str]| certified_key_from_pem(parts.concat().as_bytes()).unwrap_err();
        assert_eq!(refused(&[&key_pem]), CertifiedKeyError::NoCertificate);
        assert_eq!(refused(&[&leaf_pem]), CertifiedKeyError::NoPrivateKey);
        assert_eq!(
            refused(&[&issuer.pem(), &key_pem]),
            CertifiedKeyError::KeyMismatch
        );
        assert_eq!(
            refused(&[
                &leaf_pem,
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
            ]),
            CertifiedKeyError::UnsupportedKey
        );
        assert_eq!(
            refused(&["-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"]),
            CertifiedKeyError::InvalidPem
        );
    }

    #[test]
    fn the_validity_period_is_read_to_the_second() {
        for (year, unix) in [
            (1999, 915_148_800),
            (2024, 1_704_067_200),
            (2049, 2_493_072_000),
            (2050, 2_524_608_000),
            (2400, 13_569_465_600_u64),
        ] {
            let mut params = named("host");
            params.not_before = rcgen::date_time_ymd(year, 1, 1);
            params.not_after = rcgen::date_time_ymd(year, 3, 1);
            let certificate = params
                .self_signed(&KeyPair::generate().unwrap())
                .unwrap()
                .der()
                .clone();
            let at = |seconds| {
                is_valid_at(
                    &certificate,
                    UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
                )
            };
            let days = if [2024, 2400].contains(&year) { 60 } else { 59 };
            let end = unix + days * 86_400;
            assert_eq!(
                [at(unix - 1), at(unix), at(end), at(end + 1)],
                [false, true, true, false],
                "{year}"
            );
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_fields() {
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x30\x85\x01\x01\x01\x01\x01",
            b"\x30\x82\xff\xff\x00",
            b"\x30\x04\x30\x02\x02\x05",
        ] {
            assert!(Fields::read(bytes).is_none());
        }
    }
}
