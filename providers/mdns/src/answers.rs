//! What the packets of a network said about one service: its instances, their hosts, and what is
//! still missing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hickory_proto::op::{Header, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, DecodeError};

/// More names than this aren't kept: anything on the network can send packets.
const MAX_NAMES: usize = 10_000;

/// The most questions of one packet, so that it fits an Ethernet frame.
const MAX_QUESTIONS: usize = 15;

/// One instance of the service.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    /// Whether a PTR record names it: other records may come before that one.
    pub(crate) is_named: bool,
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
    hosts: BTreeMap<Name, BTreeSet<IpAddr>>,
}

impl Answers {
    /// Nothing yet, about `service` (`_consul._tcp.local.`).
    pub(crate) fn new(service: &Name) -> Self {
        Self {
            service: service.to_lowercase(),
            instances: BTreeMap::new(),
            hosts: BTreeMap::new(),
        }
    }

    /// Takes in a packet. Records about anything else, and packets that aren't answers, change
    /// nothing; what is before a record that can't be read counts.
    pub(crate) fn read(&mut self, packet: &[u8]) {
        _ = self.try_read(packet);
    }

    fn try_read(&mut self, packet: &[u8]) -> Result<(), DecodeError> {
        let mut decoder = BinDecoder::new(packet);
        let header = Header::read(&mut decoder)?;
        let is_answer = header.metadata.message_type == MessageType::Response;
        if !is_answer || header.metadata.op_code != OpCode::Query {
            return Ok(());
        }
        let counts = header.counts;
        for _ in 0..counts.queries {
            Query::read(&mut decoder)?;
        }
        let records = [counts.answers, counts.authorities, counts.additionals];
        for _ in 0..records.into_iter().map(u32::from).sum() {
            let record = Record::read(&mut decoder)?;
            if record.dns_class == DNSClass::IN {
                self.take(&record);
            }
        }
        Ok(())
    }

    fn take(&mut self, record: &Record) {
        let name = record.name.to_lowercase();
        // A lifetime of zero says that the record is no longer true (RFC 6762, section 10.1).
        let is_gone = record.ttl == 0;
        if self.instances.len() + self.hosts.len() >= MAX_NAMES && !is_gone {
            return;
        }
        match &record.data {
            RData::PTR(instance) if name == self.service => {
                let instance = self.instances.entry(instance.to_lowercase());
                instance.or_default().is_named = !is_gone;
            }
            RData::SRV(srv) if !is_gone && self.service.zone_of(&name) => {
                let instance = self.instances.entry(name).or_default();
                instance.target = Some((srv.target.to_lowercase(), srv.port));
            }
            RData::TXT(txt) if !is_gone && self.service.zone_of(&name) => {
                let strings = txt.txt_data.iter().filter(|text| !text.is_empty());
                let strings = strings.map(|text| String::from_utf8_lossy(text).into_owned());
                self.instances.entry(name).or_default().txt = strings.collect();
            }
            data => {
                if let Some(ip) = data.ip_addr() {
                    let addresses = self.hosts.entry(name).or_default();
                    addresses.remove(&ip);
                    addresses.extend((!is_gone).then_some(ip));
                }
            }
        }
    }

    /// The instances with what is known of them and the addresses of their hosts.
    pub(crate) fn instances(&self) -> impl Iterator<Item = (&Name, &Instance, Vec<IpAddr>)> {
        let named = self.instances.iter().filter(|(_, found)| found.is_named);
        named.map(|(name, instance)| {
            let host = instance.target.as_ref().map(|(host, _)| host);
            let addresses = host.and_then(|host| self.hosts.get(host));
            let addresses = addresses.into_iter().flatten().copied().collect();
            (name, instance, addresses)
        })
    }

    /// What is still to be asked about instances that are known: their SRV record, their host's
    /// addresses.
    pub(crate) fn missing(&self) -> Vec<(Name, RecordType)> {
        let mut missing = BTreeSet::new();
        for (name, instance, addresses) in self.instances() {
            match &instance.target {
                None => _ = missing.insert((name.clone(), RecordType::SRV)),
                Some((host, port)) if addresses.is_empty() && *port != 0 && !host.is_root() => {
                    missing.insert((host.clone(), RecordType::A));
                    missing.insert((host.clone(), RecordType::AAAA));
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
