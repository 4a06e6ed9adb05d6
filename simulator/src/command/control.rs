//! The control address, at which a running simulator accepts changes as lines of JSON.
//!
//! It is on loopback only, since anyone who reaches it may change the simulator.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::CommandError;

/// The variable in which `run` passes the control address to its command.
pub(crate) const VARIABLE: &str = "DISCOVER_SIM_CONTROL";

/// The maximum size of a change.
const MAX_LINE: u64 = 64 * 1024;

/// A change of a running simulator.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Change {
    /// Adds an instance to the scale set.
    Add { scale_set: String },
    /// Removes the instance.
    Remove { scale_set: String, instance: String },
    /// Removes the instance and adds another one.
    Replace { scale_set: String, instance: String },
    /// Adds a fault, as `--fault` writes it.
    Fault { fault: String },
    /// Ends all faults.
    ClearFaults {},
}

/// The reply of the simulator: the text to print, or why nothing was changed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ChangeReply {
    Done(String),
    Failed(String),
}

/// Reads a control address.
///
/// # Errors
///
/// It is no `ADDRESS:PORT`, or not on loopback.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "must be an IP address and a port, such as 127.0.0.1:7070".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("must be a loopback address: anyone who reaches it may change the simulator".to_owned())
    }
}

/// Opens the control address and applies each change with `apply` until the runtime ends.
pub(crate) async fn open(
    address: SocketAddr,
    apply: impl Fn(Change) -> Result<String, String> + Send + Sync + 'static,
) -> Result<SocketAddr, CommandError> {
    let problem = |error: io::Error| {
        CommandError::from(format!(
            "cannot listen on the control address {address}: {error}"
        ))
    };
    let listener = TcpListener::bind(address).await.map_err(problem)?;
    let bound = listener.local_addr().map_err(problem)?;
    let apply = Arc::new(apply);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let apply = Arc::clone(&apply);
            // The client may have closed the connection.
            tokio::spawn(async move { reply(stream, &*apply).await.ok() });
        }
    });
    Ok(bound)
}

async fn reply(
    mut stream: TcpStream,
    apply: impl Fn(Change) -> Result<String, String>,
) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new((&mut stream).take(MAX_LINE))
        .read_line(&mut line)
        .await?;
    let change = serde_json::from_str(&line).map_err(|error| format!("not a change: {error}"));
    let reply = match change.and_then(apply) {
        Ok(text) => ChangeReply::Done(text),
        Err(problem) => ChangeReply::Failed(problem),
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    stream.write_all(&text).await
}

/// Sends a change to the simulator at `address`; returns the reply.
pub(crate) async fn send(address: SocketAddr, change: &Change) -> Result<String, CommandError> {
    let problem = |error: io::Error| {
        CommandError::from(format!("cannot reach a simulator at {address}: {error}"))
            .with_hint("`discover-sim serve` prints its control address when it starts")
    };
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let mut line = serde_json::to_vec(change)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut text = String::new();
        BufReader::new(stream.take(MAX_LINE))
            .read_line(&mut text)
            .await?;
        serde_json::from_str(&text).map_err(io::Error::from)
    };
    match tokio::time::timeout(Duration::from_secs(10), exchange).await {
        Ok(Ok(ChangeReply::Done(text))) => Ok(text),
        Ok(Ok(ChangeReply::Failed(message))) => Err(message.into()),
        Ok(Err(error)) => Err(problem(error)),
        Err(_) => Err(problem(io::ErrorKind::TimedOut.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_accepted() {
        for accepted in ["127.0.0.1:0", "127.0.0.2:7070", "[::1]:7070"] {
            assert!(parse_address(accepted).is_ok(), "{accepted}");
        }
        for refused in [
            "0.0.0.0:7070",
            "[::]:7070",
            "192.0.2.7:7070",
            "localhost:7070",
            "127.0.0.1",
        ] {
            assert!(parse_address(refused).is_err(), "{refused}");
        }
    }

    #[tokio::test]
    async fn what_is_no_change_is_refused() {
        let address = open(parse_address("127.0.0.1:0").unwrap(), |_| {
            panic!("nothing to apply")
        })
        .await
        .unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("{\"failed\":\"not a change: "), "{text}");
    }
}
