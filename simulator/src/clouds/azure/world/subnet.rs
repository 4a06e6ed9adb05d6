//! Address ranges of a resource group.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses that are allocated in order and never twice.
///
/// The first four are reserved and, for IPv4, the last, as in an Azure subnet: the first address of
/// `10.0.1.0/24` is `10.0.1.4`. ([Reserved
/// addresses](https://learn.microsoft.com/azure/virtual-network/virtual-networks-faq))
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    network: IpAddr,
    prefix: u8,
    next: u128,
    claimed: HashSet<IpAddr>,
}

impl Subnet {
    /// The range in CIDR notation.
    pub fn cidr(&self) -> String {
        format!("{}/{}", self.network, self.prefix)
    }

    /// The network address of the range.
    pub fn network(&self) -> IpAddr {
        self.network
    }

    /// The number of leading bits that all addresses of the range share.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Reserves `address`.
    pub(crate) fn claim(&mut self, address: IpAddr) {
        self.claimed.insert(address);
    }

    /// The next free address; `None` when the range is exhausted.
    pub(crate) fn allocate(&mut self) -> Option<IpAddr> {
        loop {
            let (bits, kept) = match self.network {
                IpAddr::V4(_) => (32, 1),
                IpAddr::V6(_) => (128, 0),
            };
            let end = 1_u128
                .checked_shl(u32::from(bits - self.prefix))
                .unwrap_or(u128::MAX)
                .saturating_sub(kept);
            if self.next >= end {
                return None;
            }
            let host = self.next;
            self.next += 1;
            let address = match self.network {
                IpAddr::V4(network) => IpAddr::V4(Ipv4Addr::from_bits(
                    network.to_bits() | u32::try_from(host).ok()?,
                )),
                IpAddr::V6(network) => IpAddr::V6(Ipv6Addr::from_bits(network.to_bits() | host)),
            };
            if !self.claimed.contains(&address) {
                return Some(address);
            }
        }
    }
}

impl FromStr for Subnet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let problem = || {
            format!(
                "`{text}` is no range of addresses: write it like `10.0.1.0/24` or `fd00:1::/64`"
            )
        };
        let (network, prefix) = text.split_once('/').ok_or_else(problem)?;
        let network: IpAddr = network.parse().map_err(|_| problem())?;
        let prefix: u8 = prefix.parse().map_err(|_| problem())?;
        let host_bits_are_zero = match network {
            IpAddr::V4(network) if prefix <= 32 => {
                network
                    .to_bits()
                    .checked_shl(u32::from(prefix))
                    .unwrap_or(0)
                    == 0
            }
            IpAddr::V6(network) if prefix <= 128 => {
                network
                    .to_bits()
                    .checked_shl(u32::from(prefix))
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        };
        if host_bits_are_zero {
            Ok(Self {
                network,
                prefix,
                next: 4,
                claimed: HashSet::new(),
            })
        } else {
            Err(problem())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn addresses_start_at_the_fifth_and_end_before_the_last() {
        let mut subnet: Subnet = "10.0.1.0/29".parse().unwrap();
        let given: Vec<_> = std::iter::from_fn(|| subnet.allocate())
            .map(|address| address.to_string())
            .collect();
        assert_eq!(given, ["10.0.1.4", "10.0.1.5", "10.0.1.6"]);
    }

    #[test]
    fn a_claimed_address_is_passed_over() {
        let mut subnet: Subnet = "fd00:1::/64".parse().unwrap();
        subnet.claim("fd00:1::4".parse().unwrap());
        assert_eq!(subnet.allocate().unwrap().to_string(), "fd00:1::5");
    }

    #[test]
    fn a_range_with_host_bits_or_without_prefix_is_refused() {
        for text in ["10.0.1.1/24", "10.0.1.0", "10.0.1.0/33", "x/8"] {
            assert!(text.parse::<Subnet>().unwrap_err().contains(text));
        }
        assert!("10.0.1.1/32".parse::<Subnet>().is_ok());
        assert!("0.0.0.0/0".parse::<Subnet>().is_ok());
    }
}
