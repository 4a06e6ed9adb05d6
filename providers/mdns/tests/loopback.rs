//! Real packets: a responder on the loopback interface, and configuration errors. Says so and
//! passes where this machine has no multicast there.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use cloud_autojoin_core::{Call, Context, Discovery, Env, Error};
use cloud_autojoin_mdns::SPEC;
use cloud_autojoin_provider_kit::testing::readme;

async fn discover(join: &str) -> Result<Discovery, Error> {
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let provider = SPEC.build(&join.parse().unwrap(), &context)?;
    provider
        .discover(&Call::new(context.clock(), Duration::from_secs(30)))
        .await
}

async fn problems(join: &str) -> String {
    discover(join).await.unwrap_err().to_string()
}

#[tokio::test]
async fn problems_of_the_string_are_reported_together() {
    let text = problems("provider=mdns timeout=soon v4=no v6=perhaps").await;
    for key in ["`service`", "`timeout`", "`v4`", "`v6`"] {
        assert!(text.contains(key), "{key}: {text}");
    }
    assert!(
        problems("provider=mdns service=a v4=false v6=false")
            .await
            .contains("both false")
    );
    assert!(
        problems("provider=mdns service=a timeout=-1s")
            .await
            .contains("`timeout`")
    );
    assert!(
        problems("provider=mdns service=a..b")
            .await
            .contains("no DNS name")
    );
    assert!(
        problems("provider=mdns service=a interface=../x")
            .await
            .contains("`../x`")
    );
}

#[test]
fn the_readme_has_the_key_table() {
    readme::assert_current(&SPEC, include_str!("../README.md"));
}

#[cfg(target_os = "linux")]
mod responder {
    use std::net::{Ipv4Addr, SocketAddr};

    use hickory_proto::op::{Message, MessageType, OpCode};
    use hickory_proto::rr::rdata::{A, PTR, SRV};
    use hickory_proto::rr::{Name, RData, Record, RecordType};
    use hickory_proto::serialize::binary::BinDecodable;
    use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
    use tokio::net::UdpSocket;

    use super::*;

    const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

    fn name(text: &str) -> Name {
        Name::from_labels(text.split('.').map(str::as_bytes)).unwrap()
    }

    /// A socket as a responder's: port 5353, shared, in the group, on `lo` alone.
    fn open() -> std::io::Result<UdpSocket> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind_device(Some(b"lo"))?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5353)).into())?;
        socket.join_multicast_v4_n(&GROUP, &InterfaceIndexOrAddress::Index(1))?;
        UdpSocket::from_std(socket.into())
    }

    /// Answers to the sender alone: PTR records to the first question, SRV records when they are
    /// asked for, then addresses; something of another service with everything.
    async fn respond(socket: &UdpSocket, service: &str) {
        let mut buffer = [0; 9000];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let Ok(question) = Message::from_bytes(&buffer[..length]) else {
                continue;
            };
            let mut answer =
                Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
            let record = |owner: &Name, data: RData| Record::from_rdata(owner.clone(), 10, data);
            for query in &question.queries {
                let host = || {
                    name(
                        &query
                            .name
                            .to_ascii()
                            .replace("node", "host")
                            .replace(&format!(".{service}."), ".local"),
                    )
                };
                match query.query_type {
                    RecordType::PTR if query.name == name(service) => {
                        for number in 1..=3 {
                            answer.add_answer(record(
                                &query.name,
                                RData::PTR(PTR(name(&format!("node{number}.{service}")))),
                            ));
                        }
                    }
                    RecordType::SRV => {
                        _ = answer.add_answer(record(
                            &query.name,
                            RData::SRV(SRV::new(0, 0, 1234, host())),
                        ))
                    }
                    RecordType::A => {
                        let number = query.name.to_ascii().as_bytes()[4] - b'0';
                        answer.add_answer(record(&query.name, RData::A(A::new(127, 0, 0, number))));
                    }
                    _ => {}
                }
            }
            if !answer.answers.is_empty() {
                answer.add_additional(record(
                    &name("_x._tcp.local"),
                    RData::PTR(PTR(name("y._x._tcp.local"))),
                ));
                socket
                    .send_to(&answer.to_vec().unwrap(), from)
                    .await
                    .unwrap();
            }
        }
    }

    #[tokio::test]
    async fn every_instance_is_found_by_querying_what_its_response_lacks() {
        let service = format!("_test-{}._noop.local", std::process::id());
        let reachable = async {
            let socket = open().ok()?;
            socket.send_to(b"", (GROUP, 5353)).await.ok()?;
            let mut empty = [0; 1];
            tokio::time::timeout(Duration::from_secs(5), socket.recv_from(&mut empty))
                .await
                .ok()?
                .ok()?;
            Some(socket)
        };
        let Some(socket) = reachable.await else {
            println!("skipped: no multicast on the loopback interface of this machine");
            return;
        };
        let (service_label, domain) = service.rsplit_once('.').unwrap();
        let join = format!(
            "provider=mdns service={service_label} domain={domain}. timeout=300ms interface=lo"
        );
        let ask = async {
            // A slow machine may need more than one call.
            loop {
                let found = discover(&join).await.unwrap();
                if found.matched() == 3 {
                    return found
                        .addresses()
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>();
                }
            }
        };
        tokio::select! {
            found = ask => assert_eq!(found, ["127.0.0.1:1234", "127.0.0.2:1234", "127.0.0.3:1234"]),
            () = respond(&socket, &service) => unreachable!("the responder goes on"),
        }
    }
}
