//! One Azure subscription that many watches ask at once: the simulator's answers, behind the limits
//! that Azure sets. No sockets, and time is tokio's.

use std::collections::VecDeque;
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin::http::{RawResponse, Request, Transport, TransportCause};
use cloud_autojoin::{Clock, Instant};
use cloud_autojoin_simulator::azure::arm;
use cloud_autojoin_simulator::azure::world::{Caller, World};
use cloud_autojoin_simulator::azure::{self, Operation};
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

/// How long ARM takes for a list; token requests to the machine's own metadata service take no
/// time.
const LATENCY: Duration = Duration::from_millis(300);

/// A bucket: so many requests at once, and so many more with each second.
#[derive(Debug)]
struct Bucket {
    level: f64,
    most: f64,
    per_second: f64,
    at: Instant,
}

impl Bucket {
    fn new(most: f64, per_second: f64) -> Self {
        Self {
            level: most,
            most,
            per_second,
            at: Instant::now(),
        }
    }

    fn per_minute(most: f64, per_minute: f64) -> Self {
        Self::new(most, per_minute / 60.0)
    }

    /// How long until there is room for one more; zero when there is.
    fn wait(&mut self, now: Instant) -> Duration {
        let passed = now.duration_since(self.at).as_secs_f64();
        self.at = now;
        self.level = (self.level + passed * self.per_second).min(self.most);
        Duration::from_secs_f64((1.0 - self.level).max(0.0) / self.per_second)
    }
}

/// The limits, and what came. Azure Resource Manager: reads of one principal in one subscription
/// 250 at once and 25 a second, of all principals fifteen times that. Compute: lists of virtual
/// machines 900 at once and 300 a minute, reads of one scale set 36 and 12, of all sets 2400 and
/// 800. Network: 10,000 reads in five minutes. (learn.microsoft.com:
/// azure-resource-manager/management/request-limits-and-throttling,
/// virtual-machines/compute-throttling-limits; networking limits of 2020.)
#[derive(Debug)]
struct Limits {
    principal: Bucket,
    subscription: Bucket,
    list_machines: Bucket,
    read_scale_set: Bucket,
    read_scale_sets: Bucket,
    network: Bucket,
}

impl Limits {
    fn new() -> Self {
        Self {
            principal: Bucket::new(250.0, 25.0),
            subscription: Bucket::new(3750.0, 375.0),
            list_machines: Bucket::per_minute(900.0, 300.0),
            read_scale_set: Bucket::per_minute(36.0, 12.0),
            read_scale_sets: Bucket::per_minute(2400.0, 800.0),
            network: Bucket::per_minute(10_000.0, 2_000.0),
        }
    }

    /// Takes one from each bucket that this request draws on, or from none and says how long to
    /// wait.
    fn take(&mut self, operation: Operation, now: Instant) -> Result<(), Duration> {
        let Self {
            principal,
            subscription,
            list_machines,
            read_scale_set,
            read_scale_sets,
            network,
        } = self;
        let mut drawn: Vec<&mut Bucket> = vec![principal, subscription];
        match operation {
            Operation::ListVirtualMachines | Operation::ListGroupVirtualMachines => {
                drawn.push(list_machines)
            }
            Operation::GetScaleSet => drawn.extend([read_scale_set, read_scale_sets]),
            Operation::ListGroupNetworkInterfaces
            | Operation::ListNetworkInterfaces
            | Operation::GetNetworkInterface
            | Operation::ListScaleSetNetworkInterfaces => {
                drawn.push(network);
            }
            other => panic!("no limit is modelled for {other:?}"),
        }
        let wait = drawn
            .iter_mut()
            .map(|bucket| bucket.wait(now))
            .max()
            .unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait);
        }
        drawn.into_iter().for_each(|bucket| bucket.level -= 1.0);
        Ok(())
    }
}

/// What came, and how much of it was refused.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    /// All requests to ARM.
    pub(crate) requests: u64,
    /// Those answered with 429.
    pub(crate) throttled: u64,
}

/// The requests of the last minute, and the most of any minute.
#[derive(Debug, Default)]
struct Minute {
    last: VecDeque<Instant>,
    busiest: usize,
}

impl Minute {
    fn count(&mut self, now: Instant) {
        self.last.push_back(now);
        let is_over = |at: &Instant| now.duration_since(*at) > Duration::from_secs(60);
        while self.last.front().is_some_and(is_over) {
            self.last.pop_front();
        }
        self.busiest = self.busiest.max(self.last.len());
    }
}

impl std::ops::Sub for Traffic {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            throttled: self.throttled - before.throttled,
        }
    }
}

/// The subscription as a transport: every watch has it as its network, and the same identity.
#[derive(Debug)]
pub(crate) struct Subscription {
    world: RwLock<World>,
    limits: Mutex<Limits>,
    traffic: Mutex<Traffic>,
    minute: Mutex<Minute>,
    clock: Clock,
    /// Whether a 429 says how long to wait: documented, and missing in every recorded answer.
    says_retry_after: bool,
}

impl Subscription {
    pub(crate) fn new(world: World, says_retry_after: bool) -> Self {
        Self {
            world: world.into(),
            limits: Limits::new().into(),
            traffic: Mutex::default(),
            minute: Mutex::default(),
            clock: Clock::system(),
            says_retry_after,
        }
    }

    pub(crate) fn traffic(&self) -> Traffic {
        *self.traffic.lock().unwrap()
    }

    /// The requests of the minute with the most.
    pub(crate) fn busiest_minute(&self) -> usize {
        self.minute.lock().unwrap().busiest
    }

    pub(crate) fn change(&self, act: impl FnOnce(&mut World)) {
        act(&mut self.world.write().unwrap());
    }

    fn answer(&self, request: &Request) -> RawResponse {
        let url = request.url();
        let asked = azure::Request {
            method: request.method().clone(),
            origin: url.origin().ascii_serialization(),
            path: url.path().to_owned(),
            query: url.query_pairs().into_owned().collect(),
            headers: HeaderMap::new(),
            body: bytes::Bytes::new(),
        };
        let now = self.clock.now();
        self.minute.lock().unwrap().count(now);
        let taken = self
            .limits
            .lock()
            .unwrap()
            .take(arm::operation(&asked), now);
        let mut traffic = self.traffic.lock().unwrap();
        traffic.requests += 1;
        if let Err(wait) = taken {
            traffic.throttled += 1;
            let refusal = RawResponse::new(
                StatusCode::TOO_MANY_REQUESTS,
                r#"{"error":{"code":"TooManyRequests","message":"Too many requests."}}"#,
            );
            let seconds = wait.as_secs() + 1;
            return if self.says_retry_after {
                refusal.with_header(RETRY_AFTER, HeaderValue::from(seconds))
            } else {
                refusal
            };
        }
        let world = self.world.read().unwrap();
        let reply = arm::respond(&world, &Caller::of(&world.principals()[0]), &asked);
        RawResponse::new(reply.status, reply.body)
    }
}

#[async_trait]
impl Transport for Subscription {
    async fn send(
        &self,
        request: &Request,
        _: cloud_autojoin_core::Instant,
    ) -> Result<RawResponse, TransportCause> {
        if request.url().path().starts_with("/metadata/identity") {
            let metadata = request
                .headers()
                .contains_key(HeaderName::from_static("metadata"));
            return Ok(match metadata {
                true => RawResponse::new(
                    StatusCode::OK,
                    r#"{"access_token":"pretend","expires_in":"86400","token_type":"Bearer"}"#,
                ),
                false => RawResponse::new(
                    StatusCode::BAD_REQUEST,
                    r#"{"error":"invalid_request","error_description":"Required metadata header not specified"}"#,
                ),
            });
        }
        self.clock.sleep(LATENCY).await;
        Ok(self.answer(request))
    }
}
