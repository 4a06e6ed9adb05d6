//! Packets as responders send them, built with the same library that reads them, and a few bytes
//! changed where a library wouldn't write them.

#![allow(clippy::unwrap_used, reason = "tests")]

use hickory_proto::rr::rdata::{A, AAAA, PTR, SRV, TXT};
use hickory_proto::serialize::binary::{BinDecodable, BinEncodable};

use super::*;

fn name(text: &str) -> Name {
    Name::from_labels(text.trim_end_matches('.').split('.').map(str::as_bytes)).unwrap()
}

fn record(owner: &str, ttl: u32, data: RData) -> Record {
    let mut record = Record::from_rdata(name(owner), ttl, data);
    record.mdns_cache_flush = !matches!(record.data, RData::PTR(_));
    record
}

fn ptr(service: &str, instance: &str) -> Record {
    record(service, 4500, RData::PTR(PTR(name(instance))))
}

fn srv(instance: &str, port: u16, host: &str) -> Record {
    record(instance, 120, RData::SRV(SRV::new(0, 0, port, name(host))))
}

fn address(host: &str, ip: &str) -> Record {
    match ip.parse().unwrap() {
        IpAddr::V4(ip) => record(host, 120, RData::A(A(ip))),
        IpAddr::V6(ip) => record(host, 120, RData::AAAA(AAAA(ip))),
    }
}

fn packet(answers: Vec<Record>, additionals: Vec<Record>) -> Vec<u8> {
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.add_answers(answers);
    message.add_additionals(additionals);
    message.to_vec().unwrap()
}

const SERVICE: &str = "_consul._tcp.local";

fn answers(packets: &[Vec<u8>]) -> Answers {
    let mut answers = Answers::new(&name(SERVICE));
    packets.iter().for_each(|packet| answers.read(packet));
    answers
}

fn found(answers: &Answers) -> Vec<(String, u16, Vec<String>)> {
    let found = answers
        .instances()
        .filter_map(|(name, instance, addresses)| {
            let port = instance.target.as_ref()?.1;
            Some((
                name.to_ascii(),
                port,
                addresses.iter().map(ToString::to_string).collect(),
            ))
        });
    found.collect()
}

fn instance(number: u8) -> (String, u16, Vec<String>) {
    (
        format!("node{number}._consul._tcp.local."),
        8301,
        vec![format!("10.0.0.{number}"), format!("fd00::{number}")],
    )
}

fn records(number: u8) -> Vec<Record> {
    let (instance, host) = (
        format!("node{number}.{SERVICE}"),
        format!("host{number}.local"),
    );
    vec![
        ptr(SERVICE, &instance),
        srv(&instance, 8301, &host),
        record(
            &instance,
            4500,
            RData::TXT(TXT::new(vec!["dc=a".to_owned()])),
        ),
        address(&host, &format!("10.0.0.{number}")),
        address(&host, &format!("fd00::{number}")),
    ]
}

#[test]
fn every_instance_of_a_packet_counts() {
    let all = (1..=5).flat_map(records).collect();
    let answers = answers(&[packet(all, Vec::new())]);
    assert_eq!(found(&answers), (1..=5).map(instance).collect::<Vec<_>>());
    assert_eq!(answers.missing(), []);
    assert_eq!(answers.instances().next().unwrap().1.txt, ["dc=a"]);
}

#[test]
fn records_count_wherever_in_a_packet_and_in_whatever_order_they_come() {
    let mut backwards = records(1);
    backwards.reverse();
    let one_each: Vec<_> = backwards
        .iter()
        .map(|record| packet(vec![record.clone()], Vec::new()))
        .collect();
    assert_eq!(found(&answers(&one_each)), [instance(1)]);
    assert_eq!(
        found(&answers(&[packet(vec![backwards.remove(4)], backwards)])),
        [instance(1)]
    );
}

#[test]
fn another_service_is_not_an_instance() {
    let foreign = packet(
        vec![
            ptr("_http._tcp.local", "web._http._tcp.local"),
            srv("web._http._tcp.local", 80, "host1.local"),
        ],
        Vec::new(),
    );
    let unasked = packet(
        vec![
            ptr("_xconsul._tcp.local", "a._xconsul._tcp.local"),
            address("host1.local", "10.0.0.1"),
        ],
        Vec::new(),
    );
    let answers = answers(&[foreign, unasked]);
    assert_eq!((found(&answers), answers.missing()), (vec![], vec![]));
}

#[test]
fn a_missing_record_is_queried() {
    let instance = "node1._consul._tcp.local";
    let mut answers = answers(&[packet(vec![ptr(SERVICE, instance)], Vec::new())]);
    assert_eq!(answers.missing(), [(name(instance), RecordType::SRV)]);
    answers.read(&packet(
        vec![srv(instance, 8301, "host1.local")],
        Vec::new(),
    ));
    assert_eq!(
        answers.missing(),
        [
            (name("host1.local"), RecordType::A),
            (name("host1.local"), RecordType::AAAA)
        ]
    );
    answers.read(&packet(
        vec![address("host1.local", "10.0.0.1")],
        Vec::new(),
    ));
    assert_eq!(answers.missing(), []);
}

#[test]
fn names_are_compared_without_case_and_may_hold_anything() {
    let (instance, host) = ("Büro 1 (a)._Consul._TCP.local", "HOST1.local");
    let packet = packet(
        vec![
            ptr("_CONSUL._tcp.Local", instance),
            srv(instance, 1, host),
            address("host1.LOCAL", "10.0.0.1"),
        ],
        Vec::new(),
    );
    let found = found(&answers(&[packet]));
    assert_eq!(
        (found.len(), found[0].2.as_slice()),
        (1, ["10.0.0.1".to_owned()].as_slice())
    );
}

#[test]
fn an_instance_that_says_goodbye_is_gone() {
    let goodbye = record(
        SERVICE,
        0,
        RData::PTR(PTR(name("node1._consul._tcp.local"))),
    );
    let answers = answers(&[
        packet(records(1), records(2)),
        packet(vec![goodbye], Vec::new()),
    ]);
    assert_eq!(found(&answers), [instance(2)]);
}

/// Some responders send a TXT record without any byte, where the RFC wants one string.
#[test]
fn an_empty_txt_record_costs_nothing() {
    let txt = record(
        "node1._consul._tcp.local",
        4500,
        RData::TXT(TXT::new(vec![String::new()])),
    );
    let mut bytes = packet(vec![txt], records(1));
    let at = Header::read(&mut BinDecoder::new(&bytes))
        .map(|_| 12)
        .unwrap()
        + name("node1._consul._tcp.local").to_bytes().unwrap().len()
        + 8;
    assert_eq!(bytes[at..at + 3], [0, 1, 0], "length and empty string");
    bytes[at + 1] = 0;
    bytes.remove(at + 2);
    // Names of later records that point behind the byte are off by one: send them in a packet of
    // their own.
    bytes[11] = 0;
    bytes[10] = 0;
    bytes.truncate(at + 2);
    let mut answers = answers(&[packet(
        vec![ptr(SERVICE, "node1._consul._tcp.local")],
        Vec::new(),
    )]);
    answers.read(&bytes);
    answers.read(&packet(records(1).split_off(1), Vec::new()));
    assert_eq!(found(&answers), [instance(1)]);
}

#[test]
fn what_is_before_a_broken_record_counts_and_no_packet_panics() {
    let whole = packet(records(1), records(2));
    let broken = &whole[..whole.len() - 5];
    assert_eq!(found(&answers(&[broken.to_vec()]))[0], instance(1));
    for length in 0..whole.len() {
        answers(&[whole[..length].to_vec()]);
        let mut changed = whole.clone();
        changed[length] ^= 0xff;
        answers(&[changed]);
    }
}

#[test]
fn a_question_is_no_response() {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_answers(records(1));
    assert_eq!(found(&answers(&[message.to_vec().unwrap()])), []);
}

#[test]
fn a_flood_of_names_is_bounded() {
    let mut answers = Answers::new(&name(SERVICE));
    for number in 0..20_000 {
        answers.take(&address(&format!("h{number}.local"), "10.0.0.1"));
    }
    assert_eq!(answers.hosts.len(), MAX_NAMES);
}

#[test]
fn questions_are_spread_over_packets_and_may_request_unicast_responses() {
    let questions: Vec<_> = (0..40)
        .map(|number| (name(&format!("host{number}.local")), RecordType::A))
        .collect();
    let packets = packets(&questions, true);
    let read: Vec<Message> = packets
        .iter()
        .map(|packet| Message::from_bytes(packet).unwrap())
        .collect();
    assert_eq!(
        read.iter()
            .map(|message| message.queries.len())
            .sum::<usize>(),
        40
    );
    assert!(packets.len() == 3 && packets.iter().all(|packet| packet.len() < 1400));
    assert!(
        read.iter()
            .flat_map(|message| &message.queries)
            .all(|query| query.mdns_unicast_response)
    );
}
