//! A request that runs beside others and can be dropped.

use std::task::{Context, Poll};

use cloud_autojoin_core::Result;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::members::PathEnd;

/// A query that is on its way, or its answer. Dropping it drops the request.
pub(super) struct Slot<'a, T> {
    running: Option<BoxFuture<'a, Result<T>>>,
    answer: Option<Result<T>>,
}

impl<'a, T> Slot<'a, T> {
    /// A query that is not asked.
    pub(super) fn empty() -> Self {
        Self {
            running: None,
            answer: None,
        }
    }

    /// A query that is asked from now on.
    pub(super) fn new(running: BoxFuture<'a, Result<T>>) -> Self {
        Self {
            running: Some(running),
            answer: None,
        }
    }

    /// Goes on with the query; true when the answer has just come.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> bool {
        let Some(running) = &mut self.running else {
            return false;
        };
        let Poll::Ready(answer) = running.poll_unpin(context) else {
            return false;
        };
        (self.running, self.answer) = (None, Some(answer));
        true
    }

    /// Whether the answer is still to come.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The answer, waited for where it has not come yet; `None` where nothing was asked.
    pub(super) async fn answer(mut self) -> Option<Result<T>> {
        match self.running.take() {
            Some(running) => Some(running.await),
            None => self.answer,
        }
    }

    /// The answer, if it has come and is such a one.
    pub(super) fn take_if(&mut self, is_such: impl FnOnce(&T) -> bool) -> Option<T> {
        if !self
            .answer
            .as_ref()
            .is_some_and(|answer| answer.as_ref().is_ok_and(is_such))
        {
            return None;
        }
        self.answer.take().and_then(Result::ok)
    }

    pub(super) fn end(self) -> Option<PathEnd> {
        self.answer.map(|answer| match answer {
            Ok(_) => PathEnd::Empty,
            Err(error) => PathEnd::Failed(error),
        })
    }
}
