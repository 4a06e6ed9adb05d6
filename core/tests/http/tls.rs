//! TLS: which certificates are accepted, and how the others are reported.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloud_autojoin_core::http::{HttpClient, RetryPolicy};
use cloud_autojoin_core::{Context, Env, Secret, TransportFailure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, IsCa, KeyPair, SanType};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{self, DigitallySignedStruct, ServerConfig, SignatureScheme};

use crate::server::{Server, call, client, error_parts, read_request, request};

fn certificate(name: &str) -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed([name.to_owned()]).unwrap()
}

/// Takes connections with this certificate; `protocols` in the order of its preference.
fn acceptor(certified: &CertifiedKey<KeyPair>, protocols: &[&[u8]]) -> TlsAcceptor {
    let key =
        rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// A TLS server on a port of its own that responds to every request with `whole`; gives its port
/// and the PEM of its own certificate.
async fn start(name: &str) -> (u16, Vec<u8>) {
    let certified = certificate(name);
    let port = serve(Arc::new(Mutex::new(acceptor(&certified, &[b"http/1.1"])))).await;
    (port, certified.cert.pem().into_bytes())
}

/// Responds to every request with `whole`, each connection with the acceptor of that moment.
async fn serve(acceptor: Arc<Mutex<TlsAcceptor>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.lock().unwrap().clone();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            read_request(&mut stream).await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole")
                .await
                .unwrap();
        }
    });
    port
}

#[tokio::test]
async fn a_certificate_of_the_authorities_given_is_trusted() {
    let (port, pem) = start("localhost").await;
    let response = client(|settings| settings.certificate_authorities = vec![pem])
        .send(&request(&format!("https://localhost:{port}/")), &call())
        .await
        .unwrap();
    assert_eq!(&*response.body, b"whole");
}

/// Accepts every client certificate whose key signs the handshake, X.509 v1 included, as OpenSSL
/// and Go do.
#[derive(Debug)]
struct AnyClient(CryptoProvider);

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 is spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // webpki gives the public key of a v1 certificate to trust anchors only.
        let mut anchors = rustls::RootCertStore::empty();
        anchors.add(certificate.clone().into_owned())?;
        let content = &*anchors.roots[0].subject_public_key_info;
        let public_key = SubjectPublicKeyInfoDer::from(
            [&[0x30, u8::try_from(content.len()).unwrap()], content].concat(),
        );
        verify_tls13_signature_with_raw_key(
            message,
            &public_key,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A server that requires a client certificate and responds with the number of certificates shown
/// and the DER of the first; gives its URL and the PEM of its own certificate.
async fn start_with_client_auth() -> (String, Vec<u8>) {
    let server = certificate("localhost");
    let key =
        rustls::pki_types::PrivateKeyDer::try_from(server.signing_key.serialize_der()).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let config = ServerConfig::builder_with_provider(Arc::new(provider.clone()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(Arc::new(AnyClient(provider)))
        .with_single_cert(vec![server.cert.der().clone()], key)
        .unwrap();
    let (acceptor, listener) = (
        TlsAcceptor::from(Arc::new(config)),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            read_request(&mut stream).await;
            let shown = stream.get_ref().1.peer_certificates().unwrap();
            let mut response = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                1 + shown[0].len()
            )
            .into_bytes();
            response.push(u8::try_from(shown.len()).unwrap());
            response.extend_from_slice(&shown[0]);
            stream.write_all(&response).await.unwrap();
        }
    });
    (url, server.cert.pem().into_bytes())
}

#[tokio::test]
async fn a_server_that_requests_a_certificate_gets_the_clients_and_refuses_those_without() {
    let (url, authority) = start_with_client_auth().await;
    let visitor = certificate("visitor");
    let identity = Secret::new(format!(
        "{}{}",
        visitor.cert.pem(),
        visitor.signing_key.serialize_pem()
    ));
    let shows = client(|settings| {
        (settings.certificate_authorities, settings.client_identity) =
            (vec![authority.clone()], Some(identity))
    });
    assert_eq!(
        shows.send(&request(&url), &call()).await.unwrap().body[1..],
        **visitor.cert.der()
    );
    let hides = client(|settings| {
        (settings.certificate_authorities, settings.retry) = (vec![authority], RetryPolicy::none())
    });
    assert!(hides.send(&request(&url), &call()).await.is_err());
}

#[tokio::test]
async fn a_client_certificate_of_x509_v1_is_presented() {
    let (url, authority) = start_with_client_auth().await;
    let pem = include_str!("../data/client_v1.pem");
    let client = client(|settings| {
        (settings.certificate_authorities, settings.client_identity) =
            (vec![authority], Some(Secret::new(pem)))
    });
    let shown = client.send(&request(&url), &call()).await.unwrap().body;
    assert_eq!(
        (shown[0], &shown[1..]),
        (1, &*CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
    );
}

#[tokio::test]
async fn a_client_certificate_is_presented_whatever_the_order_of_its_file() {
    let (url, authority) = start_with_client_auth().await;
    let (visitor, other) = (certificate("visitor"), certificate("other"));
    let identity = Secret::new(
        [
            visitor.signing_key.serialize_pem(),
            other.cert.pem(),
            visitor.cert.pem(),
        ]
        .concat(),
    );
    let client = client(|settings| {
        (settings.certificate_authorities, settings.client_identity) =
            (vec![authority], Some(identity))
    });
    let shown = client.send(&request(&url), &call()).await.unwrap().body;
    assert_eq!((shown[0], &shown[1..]), (2, &**visitor.cert.der()));
}

#[tokio::test]
async fn an_unknown_authority_is_a_tls_error_at_once() {
    let ((port, _), (_, other)) = (start("localhost").await, start("localhost").await);
    let client = client(|settings| settings.certificate_authorities = vec![other]);
    let (failure, tries, text) = error_parts(
        client
            .send(
                &request(&format!("https://localhost:{port}/?sig=canary")),
                &call(),
            )
            .await
            .unwrap_err(),
    );
    assert_eq!((failure, tries), (TransportFailure::Tls, 1));
    assert!(
        text.starts_with(&format!(
            "cannot list things: no TLS connection to https://localhost:{port}: "
        )) && text.contains("certificate"),
        "{text}"
    );
}

#[tokio::test]
async fn a_certificate_of_another_name_is_reported_as_a_tls_error() {
    let (port, pem) = start("other.example").await;
    let client = client(|settings| settings.certificate_authorities = vec![pem]);
    let (failure, tries, text) = error_parts(
        client
            .send(&request(&format!("https://localhost:{port}/")), &call())
            .await
            .unwrap_err(),
    );
    assert_eq!((failure, tries), (TransportFailure::Tls, 1));
    assert!(text.contains("other.example"), "{text}");
}

/// A self-signed certificate that is marked as an authority, as `openssl req -x509` makes it.
fn self_signed_authority(change: impl FnOnce(&mut CertificateParams)) -> CertifiedKey<KeyPair> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    let signing_key = KeyPair::generate().unwrap();
    CertifiedKey {
        cert: params.self_signed(&signing_key).unwrap(),
        signing_key,
    }
}

#[tokio::test]
async fn a_server_certificate_that_is_given_itself_is_trusted_though_it_is_an_authority() {
    let server = self_signed_authority(|_| {});
    let pem = server.cert.pem().into_bytes();
    let port = serve(Arc::new(Mutex::new(acceptor(&server, &[b"http/1.1"])))).await;
    let client = client(|settings| {
        settings.certificate_authorities = vec![certificate("other").cert.pem().into_bytes(), pem]
    });
    let response = client
        .send(&request(&format!("https://localhost:{port}/")), &call())
        .await
        .unwrap();
    assert_eq!(&*response.body, b"whole");
}

#[tokio::test]
async fn a_server_certificate_that_is_given_itself_is_refused_by_another_name_after_its_time_and_if_it_only_looks_like_it()
 {
    let other_name = self_signed_authority(|params| {
        params.subject_alt_names = vec![SanType::DnsName("other.example".try_into().unwrap())]
    });
    let expired =
        self_signed_authority(|params| params.not_after = rcgen::date_time_ymd(2001, 1, 1));
    let twin = self_signed_authority(|_| {});
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let given_twin = params.self_signed(&twin.signing_key).unwrap();
    for (server, given, reason) in [
        (&other_name, &other_name.cert, "other.example"),
        (&expired, &expired.cert, "expired"),
        (&twin, &given_twin, "CaUsedAsEndEntity"),
    ] {
        let port = serve(Arc::new(Mutex::new(acceptor(server, &[b"http/1.1"])))).await;
        let client =
            client(|settings| settings.certificate_authorities = vec![given.pem().into_bytes()]);
        let (failure, tries, text) = error_parts(
            client
                .send(&request(&format!("https://localhost:{port}/")), &call())
                .await
                .unwrap_err(),
        );
        assert_eq!((failure, tries), (TransportFailure::Tls, 1));
        assert!(text.contains(reason), "{text}");
    }
}

#[tokio::test]
async fn a_bundle_that_is_rotated_costs_no_attempt_and_one_that_shrinks_counts_after_a_reload() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "tls::send_while_the_bundle_is_rotated",
        "--ignored",
    ]);
    command
        .env("SSL_CERT_FILE", directory.path().join("bundle.pem"))
        .env_remove("SSL_CERT_DIR");
    let output = tokio::time::timeout(Duration::from_secs(60), command.output())
        .await
        .unwrap()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
#[ignore = "runs in a process with a bundle of its own, started by the test above"]
async fn send_while_the_bundle_is_rotated() {
    let bundle = std::path::PathBuf::from(Env::Process.filled("SSL_CERT_FILE").unwrap());
    let write = |certified: &CertifiedKey<KeyPair>| {
        let new = bundle.with_extension("new");
        std::fs::write(&new, certified.cert.pem()).unwrap();
        std::fs::rename(&new, &bundle).unwrap();
    };
    let (old, new) = (certificate("localhost"), certificate("localhost"));
    let current = Arc::new(Mutex::new(acceptor(&old, &[b"http/1.1"])));
    let url = format!("https://localhost:{}/", serve(Arc::clone(&current)).await);
    write(&old);
    let (client, call) = (client(|_| {}), call());
    assert_eq!(
        client.send(&request(&url), &call).await.unwrap().attempts,
        1
    );

    *current.lock().unwrap() = acceptor(&new, &[b"http/1.1"]);
    assert_eq!(
        error_parts(client.send(&request(&url), &call).await.unwrap_err()).0,
        TransportFailure::Tls
    );
    write(&new);
    assert_eq!(
        client.send(&request(&url), &call).await.unwrap().attempts,
        1
    );

    write(&old);
    client.send(&request(&url), &call).await.unwrap();
    client.reload_trust();
    assert_eq!(
        error_parts(client.send(&request(&url), &call).await.unwrap_err()).0,
        TransportFailure::Tls
    );
}

#[tokio::test]
async fn a_plain_server_at_a_tls_address_is_a_tls_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        listener
            .accept()
            .await
            .unwrap()
            .0
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
    });
    let (_, pem) = start("localhost").await;
    let client = client(|settings| settings.certificate_authorities = vec![pem]);
    let (failure, tries, _) = error_parts(
        client
            .send(&request(&format!("https://localhost:{port}/")), &call())
            .await
            .unwrap_err(),
    );
    assert_eq!((failure, tries), (TransportFailure::Tls, 1));
}

#[tokio::test]
async fn a_hanging_connection_is_distinguished_from_a_silent_server() {
    // The TLS handshake is part of the connection; this server never takes part in it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    // Real time passes: long enough that a loaded machine keeps the two limits apart.
    let client = client(|settings| settings.idle_timeout = Duration::from_secs(6));
    let (failure, tries, _) = error_parts(
        client
            .send(&request(&url).retry(RetryPolicy::none()), &call())
            .await
            .unwrap_err(),
    );
    assert_eq!((failure, tries), (TransportFailure::Connect, 1));
}

#[tokio::test]
async fn a_server_name_is_sent_and_verified_in_place_of_the_host() {
    let certified = certificate("agent.example");
    let pem = certified.cert.pem().into_bytes();
    let (acceptor, listener) = (
        acceptor(&certified, &[b"http/1.1"]),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    let port = listener.local_addr().unwrap().port();
    let requested = Arc::new(Mutex::new(Vec::new()));
    let names = Arc::clone(&requested);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            names
                .lock()
                .unwrap()
                .push(stream.get_ref().1.server_name().map(str::to_owned));
            read_request(&mut stream).await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole")
                .await
                .unwrap();
        }
    });
    let client = |name: Option<&str>| {
        client(|settings| {
            (settings.certificate_authorities, settings.server_name) =
                (vec![pem.clone()], name.map(str::to_owned))
        })
    };
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("https://{host}:{port}/");
        let response = client(Some("agent.example"))
            .send(&request(&url), &call())
            .await
            .unwrap();
        assert_eq!(&*response.body, b"whole");
        for name in [None, Some("other.example")] {
            let (failure, _, text) = error_parts(
                client(name)
                    .send(&request(&url), &call())
                    .await
                    .unwrap_err(),
            );
            assert_eq!(failure, TransportFailure::Tls);
            // The place is the real one.
            assert!(
                text.starts_with(&format!(
                    "cannot list things: no TLS connection to https://{host}:{port}"
                )),
                "{text}"
            );
        }
    }
    assert_eq!(
        *requested.lock().unwrap(),
        vec![Some("agent.example".to_owned()); 2]
    );
}

#[tokio::test]
async fn a_client_of_its_own_has_its_own_authorities_and_may_skip_verification() {
    let (port, pem) = start("other.example").await;
    let (named, own) = start("localhost").await;
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let send = async |client: &HttpClient, port| {
        client
            .send(
                &request(&format!("https://localhost:{port}/")).retry(RetryPolicy::none()),
                &call(),
            )
            .await
    };
    let insecure = context
        .http_with(|settings| settings.insecure_skip_verify = true)
        .unwrap();
    assert_eq!(&*send(&insecure, port).await.unwrap().body, b"whole");
    let trusting = context
        .http_with(|settings| settings.certificate_authorities = vec![own])
        .unwrap();
    assert_eq!(&*send(&trusting, named).await.unwrap().body, b"whole");
    // Neither the other client nor the context's own is more trusting for it.
    for client in [&trusting, context.http()] {
        assert_eq!(
            error_parts(send(client, port).await.unwrap_err()).0,
            TransportFailure::Tls
        );
    }
    let refused = context
        .http_with(|settings| settings.certificate_authorities = vec![b"no PEM".to_vec(), pem]);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("a CA bundle has no certificate in it")
    );
}

#[tokio::test]
async fn http_2_is_spoken_where_it_is_offered() {
    let certified = certificate("localhost");
    let pem = certified.cert.pem().into_bytes();
    let (acceptor, listener) = (
        acceptor(&certified, &[b"h2", b"http/1.1"]),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let stream = acceptor
            .accept(listener.accept().await.unwrap().0)
            .await
            .unwrap();
        stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
    });
    let client = client(|settings| settings.certificate_authorities = vec![pem]);
    let request = request(&format!("https://localhost:{port}/")).retry(RetryPolicy::none());
    client.send(&request, &call()).await.unwrap_err();
    assert_eq!(server.await.unwrap().as_deref(), Some(b"h2".as_slice()));
}

#[tokio::test]
async fn missing_ca_certificates_are_reported() {
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "tls::send_without_ca_certificates", "--ignored"])
        .env("SSL_CERT_FILE", "/nonexistent")
        .env_remove("SSL_CERT_DIR")
        .kill_on_drop(true);
    let output = command.output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
#[ignore = "runs in a process without CA certificates, started by the test above"]
async fn send_without_ca_certificates() {
    let client = client(|_| {});
    let (failure, tries, text) = error_parts(
        client
            .send(&request("https://localhost:1/"), &call())
            .await
            .unwrap_err(),
    );
    assert_eq!((failure, tries), (TransportFailure::Tls, 1));
    assert!(
        text.contains("the CA certificates of this machine cannot be used"),
        "{text}"
    );
    // Plain http needs none.
    let server = Server::start([crate::server::response("200 OK", "", "whole")]).await;
    let response = client
        .send(&request(&server.url("/")), &call())
        .await
        .unwrap();
    assert_eq!(&*response.body, b"whole");
}
