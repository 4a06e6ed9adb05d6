//! From options to questions, and to what is heard until the time is over.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::call::{RequestOutcome, RequestRecord};
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Error, Finding, Provider, Result,
    TransportError, TransportFailure, file,
};
use cloud_autojoin_provider_kit::Options;
use hickory_proto::rr::{Name, RecordType};

use crate::answers::{Answers, packets};
use crate::keys::{DOMAIN, INTERFACE, SERVICE, TIMEOUT, V4, V6};
use crate::select::Families;
use crate::sockets::{Interface, Sockets};

/// The name after `provider=`.
pub(crate) const NAME: &str = "mdns";

/// The first pause between two questions; each one after it is twice as long (RFC 6762, 5.2).
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What go-discover's library waits where the timeout is zero.
const ZERO_TIMEOUT: Duration = Duration::from_secs(1);

/// No packet is larger (RFC 6762, section 17).
const MAX_PACKET: usize = 9000;

/// The instances of one service on the local network.
#[derive(Debug)]
pub struct Mdns {
    service: Name,
    shown: String,
    timeout: Duration,
    families: Families,
    interfaces: Vec<String>,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, _: &Context) -> Result<Box<dyn Provider>> {
    let (service, domain) = (options.text(&SERVICE), options.text(&DOMAIN));
    let shown = service.zip(domain).map(|(service, domain)| {
        format!("{}.{}", service.trim_matches('.'), domain.trim_matches('.'))
    });
    let service = shown.as_deref().map(|shown| {
        let labels = Name::from_labels(shown.split('.').map(str::as_bytes));
        labels.map_err(|_| {
            ConfigProblem::of_key(
                SERVICE.name,
                format!("`{}` and `{}` make no DNS name", SERVICE.name, DOMAIN.name),
            )
        })
    });
    let service = service.and_then(|name| options.accept(name));
    let families = Families {
        v4: options.boolean(&V4),
        v6: options.boolean(&V6),
    };
    if !families.v4 && !families.v6 {
        let problem = ConfigProblem::of_key(
            V4.name,
            "`v4` and `v6` are both false, so nothing can be found",
        );
        options.add_problem(problem.with_hint("leave one of them out"));
    }
    let interfaces = options.list(&INTERFACE);
    if !interfaces.is_empty() && !cfg!(target_os = "linux") {
        options.add_problem(
            ConfigProblem::of_key(INTERFACE.name, "`interface` works on Linux only")
                .with_hint("leave it out"),
        );
    }
    if let Some(odd) = interfaces
        .iter()
        .find(|name| name.contains(['/', '.']) && (name.contains('/') || name.starts_with('.')))
    {
        options.add_problem(ConfigProblem::of_key(
            INTERFACE.name,
            format!("`{odd}` is not the name of a network interface"),
        ));
    }
    let timeout = options.duration(&TIMEOUT).map(|timeout| {
        if timeout.is_zero() {
            ZERO_TIMEOUT
        } else {
            timeout
        }
    });
    options.finish(|| {
        Some(Box::new(Mdns {
            service: service?,
            shown: shown?,
            timeout: timeout?,
            families,
            interfaces,
        }) as Box<dyn Provider>)
    })
}

#[async_trait]
impl Provider for Mdns {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        format!("mDNS instances of `{}`", self.shown)
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let sockets = self.open().await?;
        let answers = self.listen(&sockets, call).await?;
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        for (name, instance, addresses) in answers.instances() {
            discovery.record(self.families.node(name, instance, addresses));
        }
        if discovery.examined() == 0 {
            let finding = Finding::new(format!(
                "nothing on this network announces `{}`",
                self.shown
            ));
            let hint = "check `service` and `domain`, that UDP port 5353 is open, and that `interface` is on the network of the members";
            discovery.add_finding(finding.with_hint(hint));
        }
        Ok(discovery)
    }
}

impl Mdns {
    async fn open(&self) -> Result<Sockets> {
        let mut sockets = Sockets::default();
        let mut failed = Vec::new();
        if self.interfaces.is_empty() {
            sockets.open(None, &mut failed);
        }
        for name in &self.interfaces {
            let index = file::read_text(format!("/sys/class/net/{name}/ifindex"), 64).await;
            let index = index.ok().and_then(|text| text.trim().parse().ok());
            let index = index.ok_or_else(|| {
                self.unsent(format!("there is no network interface `{name}`"), None)
            })?;
            let before = failed.len();
            sockets.open(
                Some(&Interface {
                    name: name.clone(),
                    index,
                }),
                &mut failed,
            );
            // An interface that was asked for and can't be used makes the answer a partial one.
            if failed.len() - before == 2 {
                return Err(self.unsent(format!("no socket on `{name}`"), failed.pop()));
            }
        }
        for (group, error) in &failed {
            tracing::debug!(group, %error, "no socket");
        }
        if failed.len() >= 2 && self.interfaces.is_empty() {
            return Err(self.unsent("no socket".to_owned(), failed.pop()));
        }
        Ok(sockets)
    }

    /// Asks, again after growing pauses, and hears answers until the time is over.
    async fn listen(&self, sockets: &Sockets, call: &Call) -> Result<Answers> {
        let call = call.within(self.timeout);
        let (clock, mut pause) = (call.clock(), FIRST_PAUSE);
        let mut answers = Answers::new(&self.service);
        let mut buffer = vec![0; MAX_PACKET];
        let mut asked = BTreeSet::new();
        let mut next = clock.now();
        let mut is_first = true;
        while !call.remaining().is_zero() {
            if clock.now() >= next {
                let mut questions = vec![(self.service.clone(), RecordType::PTR)];
                questions.extend(answers.missing());
                self.ask(sockets, &questions, is_first, &call).await?;
                asked.extend(questions);
                (is_first, next, pause) = (false, clock.now() + pause, pause * 2);
            }
            let wait = call
                .remaining()
                .min(next.saturating_duration_since(clock.now()));
            let length = tokio::select! {
                length = sockets.receive(&mut buffer) => length,
                () = clock.sleep(wait) => continue,
            };
            answers.read(&buffer[..length]);
            // What an answer left open is asked for at once, and then with every further question.
            let open: Vec<_> = answers
                .missing()
                .into_iter()
                .filter(|question| asked.insert(question.clone()))
                .collect();
            self.ask(sockets, &open, false, &call).await?;
        }
        Ok(answers)
    }

    /// Sends the questions everywhere.
    async fn ask(
        &self,
        sockets: &Sockets,
        questions: &[(Name, RecordType)],
        unicast: bool,
        call: &Call,
    ) -> Result<()> {
        for packet in packets(questions, unicast) {
            let mut failed = None;
            let sent = sockets.send(&packet).await;
            let all_failed = sent.iter().all(|(_, result)| result.is_err());
            for (group, result) in sent {
                let outcome = result.as_ref().map_or_else(
                    |error| RequestOutcome::Failed(error.to_string()),
                    |_| RequestOutcome::Status(0),
                );
                let mut record = RequestRecord::new(
                    format!("ask for {} names of `{}`", questions.len(), self.shown),
                    group,
                    outcome,
                );
                record.started = call.elapsed();
                call.record(record);
                failed = result
                    .err()
                    .map(|error| (group.to_owned(), error))
                    .or(failed);
            }
            if all_failed {
                return Err(self.unsent("no question could be sent".to_owned(), failed));
            }
        }
        Ok(())
    }

    /// The error for questions that didn't leave this machine.
    fn unsent(&self, detail: String, cause: Option<(String, io::Error)>) -> Error {
        let operation = format!("look for `{}`", self.shown);
        let target = cause.as_ref().map_or_else(
            || "the local network".to_owned(),
            |(group, _)| group.clone(),
        );
        let hint = "check that the interface is up and has a route for multicast; `interface` names another one";
        let error = TransportError::new(operation, target, TransportFailure::Connect)
            .of_provider(NAME)
            .with_detail(detail)
            .with_hint(hint);
        match cause {
            Some((_, cause)) => error.with_cause(cause).into(),
            None => error.into(),
        }
    }
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let mut differences = vec![
        "finds some instances only, and those of other services that are announced at the time"
            .to_owned(),
    ];
    if config.get(INTERFACE.name).is_some() {
        differences.push("ignores `interface` and asks on the system's default".to_owned());
    }
    differences
}
