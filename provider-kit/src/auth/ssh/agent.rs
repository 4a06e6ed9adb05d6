//! The SSH agent: which keys it holds, and signatures by one of them.
//!
//! datatracker.ietf.org/doc/html/draft-ietf-sshm-ssh-agent

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Fingerprint, Signature};

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_RESPONSE: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// Asks for SHA-256 where an RSA key would sign with SHA-1.
const RSA_SHA2_256: u32 = 2;

/// An agent's longest message (OpenSSH's own limit).
const MAX_MESSAGE: usize = 256 * 1024;

/// Signs `data` with the key of this fingerprint, at the agent behind `socket`.
#[cfg(unix)]
pub(super) async fn sign(
    socket: &str,
    fingerprint: &Fingerprint,
    data: &[u8],
) -> io::Result<Signature> {
    sign_over(
        tokio::net::UnixStream::connect(socket).await?,
        fingerprint,
        data,
    )
    .await
}

#[cfg(not(unix))]
pub(super) async fn sign(_: &str, _: &Fingerprint, _: &[u8]) -> io::Result<Signature> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "SSH agents are used on Unix only",
    ))
}

async fn sign_over(
    mut agent: impl AsyncRead + AsyncWrite + Unpin,
    fingerprint: &Fingerprint,
    data: &[u8],
) -> io::Result<Signature> {
    let identities = request(&mut agent, REQUEST_IDENTITIES, &[], IDENTITIES_RESPONSE).await?;
    let mut rest = identities.as_slice();
    let count = take_number(&mut rest)?;
    let mut found = None;
    for _ in 0..count {
        let (blob, _comment) = (take_string(&mut rest)?, take_string(&mut rest)?);
        if fingerprint.is_of(blob) {
            found = Some(blob);
        }
    }
    let blob = found.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("none of the agent's {count} keys has this fingerprint"),
        )
    })?;
    let mut body = Vec::new();
    put_string(&mut body, blob);
    put_string(&mut body, data);
    body.extend(RSA_SHA2_256.to_be_bytes());
    let answer = request(&mut agent, SIGN_REQUEST, &body, SIGN_RESPONSE).await?;
    let mut signature = take_string(&mut answer.as_slice())?;
    let (algorithm, bytes) = (take_string(&mut signature)?, take_string(&mut signature)?);
    let (algorithm, bytes) = match algorithm {
        b"rsa-sha2-256" => ("rsa-sha256", bytes.to_vec()),
        b"ecdsa-sha2-nistp256" => ("ecdsa-sha256", der_of(bytes)?),
        b"ecdsa-sha2-nistp384" => ("ecdsa-sha384", der_of(bytes)?),
        b"ecdsa-sha2-nistp521" => ("ecdsa-sha512", der_of(bytes)?),
        _ => {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the key is neither RSA nor ECDSA",
            ));
        }
    };
    Ok(Signature {
        algorithm,
        bytes,
        key: Fingerprint::md5_of(blob),
    })
}

/// Sends one message and returns the body of the response.
async fn request(
    agent: &mut (impl AsyncRead + AsyncWrite + Unpin),
    kind: u8,
    body: &[u8],
    expected: u8,
) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    let mut content = vec![kind];
    content.extend(body);
    put_string(&mut message, &content);
    agent.write_all(&message).await?;
    let length = agent.read_u32().await? as usize;
    if length == 0 || length > MAX_MESSAGE {
        return Err(invalid());
    }
    let mut answer = vec![0; length];
    agent.read_exact(&mut answer).await?;
    if answer.remove(0) == expected {
        Ok(answer)
    } else {
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the agent refuses",
        ))
    }
}

fn invalid() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the agent's response is malformed",
    )
}

fn put_string(message: &mut Vec<u8>, bytes: &[u8]) {
    message.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    message.extend(bytes);
}

fn take_number(rest: &mut &[u8]) -> io::Result<u32> {
    let (number, after) = rest.split_first_chunk().ok_or_else(invalid)?;
    *rest = after;
    Ok(u32::from_be_bytes(*number))
}

fn take_string<'a>(rest: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let length = take_number(rest)? as usize;
    let (string, after) = rest.split_at_checked(length).ok_or_else(invalid)?;
    *rest = after;
    Ok(string)
}

/// An ECDSA signature as DER: SSH writes the two numbers one after the other.
fn der_of(mut numbers: &[u8]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    for _ in 0..2 {
        let number = take_string(&mut numbers)?;
        content.push(2);
        put_length(&mut content, number.len())?;
        content.extend(number);
    }
    let mut der = vec![0x30];
    put_length(&mut der, content.len())?;
    der.extend(content);
    Ok(der)
}

/// DER's length of at most 255 bytes: the two numbers of the largest curve take some 140.
fn put_length(der: &mut Vec<u8>, length: usize) -> io::Result<()> {
    let length = u8::try_from(length).map_err(|_| invalid())?;
    if length > 127 {
        der.push(0x81);
    }
    der.push(length);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_two_numbers_of_an_ecdsa_signature_become_der() {
        let mut ssh = Vec::new();
        put_string(&mut ssh, &[0, 0x80]);
        put_string(&mut ssh, &[7]);
        assert_eq!(der_of(&ssh).unwrap(), [0x30, 7, 2, 2, 0, 0x80, 2, 1, 7]);
        assert!(der_of(&ssh[..5]).is_err());
    }

    #[tokio::test]
    async fn a_key_is_found_by_its_fingerprint_and_signs() {
        let (ours, mut agent) = tokio::io::duplex(4096);
        let serving = tokio::spawn(async move {
            let answer = |kind: u8, parts: Vec<&'static [u8]>, count: bool| {
                let mut body = vec![kind];
                if count {
                    body.extend(1u32.to_be_bytes());
                }
                parts.iter().for_each(|part| put_string(&mut body, part));
                let mut message = Vec::new();
                put_string(&mut message, &body);
                message
            };
            let mut asked = vec![0; 5];
            agent.read_exact(&mut asked).await.unwrap();
            assert_eq!(asked, [0, 0, 0, 1, REQUEST_IDENTITIES]);
            agent
                .write_all(&answer(
                    IDENTITIES_RESPONSE,
                    vec![b"blob", b"comment"],
                    true,
                ))
                .await
                .unwrap();
            let length = agent.read_u32().await.unwrap() as usize;
            let mut asked = vec![0; length];
            agent.read_exact(&mut asked).await.unwrap();
            assert_eq!(
                asked,
                b"\x0d\x00\x00\x00\x04blob\x00\x00\x00\x04data\x00\x00\x00\x02"
            );
            agent
                .write_all(&answer(
                    SIGN_RESPONSE,
                    vec![b"\x00\x00\x00\x0crsa-sha2-256\x00\x00\x00\x03sig"],
                    false,
                ))
                .await
                .unwrap();
        });
        let signature = sign_over(
            ours,
            &Fingerprint::parse(&Fingerprint::md5_of(b"blob")).unwrap(),
            b"data",
        )
        .await
        .unwrap();
        assert_eq!(
            (signature.algorithm, signature.bytes.as_slice()),
            ("rsa-sha256", &b"sig"[..])
        );
        serving.await.unwrap();
    }
}
