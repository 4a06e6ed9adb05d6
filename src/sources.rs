//! Discovery with several join strings: the union of their addresses, all or nothing unless the
//! caller accepts partial results.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::{
    Address, Call, Discovery, Error, NothingMatched, Provider, Result, TransportError,
    TransportFailure,
};
use futures::future::join_all;

/// How long after the deadline a provider may take to return, before it is cancelled.
const GRACE: Duration = Duration::from_millis(250);

/// The name of several providers as one.
pub(crate) const SEVERAL: &str = "several";

/// Which sources must succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Require {
    /// All: if one fails or has no address, the whole fails.
    #[default]
    All,
    /// At least one. The others are reported with the addresses.
    Any,
}

/// The result of one join string.
#[derive(Debug)]
#[non_exhaustive]
pub struct Source {
    /// Its name in messages: the provider, as ``provider `srv` ``.
    pub label: String,
    /// What it searches for, in words; `None` if no provider could be built.
    pub subject: Option<String>,
    /// Where it looked, as far as that is known after the call: [`Provider::scope`].
    pub scope: Vec<(&'static str, String)>,
    /// The call, whose record of requests is available also on failure.
    pub call: Call,
    /// The result of the call.
    pub result: Result<Discovery>,
}

impl Source {
    /// A source that failed before its call, because of `error`.
    pub fn failed(label: impl Into<String>, call: Call, error: Error) -> Self {
        Self {
            label: label.into(),
            subject: None,
            scope: Vec::new(),
            call,
            result: Err(error),
        }
    }
}

/// Runs one discovery within the deadline of the call: one that doesn't end in time is cancelled.
///
/// # Errors
///
/// As [`Provider::discover`].
pub async fn discover_within(provider: &dyn Provider, call: &Call) -> Result<Discovery> {
    let queried = tokio::time::timeout(call.remaining() + GRACE, provider.discover(call));
    queried.await.unwrap_or_else(|_| {
        let target = format!("provider `{}`", provider.name());
        let error = TransportError::new(
            format!("find {}", provider.subject()),
            target,
            TransportFailure::Deadline,
        );
        Err(error.after(1, call.elapsed()).into())
    })
}

/// Runs the discoveries of all providers concurrently, each with its own call with the deadline and
/// detail of `call`; a single one with `call` itself. A provider that couldn't be built is passed
/// as its label and its error; with [`Require::All`] nothing is sent then.
pub async fn discover_all(
    providers: Vec<Result<Box<dyn Provider>, (String, Error)>>,
    require: Require,
    call: &Call,
) -> Vec<Source> {
    let is_hopeless = require == Require::All && providers.iter().any(Result::is_err);
    let is_single = providers.len() == 1;
    let query = async |provider: Result<Box<dyn Provider>, (String, Error)>| {
        let call = if is_single {
            call.clone()
        } else {
            Call::new(call.clock(), call.remaining()).with_detail(call.detail())
        };
        match provider {
            Err((label, error)) => Some(Source::failed(label, call, error)),
            Ok(_) if is_hopeless => None,
            Ok(provider) => {
                let result = discover_within(provider.as_ref(), &call).await;
                Some(Source {
                    label: format!("provider `{}`", provider.name()),
                    subject: Some(provider.subject()),
                    scope: provider.scope(),
                    call,
                    result,
                })
            }
        }
    };
    join_all(providers.into_iter().map(query))
        .await
        .into_iter()
        .flatten()
        .collect()
}

/// The scopes of several sources as one; values of the same name are joined.
pub fn merge_scopes(
    scopes: impl IntoIterator<Item = Vec<(&'static str, String)>>,
) -> Vec<(&'static str, String)> {
    let mut merged: Vec<(&'static str, String)> = Vec::new();
    for (name, value) in scopes.into_iter().flatten() {
        match merged.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => {
                values.push_str(", ");
                values.push_str(&value);
            }
            None => merged.push((name, value)),
        }
    }
    merged
}

/// Several providers as one, all or nothing, for a watch.
#[derive(Debug)]
pub struct AllOf {
    providers: Vec<Box<dyn Provider>>,
}

impl AllOf {
    /// The providers as one; a single one is returned as it is.
    pub fn combine(mut providers: Vec<Box<dyn Provider>>) -> Box<dyn Provider> {
        match providers.pop() {
            Some(only) if providers.is_empty() => only,
            last => {
                providers.extend(last);
                Box::new(Self { providers })
            }
        }
    }
}

#[async_trait]
impl Provider for AllOf {
    fn name(&self) -> &'static str {
        SEVERAL
    }

    fn subject(&self) -> String {
        self.providers
            .iter()
            .map(|provider| provider.subject())
            .collect::<Vec<_>>()
            .join(" and ")
    }

    /// The scopes of all providers; values of the same name are joined.
    fn scope(&self) -> Vec<(&'static str, String)> {
        merge_scopes(self.providers.iter().map(|provider| provider.scope()))
    }

    /// A provider without addresses fails the whole, like one with an error.
    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let results = join_all(
            self.providers
                .iter()
                .map(|provider| provider.discover(call)),
        )
        .await;
        let mut all = Discovery::new(self.name(), self.subject(), call.detail());
        for result in results {
            let discovery = result?;
            if discovery.matched() == 0 {
                return Err(NothingMatched::new(discovery).into());
            }
            all.merge(discovery);
        }
        Ok(all)
    }
}

/// The union of several results.
#[derive(Debug)]
#[non_exhaustive]
pub struct Union {
    /// The addresses of all sources: sorted, without duplicates, at least one.
    pub addresses: Vec<Address>,
    /// The results with addresses, in the order of the sources.
    pub discoveries: Vec<Discovery>,
    /// The failed sources with their errors: empty with [`Require::All`].
    pub failed: Vec<(String, Error)>,
}

/// The union of the results.
///
/// # Errors
///
/// With [`Require::All`] a source failed or has no address; with [`Require::Any`] none has one.
pub fn union(sources: Vec<Source>, require: Require) -> Result<Union, SourcesError> {
    let queried = sources.len();
    let (mut discoveries, mut failed) = (Vec::new(), Vec::new());
    for Source { label, result, .. } in sources {
        match result {
            Ok(discovery) if discovery.matched() > 0 => discoveries.push(discovery),
            Ok(discovery) => failed.push((label, NothingMatched::new(discovery).into())),
            Err(error) => failed.push((label, error)),
        }
    }
    if discoveries.is_empty() || (require == Require::All && !failed.is_empty()) {
        return Err(SourcesError { failed, queried });
    }
    let addresses: BTreeSet<Address> = discoveries.iter().flat_map(Discovery::addresses).collect();
    Ok(Union {
        addresses: addresses.into_iter().collect(),
        discoveries,
        failed,
    })
}

/// The errors of several sources.
#[derive(Debug)]
pub struct SourcesError {
    failed: Vec<(String, Error)>,
    queried: usize,
}

impl SourcesError {
    /// The sources that failed or have no address, each with its error.
    pub fn failed(&self) -> &[(String, Error)] {
        &self.failed
    }

    /// Whether the discoveries of all of them succeeded and found no address.
    pub fn is_nothing_matched(&self) -> bool {
        self.failed
            .iter()
            .all(|(_, error)| matches!(error, Error::NothingMatched(_)))
    }

    /// The hints of all sources.
    pub fn hint(&self) -> Option<String> {
        let hints: Vec<String> = self
            .failed
            .iter()
            .filter_map(|(label, error)| Some(format!("{label}: {}", error.hint()?)))
            .collect();
        (!hints.is_empty()).then(|| hints.join("; "))
    }
}

impl fmt::Display for SourcesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others = self.queried - self.failed.len();
        for (index, (label, error)) in self.failed.iter().enumerate() {
            write!(
                f,
                "{}{label}: {}",
                if index > 0 { "; " } else { "" },
                error.chain()
            )?;
        }
        match others {
            0 => Ok(()),
            1 => f.write_str("; the other source has addresses, but a partial list isn't printed"),
            others => write!(
                f,
                "; the other {others} sources have addresses, but a partial list isn't printed"
            ),
        }
    }
}

impl std::error::Error for SourcesError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use cloud_autojoin_core::{Clock, ConfigError, ConfigProblem, Detail, Node};
    use tokio::sync::Barrier;

    use super::*;

    /// Waits for as many others as the barrier has, and gives its addresses, or fails without any.
    #[derive(Debug)]
    struct FakeProvider(
        Option<&'static [&'static str]>,
        Arc<Barrier>,
        Arc<AtomicUsize>,
    );

    #[async_trait]
    impl Provider for FakeProvider {
        fn name(&self) -> &'static str {
            "example"
        }

        fn subject(&self) -> String {
            "members".to_owned()
        }

        fn scope(&self) -> Vec<(&'static str, String)> {
            vec![(
                "region",
                self.0.map_or_else(
                    || "none".to_owned(),
                    |addresses| addresses.len().to_string(),
                ),
            )]
        }

        async fn discover(&self, call: &Call) -> Result<Discovery> {
            self.2.fetch_add(1, Ordering::Relaxed);
            self.1.wait().await;
            let addresses = self.0.ok_or_else(|| {
                TransportError::new("list", "the cloud", TransportFailure::Connect)
            })?;
            let mut discovery = Discovery::new("example", "members", call.detail());
            for text in addresses {
                let mut node = Node::new("node", *text, *text);
                node.addresses.push(Address::ip(text.parse().unwrap()));
                discovery.record(node);
            }
            Ok(discovery)
        }
    }

    /// Queries sources that all wait for each other; returns the result and how many were queried.
    async fn query(
        sources: &[Option<&'static [&'static str]>],
        broken: bool,
        require: Require,
    ) -> (Result<Union, SourcesError>, usize) {
        let (barrier, queried) = (
            Arc::new(Barrier::new(sources.len())),
            Arc::new(AtomicUsize::new(0)),
        );
        let provider = |addresses| {
            Ok(Box::new(FakeProvider(
                addresses,
                Arc::clone(&barrier),
                Arc::clone(&queried),
            )) as Box<dyn Provider>)
        };
        let mut providers: Vec<_> = sources.iter().copied().map(provider).collect();
        if broken {
            let error = ConfigError::new(Some("aws"), ConfigProblem::new("`region` is missing"));
            providers.push(Err(("provider `aws`".to_owned(), error.into())));
        }
        let call =
            Call::new(&Clock::system(), Duration::from_secs(30)).with_detail(Detail::Addresses);
        let results = discover_all(providers, require, &call).await;
        (union(results, require), queried.load(Ordering::Relaxed))
    }

    fn printed(union: &Union) -> Vec<String> {
        union.addresses.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn all_sources_are_queried_at_once_and_their_union_is_sorted_without_duplicates() {
        let (found, queried) = query(
            &[
                Some(&["10.0.0.10", "10.0.0.9"]),
                Some(&["10.0.0.9", "10.0.0.1"]),
            ],
            false,
            Require::All,
        )
        .await;
        assert_eq!(
            (printed(&found.unwrap()), queried),
            (
                vec!["10.0.0.1".to_owned(), "10.0.0.9".into(), "10.0.0.10".into()],
                2
            )
        );
    }

    #[tokio::test]
    async fn one_source_that_fails_or_has_nothing_fails_the_whole() {
        let error = query(&[Some(&["10.0.0.1"]), None], false, Require::All)
            .await
            .0
            .unwrap_err();
        let text = error.to_string();
        assert!(
            !error.is_nothing_matched() && text.starts_with("provider `example`: cannot list"),
            "{text}"
        );
        assert!(
            text.contains("the other source has addresses") && !text.contains("10.0.0.1"),
            "{text}"
        );
        assert!(error.hint().unwrap().starts_with("provider `example`: "));
        let error = query(&[Some(&["10.0.0.1"]), Some(&[])], false, Require::All)
            .await
            .0
            .unwrap_err();
        assert!(
            error.is_nothing_matched()
                && error.to_string().contains("no address found for members"),
            "{error}"
        );
        assert!(
            !query(&[None, Some(&[])], false, Require::All)
                .await
                .0
                .unwrap_err()
                .is_nothing_matched()
        );
    }

    #[tokio::test]
    async fn any_source_is_enough_if_requested_and_the_others_are_reported() {
        let found = query(&[None, Some(&["10.0.0.1"]), Some(&[])], true, Require::Any)
            .await
            .0
            .unwrap();
        assert_eq!(
            (printed(&found), found.failed.len()),
            (vec!["10.0.0.1".to_owned()], 3)
        );
        assert_eq!(
            query(&[None, Some(&[])], false, Require::Any)
                .await
                .0
                .unwrap_err()
                .failed()
                .len(),
            2
        );
    }

    #[tokio::test]
    async fn nothing_is_sent_where_one_of_all_can_not_be_built() {
        let (result, queried) = query(&[Some(&["10.0.0.1"])], true, Require::All).await;
        assert_eq!(
            (result.unwrap_err().to_string().as_str(), queried),
            ("provider `aws`: `region` is missing", 0)
        );
    }

    #[tokio::test]
    async fn several_providers_as_one_are_all_or_nothing() {
        let combined = |sources: &[Option<&'static [&'static str]>]| {
            let barrier = Arc::new(Barrier::new(sources.len()));
            let provider = |addresses: &Option<_>| {
                Box::new(FakeProvider(
                    *addresses,
                    Arc::clone(&barrier),
                    Arc::default(),
                )) as Box<dyn Provider>
            };
            AllOf::combine(sources.iter().map(provider).collect())
        };
        let call = Call::new(&Clock::system(), Duration::from_secs(30));
        let both = combined(&[Some(&["10.0.0.9"]), Some(&["10.0.0.1", "10.0.0.9"])]);
        assert_eq!(
            (both.subject().as_str(), both.scope()),
            ("members and members", vec![("region", "1, 2".to_owned())])
        );
        let found = both.discover(&call).await.unwrap();
        assert_eq!((found.addresses().len(), found.examined()), (2, 3));
        assert!(matches!(
            combined(&[Some(&["10.0.0.9"]), Some(&[])])
                .discover(&call)
                .await
                .unwrap_err(),
            Error::NothingMatched(_)
        ));
        assert!(matches!(
            combined(&[Some(&["10.0.0.9"]), None])
                .discover(&call)
                .await
                .unwrap_err(),
            Error::Transport(_)
        ));
        assert_eq!(combined(&[Some(&["10.0.0.9"])]).name(), "example");
    }

    #[tokio::test]
    async fn a_provider_that_does_not_end_is_stopped_at_the_deadline() {
        let never = FakeProvider(Some(&[]), Arc::new(Barrier::new(2)), Arc::default());
        tokio::time::pause();
        let error = discover_within(&never, &Call::new(&Clock::system(), Duration::from_secs(5)))
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("deadline passed before provider `example`"),
            "{error}"
        );
    }
}
