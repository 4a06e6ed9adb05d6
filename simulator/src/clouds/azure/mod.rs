//! Azure: Resource Manager, Microsoft Entra ID and instance metadata, from a world in memory.

pub mod arm;
pub(crate) mod dispatch;
pub(crate) mod entra;
pub(crate) mod hosts;
pub(crate) mod metadata;
pub(crate) mod token;
pub mod world;
