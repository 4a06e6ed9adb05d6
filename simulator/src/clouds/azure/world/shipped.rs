//! The worlds that ship with the simulator: `simulator/worlds/*.toml`, embedded in the binary.

const WORLDS: &[(&str, &str)] = &[
    (
        "nomad-consul",
        include_str!("../../../../worlds/nomad-consul.toml"),
    ),
    ("uniform", include_str!("../../../../worlds/uniform.toml")),
    ("tagged", include_str!("../../../../worlds/tagged.toml")),
    ("large", include_str!("../../../../worlds/large.toml")),
];

/// The names, in order of complexity.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    WORLDS.iter().map(|(name, _)| *name)
}

/// The file of that name.
pub(super) fn text(name: &str) -> Option<&'static str> {
    WORLDS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}
