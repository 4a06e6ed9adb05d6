//! Response bodies: complete, or truncated with the connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// The body of a response.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// Complete, in one frame.
    Whole(Option<Bytes>),
    /// The first part, then an error, on which hyper ends the connection (HTTP/1.1) or resets the
    /// stream (HTTP/2).
    Cut {
        /// What is still to be sent.
        first: Option<Bytes>,
        /// Polls left before the error: hyper flushes what it has while the body is pending.
        pending: u8,
    },
}

impl ReplyBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole((!bytes.is_empty()).then_some(bytes))
    }

    /// The first half of `bytes`.
    pub(crate) fn cut(mut bytes: Bytes) -> Self {
        bytes.truncate(bytes.len() / 2);
        Self::Cut {
            first: Some(bytes),
            pending: 4,
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Cut { first, pending } => {
                if let Some(bytes) = first.take().filter(|bytes| !bytes.is_empty()) {
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                if *pending > 0 {
                    *pending -= 1;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(io::Error::other("body cut by a fault"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Cut { .. } => SizeHint::default(),
        }
    }
}
