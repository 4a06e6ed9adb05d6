//! A TCP connection that a request handler can reset instead of closing it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Resets the connection it belongs to.
#[derive(Debug, Default)]
pub(crate) struct ResetSwitch {
    on: AtomicBool,
    pulled: Notify,
}

impl ResetSwitch {
    /// Makes [`ResetSwitch::pulled`] return, so that the connection's driver drops it.
    pub(crate) fn pull(&self) {
        self.on.store(true, Ordering::SeqCst);
        self.pulled.notify_one();
    }

    /// Waits until the switch is pulled.
    pub(crate) async fn pulled(&self) {
        self.pulled.notified().await;
    }
}

/// A TCP stream that sends RST when it is dropped after its switch was pulled.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    reset: Arc<ResetSwitch>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, reset: Arc<ResetSwitch>) -> Self {
        // Responses are small and written as a whole; Nagle's algorithm would add 40 ms to some.
        let _ = stream.set_nodelay(true);
        Self { stream, reset }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.on.load(Ordering::SeqCst) {
            // SO_LINGER 0: closing discards what is unsent and sends RST, not FIN.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
