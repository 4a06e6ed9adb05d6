//! One address a line, without a port unless one is configured: for scripts, and for go-netaddrs
//! (`exec=cat FILE`).

use cloud_autojoin::Address;

use super::address_format;
use crate::failure::Failure;

pub(super) fn render(addresses: &[Address], port: Option<u16>) -> String {
    addresses
        .iter()
        .map(|address| line(address, port) + "\n")
        .collect()
}

fn line(address: &Address, port: Option<u16>) -> String {
    match address.port.or(port) {
        Some(port) => address_format::with_port(&address.host, port),
        None => address.host.to_string(),
    }
}

pub(super) fn verify(addresses: &[Address], port: Option<u16>, text: &str) -> Result<(), Failure> {
    if text
        .lines()
        .eq(addresses.iter().map(|address| line(address, port)))
    {
        Ok(())
    } else {
        Err(Failure::new("what was written does not hold the addresses"))
    }
}
