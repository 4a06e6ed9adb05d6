//! TLS to agents, against a real server on loopback.

use std::fs;
use std::net::SocketAddr;

use cloud_autojoin::Clock;
use rcgen::{CertifiedKey, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;

fn certified(name: &str) -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed([name.to_owned()]).unwrap()
}

fn acceptor(certified: &CertifiedKey<KeyPair>) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = config
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// An agent that takes every request, one for each connection, with the acceptor of that moment.
/// Gives its address and the server names that were requested.
async fn serve(
    acceptor: &Arc<Mutex<TlsAcceptor>>,
) -> (SocketAddr, Arc<Mutex<Vec<Option<String>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (names, acceptor) = (Arc::new(Mutex::new(Vec::new())), Arc::clone(acceptor));
    let requested = Arc::clone(&names);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.lock().unwrap().clone();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            names
                .lock()
                .unwrap()
                .push(stream.get_ref().1.server_name().map(str::to_owned));
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
        }
    });
    (address, requested)
}

fn client(address: SocketAddr, ca_file: PathBuf) -> AgentClient {
    let files = ClientFiles {
        authorities: Some(ca_file),
        ..ClientFiles::default()
    };
    AgentClient::new(
        format!("https://{address}").parse().unwrap(),
        HeaderName::from_static("x-consul-token"),
        files,
    )
}

async fn list_members(client: &AgentClient) -> Result<(), Failure> {
    let call = Call::new(&Clock::system(), Duration::from_secs(60));
    client
        .send(
            "list the members",
            Method::GET,
            "/v1/agent/members",
            &[],
            &call,
        )
        .await
        .map(|_| ())
}

#[tokio::test]
async fn an_agent_is_known_by_its_server_name() {
    let server = certified("server.dc1.consul");
    let (address, requested) = serve(&Arc::new(Mutex::new(acceptor(&server)))).await;
    let directory = TempDir::new().unwrap();
    let ca_file = directory.path().join("ca.pem");
    fs::write(&ca_file, server.cert.pem()).unwrap();
    let client = client(address, ca_file);
    let failure = list_members(&client).await.unwrap_err();
    assert!(
        failure.hint().unwrap().contains("`server_name`"),
        "{failure}"
    );
    list_members(
        &client
            .clone()
            .with_server_name(Some("server.dc1.consul".to_owned())),
    )
    .await
    .unwrap();
    assert_eq!(
        *requested.lock().unwrap(),
        [Some("server.dc1.consul".to_owned())]
    );
}

#[tokio::test]
async fn a_ca_file_that_is_rotated_counts_at_the_next_use() {
    let (old, new) = (
        certified("server.dc1.consul"),
        certified("server.dc1.consul"),
    );
    let current = Arc::new(Mutex::new(acceptor(&old)));
    let (address, _) = serve(&current).await;
    let directory = TempDir::new().unwrap();
    let ca_file = directory.path().join("ca.pem");
    fs::write(&ca_file, old.cert.pem()).unwrap();
    let client =
        client(address, ca_file.clone()).with_server_name(Some("server.dc1.consul".to_owned()));
    list_members(&client).await.unwrap();
    *current.lock().unwrap() = acceptor(&new);
    list_members(&client).await.unwrap_err();
    fs::write(&ca_file, new.cert.pem()).unwrap();
    list_members(&client).await.unwrap();
}

#[tokio::test]
async fn reloaded_certificates_reach_every_clone_of_a_client() {
    let client = AgentClient::new(
        "http://127.0.0.1:1".parse().unwrap(),
        HeaderName::from_static("x-consul-token"),
        ClientFiles::default(),
    );
    let clone = client.clone();
    clone.http_client().await.unwrap();
    assert!(client.http.lock().unwrap().is_some());
    client.reload_trust();
    assert!(clone.http.lock().unwrap().is_none());
}
