//! The worlds that come with the simulator: `simulator/worlds/*.toml`, in the program itself.

const WORLDS: &[(&str, &str)] = &[
    (
        "nomad-consul",
        include_str!("../../../../worlds/nomad-consul.toml"),
    ),
    ("uniform", include_str!("../../../../worlds/uniform.toml")),
    ("tagged", include_str!("../../../../worlds/tagged.toml")),
    ("large", include_str!("../../../../worlds/large.toml")),
];

/// The names, in the order in which a newcomer should look at them.
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
