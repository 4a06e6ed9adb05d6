//! What the packets of a network said about one service: its instances, their hosts, and what is
//! still missing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hickory_proto::op::{Header, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

/// More names than this aren't kept: anything on the network can send packets.
const MAX_NAMES: usize = 10_000;

/// The most questions of one packet, so that it fits an Ethernet frame.
const MAX_QUESTIONS: usize = 15;

/// One instance of the service.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    /// The host and the port of its SRV record.
    pub(crate) target: Option<(Name, u16)>,
    /// The strings of its TXT record.
    pub(crate) txt: Vec<String>,
}

/// Everything that was heard. Names are kept in lower case: they are compared without case.
#[derive(Debug)]
pub(crate) struct Answers {
    service: Name,
    instances: BTreeMap<Name, Instance>,
    /// SRV and TXT records may come before the PTR record that names their instance.
    details: BTreeMap<Name, Instance>,
    hosts: BTreeMap<Name, BTreeSet<IpAddr>>,
}

impl Answers {
    /// Nothing yet, about `service` (`_consul._tcp.local.`).
    pub(crate) fn new(service: &Name) -> Self {
        Self {
            service: service.to_lowercase(),
            instances: BTreeMap::new(),
            details: BTreeMap::new(),
            hosts: BTreeMap::new(),
        }
    }

    /// Takes in a packet. Records about anything else, and packets that aren't answers, change
    /// nothing; what is before a record that can't be read counts.
    pub(crate) fn read(&mut self, packet: &[u8]) {
        let mut decoder = BinDecoder::new(packet);
        let Ok(Header {
            metadata, counts, ..
        }) = Header::read(&mut decoder)
        else {
            return;
        };
        if metadata.message_type != MessageType::Response || metadata.op_code != OpCode::Query {
            return;
        }
        if (0..counts.queries).any(|_| Query::read(&mut decoder).is_err()) {
            return;
        }
        let count = u32::from(counts.answers)
            + u32::from(counts.authorities)
            + u32::from(counts.additionals);
        for _ in 0..count {
            match Record::read(&mut decoder) {
                Ok(record) if record.dns_class == DNSClass::IN => self.take(&record),
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }

    fn take(&mut self, record: &Record) {
        let name = record.name.to_lowercase();
        // A lifetime of zero says that the record is no longer true (RFC 6762, section 10.1).
        let is_gone = record.ttl == 0;
        if self.instances.len() + self.details.len() + self.hosts.len() >= MAX_NAMES && !is_gone {
            return;
        }
        match &record.data {
            RData::PTR(instance) if name == self.service => {
                let instance = instance.to_lowercase();
                if is_gone {
                    self.instances.remove(&instance);
                } else {
                    self.instances.entry(instance).or_default();
                }
            }
            RData::SRV(srv) if !is_gone && self.service.zone_of(&name) => {
                self.details.entry(name).or_default().target =
                    Some((srv.target.to_lowercase(), srv.port));
            }
            RData::TXT(txt) if !is_gone && self.service.zone_of(&name) => {
                let strings = txt.txt_data.iter().filter(|text| !text.is_empty());
                self.details.entry(name).or_default().txt = strings
                    .map(|text| String::from_utf8_lossy(text).into_owned())
                    .collect();
            }
            RData::A(ip) => self.host(name, ip.0.into(), is_gone),
            RData::AAAA(ip) => self.host(name, ip.0.into(), is_gone),
            _ => {}
        }
    }

    fn host(&mut self, name: Name, ip: IpAddr, is_gone: bool) {
        let addresses = self.hosts.entry(name).or_default();
        if is_gone {
            addresses.remove(&ip);
        } else {
            addresses.insert(ip);
        }
    }

    /// The instances with what is known of them and the addresses of their hosts.
    pub(crate) fn instances(&self) -> impl Iterator<Item = (&Name, Instance, Vec<IpAddr>)> {
        self.instances.keys().map(|name| {
            let instance = self.details.get(name).cloned().unwrap_or_default();
            let addresses = instance
                .target
                .as_ref()
                .and_then(|(host, _)| self.hosts.get(host));
            let addresses = addresses
                .map(|addresses| addresses.iter().copied().collect())
                .unwrap_or_default();
            (name, instance, addresses)
        })
    }

    /// What is still to be asked about instances that are known: their SRV record, their host's
    /// addresses.
    pub(crate) fn missing(&self) -> Vec<(Name, RecordType)> {
        let mut missing = BTreeSet::new();
        for (name, instance, addresses) in self.instances() {
            match instance.target {
                None => _ = missing.insert((name.clone(), RecordType::SRV)),
                Some((host, port)) if addresses.is_empty() && port != 0 && !host.is_root() => {
                    missing.extend([(host.clone(), RecordType::A), (host, RecordType::AAAA)]);
                }
                Some(_) => {}
            }
        }
        missing.into_iter().collect()
    }
}

/// The packets that ask `questions`; with `unicast` they ask for answers to this machine alone.
pub(crate) fn packets(questions: &[(Name, RecordType)], unicast: bool) -> Vec<Vec<u8>> {
    let packet = |questions: &[(Name, RecordType)]| {
        let mut message = Message::new(fastrand::u16(..), MessageType::Query, OpCode::Query);
        for (name, record) in questions {
            let mut query = Query::query(name.clone(), *record);
            query.set_mdns_unicast_response(unicast);
            message.add_query(query);
        }
        message.to_vec().ok()
    };
    questions.chunks(MAX_QUESTIONS).filter_map(packet).collect()
}

#[cfg(test)]
mod tests;
