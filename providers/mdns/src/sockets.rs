//! The sockets: for each interface and family one that asks, and one that hears what is sent to
//! everyone.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

use cloud_autojoin_core::file;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

const PORT: u16 = 5353;
const GROUPS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(224, 0, 0, 251)),
    IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb)),
];

/// Where a question goes, in words, and why it can't.
pub(crate) type Failure = (String, io::Error);

/// A network interface: its name and its number.
type Interface<'a> = (&'a str, u32);

/// All sockets of one call: those that ask, with where they do, and those that listen.
#[derive(Debug, Default)]
pub(crate) struct Sockets(Vec<(UdpSocket, Option<SocketAddr>)>);

impl Sockets {
    /// Opens the sockets of these interfaces; without any, of the one the system chooses.
    ///
    /// # Errors
    ///
    /// An interface that isn't there or can't be used, which would make the answer a partial one.
    pub(crate) async fn open(names: &[String]) -> Result<Self, Failure> {
        let mut sockets = Self::default();
        for name in names {
            sockets.open_on(Some((name, index_of(name).await?)))?;
        }
        if names.is_empty() {
            sockets.open_on(None)?;
        }
        Ok(sockets)
    }

    /// Opens the sockets of one interface; a family that isn't there is left out.
    fn open_on(&mut self, interface: Option<Interface<'_>>) -> Result<(), Failure> {
        let mut opened = Err((String::new(), io::ErrorKind::Unsupported.into()));
        for group in GROUPS.map(|group| SocketAddr::new(group, PORT)) {
            match socket(group, interface, false) {
                Ok(socket) => {
                    self.0.push((socket, Some(group)));
                    opened = Ok(());
                }
                Err(error) if opened.is_err() => opened = Err((group.to_string(), error)),
                Err(error) => tracing::debug!(%group, %error, "no socket"),
            }
            // Responders answer the sender alone; this one hears announcements beside that, where
            // the port can be shared.
            match socket(group, interface, true) {
                Ok(socket) => self.0.push((socket, None)),
                Err(error) => tracing::debug!(%group, %error, "no listener on the multicast group"),
            }
        }
        opened
    }

    /// Sends a packet on every interface and family, and says how each went.
    pub(crate) async fn send(&self, packet: &[u8]) -> Vec<(SocketAddr, io::Result<usize>)> {
        let mut sent = Vec::new();
        for (socket, group) in &self.0 {
            if let Some(group) = *group {
                sent.push((group, socket.send_to(packet, group).await));
            }
        }
        sent
    }

    /// Waits for the next packet of any socket, and returns its length.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> usize {
        let poll = |context: &mut Context<'_>| {
            for (socket, _) in &self.0 {
                let mut read = ReadBuf::new(buffer);
                if let Poll::Ready(Ok(_)) = socket.poll_recv_from(context, &mut read) {
                    return Poll::Ready(read.filled().len());
                }
            }
            Poll::Pending
        };
        poll_fn(poll).await
    }
}

/// The number of a network interface.
async fn index_of(name: &str) -> Result<u32, Failure> {
    let text = file::read_text(format!("/sys/class/net/{name}/ifindex"), 64).await;
    let index = text.ok().and_then(|text| text.trim().parse().ok());
    let missing = || io::Error::new(io::ErrorKind::NotFound, "there is no such interface");
    index.ok_or_else(|| (format!("network interface `{name}`"), missing()))
}

/// A socket of a port of its own, to which responders answer alone, whatever else on this machine
/// has port 5353 (RFC 6762, section 6.7); or a listener, which shares that port and is in the
/// multicast group.
fn socket(
    group: SocketAddr,
    interface: Option<Interface<'_>>,
    listens: bool,
) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(group), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    #[cfg(target_os = "linux")]
    if let Some((name, _)) = interface {
        socket.bind_device(Some(name.as_bytes()))?;
    }
    // 0 is the interface that the system chooses.
    let index = interface.map_or(0, |(_, index)| index);
    let any: IpAddr = match group.ip() {
        IpAddr::V4(_) => {
            socket.set_multicast_ttl_v4(255)?;
            Ipv4Addr::UNSPECIFIED.into()
        }
        IpAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_multicast_hops_v6(255)?;
            socket.set_multicast_if_v6(index)?;
            Ipv6Addr::UNSPECIFIED.into()
        }
    };
    if !listens {
        socket.bind(&SocketAddr::new(any, 0).into())?;
        return UdpSocket::from_std(socket.into());
    }
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    // Bound to the group: unicast packets to the port are for the process that owns it.
    let local = if cfg!(unix) { group.ip() } else { any };
    socket.bind(&SocketAddr::new(local, PORT).into())?;
    match group.ip() {
        IpAddr::V4(group) => {
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))?
        }
        IpAddr::V6(group) => socket.join_multicast_v6(&group, index)?,
    }
    UdpSocket::from_std(socket.into())
}
