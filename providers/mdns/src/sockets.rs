//! The sockets: for each interface and family one that asks, and one that hears what is sent to
//! everyone.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::Poll;

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

const PORT: u16 = 5353;
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

/// A network interface: its name and its number.
#[derive(Debug, Clone)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) index: u32,
}

/// All sockets of one call.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    senders: Vec<(UdpSocket, SocketAddr, String)>,
    listeners: Vec<UdpSocket>,
}

impl Sockets {
    /// Opens the sockets of one interface, or of the one the system chooses. A family that isn't
    /// there is left out; its reason is in `failed`.
    pub(crate) fn open(
        &mut self,
        interface: Option<&Interface>,
        failed: &mut Vec<(String, io::Error)>,
    ) {
        for group in [IpAddr::V4(GROUP_V4), IpAddr::V6(GROUP_V6)] {
            let place =
                interface.map_or_else(String::new, |interface| format!(" on {}", interface.name));
            let label = format!("{}{place}", SocketAddr::new(group, PORT));
            match sender(group, interface) {
                Ok(socket) => self
                    .senders
                    .push((socket, SocketAddr::new(group, PORT), label)),
                Err(error) => failed.push((label, error)),
            }
            // Responders answer the sender alone; this one hears announcements beside that, where
            // the port can be shared.
            match listener(group, interface) {
                Ok(socket) => self.listeners.push(socket),
                Err(error) => tracing::debug!(%group, %error, "no listener on the multicast group"),
            }
        }
    }

    /// Sends a packet on every interface and family, and says how each went.
    pub(crate) async fn send(&self, packet: &[u8]) -> Vec<(&str, io::Result<usize>)> {
        let mut sent = Vec::with_capacity(self.senders.len());
        for (socket, group, label) in &self.senders {
            sent.push((label.as_str(), socket.send_to(packet, group).await));
        }
        sent
    }

    /// Waits for the next packet of any socket, and returns its length.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> usize {
        let all = || {
            self.senders
                .iter()
                .map(|(socket, ..)| socket)
                .chain(&self.listeners)
        };
        poll_fn(|context| {
            for socket in all() {
                let mut read = ReadBuf::new(buffer);
                if let Poll::Ready(Ok(_)) = socket.poll_recv_from(context, &mut read) {
                    return Poll::Ready(read.filled().len());
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// A socket of a port of its own. Responders then answer to it alone, whatever else on this machine
/// has port 5353 (RFC 6762, section 6.7).
fn sender(group: IpAddr, interface: Option<&Interface>) -> io::Result<UdpSocket> {
    let socket = open(group, interface)?;
    match group {
        IpAddr::V4(_) => {
            socket.set_multicast_ttl_v4(255)?;
            socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
        }
        IpAddr::V6(_) => {
            socket.set_multicast_hops_v6(255)?;
            if let Some(interface) = interface {
                socket.set_multicast_if_v6(interface.index)?;
            }
            socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into())?;
        }
    }
    UdpSocket::from_std(socket.into())
}

/// A socket that shares port 5353 and is in the multicast group.
fn listener(group: IpAddr, interface: Option<&Interface>) -> io::Result<UdpSocket> {
    let socket = open(group, interface)?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    match group {
        IpAddr::V4(group) => {
            // Bound to the group: unicast packets to the port are for who owns it.
            let local = if cfg!(unix) {
                group
            } else {
                Ipv4Addr::UNSPECIFIED
            };
            socket.bind(&SocketAddr::from((local, PORT)).into())?;
            match interface {
                Some(interface) => socket.join_multicast_v4_n(
                    &group,
                    &InterfaceIndexOrAddress::Index(interface.index),
                )?,
                None => socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED)?,
            }
        }
        IpAddr::V6(group) => {
            let local = if cfg!(unix) {
                group
            } else {
                Ipv6Addr::UNSPECIFIED
            };
            socket.bind(&SocketAddr::from((local, PORT)).into())?;
            socket.join_multicast_v6(&group, interface.map_or(0, |interface| interface.index))?;
        }
    }
    UdpSocket::from_std(socket.into())
}

fn open(group: IpAddr, interface: Option<&Interface>) -> io::Result<Socket> {
    let domain = if group.is_ipv4() {
        Domain::IPV4
    } else {
        Domain::IPV6
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(true)?;
    }
    #[cfg(target_os = "linux")]
    if let Some(interface) = interface {
        socket.bind_device(Some(interface.name.as_bytes()))?;
    }
    Ok(socket)
}
