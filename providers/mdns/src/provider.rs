//! From options to questions, and to what is heard until the time is over.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Error, Provider, Result, TransportError,
    TransportFailure,
};
use cloud_autojoin_provider_kit::Options;
use cloud_autojoin_provider_kit::go_discover::{When, differences};
use hickory_proto::rr::{Name, RecordType};

use crate::answers::{Answers, packets};
use crate::keys::{DOMAIN, INTERFACE, NAME, SERVICE, TIMEOUT, V4, V6};
use crate::select::{Families, shown};
use crate::sockets::{Failure, Sockets};

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
    timeout: Duration,
    families: Families,
    interfaces: Vec<String>,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, _: &Context) -> Result<Box<dyn Provider>> {
    let (service, domain) = (options.text(&SERVICE), options.text(&DOMAIN));
    let service = service.zip(domain).and_then(|(service, domain)| {
        let (service, domain) = (service.trim_matches('.'), domain.trim_matches('.'));
        let labels = service.split('.').chain(domain.split('.'));
        let name = Name::from_labels(labels.map(str::as_bytes));
        let message = "`service` and `domain` make no DNS name";
        options.accept(name.map_err(|_| ConfigProblem::of_key(SERVICE.name, message)))
    });
    let families = Families {
        v4: options.boolean(&V4),
        v6: options.boolean(&V6),
    };
    if !families.v4 && !families.v6 {
        let message = "`v4` and `v6` are both false: leave one of them out";
        options.add_problem(ConfigProblem::of_key(V4.name, message));
    }
    let interfaces = options.list(&INTERFACE);
    if !interfaces.is_empty() && !cfg!(target_os = "linux") {
        let message = "`interface` works on Linux only: leave it out";
        options.add_problem(ConfigProblem::of_key(INTERFACE.name, message));
    }
    let timeout = options.duration(&TIMEOUT);
    let timeout = timeout.map(|given| if given.is_zero() { ZERO_TIMEOUT } else { given });
    options.finish(|| {
        Some(Box::new(Mdns {
            service: service?,
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
        format!("mDNS instances of `{}`", shown(&self.service))
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let sockets = Sockets::open(&self.interfaces).await;
        let sockets = sockets.map_err(|failed| self.unsent(failed))?;
        let answers = self.listen(&sockets, call).await?;
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        for (name, instance, addresses) in answers.instances() {
            discovery.record(self.families.node(name, instance, addresses));
        }
        let service = shown(&self.service);
        let nothing = format!("nothing on this network announces `{service}`");
        let hint = "check `service` and `domain`, that UDP port 5353 is open, and that `interface` is on the network of the members";
        discovery.explain_nothing(&nothing, hint);
        Ok(discovery)
    }
}

impl Mdns {
    /// Asks, again after growing pauses, and hears answers until the time is over.
    async fn listen(&self, sockets: &Sockets, call: &Call) -> Result<Answers> {
        let call = call.within(self.timeout);
        let clock = call.clock();
        let mut answers = Answers::new(&self.service);
        let mut buffer = vec![0; MAX_PACKET];
        let mut asked = BTreeSet::new();
        let (mut next, mut pause) = (clock.now(), FIRST_PAUSE);
        while !call.remaining().is_zero() {
            // What an answer left open is asked for at once, and then with every further question.
            let mut questions = answers.missing();
            if clock.now() >= next {
                questions.insert(0, (self.service.clone(), RecordType::PTR));
                (next, pause) = (clock.now() + pause, pause * 2);
            } else {
                questions.retain(|question| !asked.contains(question));
            }
            let is_first = asked.is_empty();
            self.ask(sockets, &questions, is_first, &call).await?;
            asked.extend(questions);
            let until_next = next.saturating_duration_since(clock.now());
            tokio::select! {
                length = sockets.receive(&mut buffer) => answers.read(&buffer[..length]),
                () = clock.sleep(call.remaining().min(until_next)) => {}
            }
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
        let operation = format!("query {} names", questions.len());
        for packet in packets(questions, unicast) {
            let (mut failed, mut is_sent, started) = (None, false, call.elapsed());
            for (group, result) in sockets.send(&packet).await {
                call.record_result(&operation, &group.to_string(), started, &result);
                match result {
                    Ok(_) => is_sent = true,
                    Err(error) => failed = Some((group.to_string(), error)),
                }
            }
            if let Some(failed) = failed.filter(|_| !is_sent) {
                return Err(self.unsent(failed));
            }
        }
        Ok(())
    }

    /// The error for questions that didn't leave this machine.
    fn unsent(&self, (target, cause): Failure) -> Error {
        let operation = format!("look for `{}`", shown(&self.service));
        let hint = "check that the interface is up and has a route for multicast; `interface` names another one";
        TransportError::new(operation, target, TransportFailure::Connect)
            .of_provider(NAME)
            .with_hint(hint)
            .with_cause(cause)
            .into()
    }
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let table = [
        (
            When::Always,
            "finds some instances only, and announced ones of other services",
        ),
        (
            When::Given(&INTERFACE),
            "sends queries on the system's default interface",
        ),
    ];
    differences(config, &table)
}
