//! Azure's methods of the simulator and its builder.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use super::metadata::{APP_SERVICE_PATH, ARC_PATH};
use super::world::World;
use super::{Azure, Endpoint, SeenRequest, Simulator, SimulatorBuilder};
use crate::engine::builder::StartError;

/// The resource that clients should request tokens for.
const AUDIENCE: &str = "https://management.azure.com/";

impl Simulator {
    /// Starts with all endpoints open on ports that the system chooses.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use cloud_autojoin_simulator::azure::{Simulator, world::World};
    /// let simulator = Simulator::start(World::shipped("nomad-consul")?).await?;
    /// println!("provider=azure {} ...", simulator.join_settings());
    /// assert!(simulator.requests().is_empty());
    /// simulator.finish();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`SimulatorBuilder::start`].
    pub async fn start(world: World) -> Result<Self, StartError> {
        Self::builder(world).start().await
    }

    /// A builder. Faults of the world file are active from the start.
    pub fn builder(world: World) -> SimulatorBuilder {
        let faults = world.faults().to_vec();
        faults.into_iter().fold(
            SimulatorBuilder::new(|clock| Azure::new(world, clock)),
            SimulatorBuilder::fault,
        )
    }

    /// `http://127.0.0.1:PORT` of ARM; port 0 when that endpoint is closed, here and below.
    pub fn arm_endpoint(&self) -> String {
        self.url(Endpoint::Arm)
    }

    /// `https://localhost:PORT` of Entra ID, with a certificate of [`Simulator::ca_pem`] for
    /// `localhost` and the loopback addresses.
    pub fn authority_host(&self) -> String {
        self.url(Endpoint::Authority)
    }

    /// `http://127.0.0.1:PORT` in place of `http://169.254.169.254`.
    pub fn metadata_endpoint(&self) -> String {
        self.url(Endpoint::Metadata)
    }

    /// What App Service sets as `IDENTITY_ENDPOINT`.
    pub fn app_service_endpoint(&self) -> String {
        format!("{}{APP_SERVICE_PATH}", self.metadata_endpoint())
    }

    /// What App Service sets as `IDENTITY_HEADER`.
    pub fn app_service_header(&self) -> &str {
        &self.service().identity_header
    }

    /// What the agent of Azure Arc sets as `IDENTITY_ENDPOINT`.
    pub fn arc_endpoint(&self) -> String {
        format!("{}{ARC_PATH}", self.metadata_endpoint())
    }

    /// Where the Azure Arc endpoint puts its key files.
    pub fn arc_keys(&self) -> &Path {
        self.service().arc_keys()
    }

    /// The keys that turn a join string for Azure into one for this simulator:
    /// `arm_endpoint=http://127.0.0.1:PORT authority_host=https://localhost:PORT
    /// metadata_endpoint=http://127.0.0.1:PORT audience=https://management.azure.com/`.
    ///
    /// A client needs the audience, since it should not send tokens for Azure to any other host. It
    /// must also trust the certificate authority.
    pub fn join_settings(&self) -> String {
        format!(
            "arm_endpoint={} authority_host={} metadata_endpoint={} audience={AUDIENCE}",
            self.arm_endpoint(),
            self.authority_host(),
            self.metadata_endpoint()
        )
    }

    /// Reads or changes the world between two requests; every later request sees the change.
    pub fn with_world<Output>(&self, act: impl FnOnce(&mut World) -> Output) -> Output {
        let mut world = self
            .service()
            .world
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        act(&mut world)
    }

    /// Sets the lifetime of tokens issued from now on, by tokio's clock. Default: 3,599 s for
    /// applications, 86,399 s for managed identities.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.service().tokens.set_lifetime(lifetime);
    }

    /// Expires all tokens issued so far: ARM rejects them with 401.
    pub fn expire_tokens(&self) {
        self.service().tokens.expire_all();
    }

    /// The requests to ARM, direct or through the proxy.
    pub fn arm_requests(&self) -> Vec<SeenRequest> {
        self.requests()
            .into_iter()
            .filter(|request| request.endpoint == Endpoint::Arm)
            .collect()
    }
}

impl SimulatorBuilder {
    /// Sets the directory of the key files of the Azure Arc endpoint, which must exist: clients
    /// accept keys from one directory only.
    pub fn arc_keys(mut self, directory: impl Into<PathBuf>) -> Self {
        self.service.arc_keys = Some(directory.into());
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    #[should_panic(expected = "panic: an endpoint broke")]
    async fn a_panic_of_an_endpoint_fails_the_test() {
        let simulator = Simulator::start(World::shipped("uniform").unwrap())
            .await
            .unwrap();
        simulator.state.spawn(async { panic!("an endpoint broke") });
        tokio::task::yield_now().await;
        simulator.finish();
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let world = || World::shipped("uniform").unwrap();
        let first = Simulator::start(world()).await.unwrap();
        let port = first.port(Endpoint::Metadata);
        let error = Simulator::builder(world())
            .port(Endpoint::Metadata, port)
            .start()
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot open the metadata endpoint on 127.0.0.1:{port}")
        );
        assert!(std::error::Error::source(&error).is_some());
    }
}
