//! ARM resource ids: paths that are compared without case.
//!
//! The same resource is spelled differently by different services (the virtual machine list writes
//! resource groups in upper case, the interface list does not: recorded 2018 to 2025), so an id is
//! never compared as text. `requests.rs` puts ids into requests.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem;

use serde::{Deserialize, Deserializer};
use url::{Url, form_urlencoded};

use super::lenient;

/// An ARM resource id:
/// `/subscriptions/S/resourceGroups/G/providers/NAMESPACE/TYPE/NAME[/TYPE/NAME...]`.
///
/// Any text is accepted, so that an id of an unknown form doesn't make a page unreadable;
/// missing parts are `None`. Equality and hash ignore case.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResourceId(String);

impl ResourceId {
    /// Takes the id as the cloud wrote it; an ending slash is dropped.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.truncate(text.trim_end_matches('/').len());
        Self(text)
    }

    /// The id of the scale set `name`. A slash, which no name in Azure has, stays in its segment.
    pub(crate) fn scale_set(subscription: &str, resource_group: &str, name: &str) -> Self {
        let [group, name] = [resource_group, name].map(|text| text.replace('/', "%2F"));
        Self(format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachineScaleSets/{name}"
        ))
    }

    /// The Uniform set that an instance, or anything of an instance, belongs to; `None` for
    /// everything else.
    pub(crate) fn set_of_instance(&self) -> Option<Self> {
        self.after("virtualMachines")?;
        let set = self.after("virtualMachineScaleSets")?;
        let subscription = self.after("subscriptions")?;
        Some(Self::scale_set(subscription, self.resource_group()?, set))
    }

    /// What belongs to it: `TYPE` or `TYPE/NAME`.
    pub(crate) fn child(&self, path: &str) -> Self {
        Self(format!("{self}/{path}"))
    }

    /// The id in the path of a request.
    pub(crate) fn of_url(url: &Url) -> Self {
        // The path has no `&`, `=` or `+` that isn't encoded, so it is one key.
        let path = form_urlencoded::parse(url.path().as_bytes()).next();
        Self::new(path.map_or_else(String::new, |(path, _)| path.into_owned()))
    }

    /// The id as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as it was written.
    pub(crate) fn into_string(self) -> String {
        self.0
    }

    /// Whether it is in one of the resource groups; all are meant where none is given.
    pub(crate) fn is_in(&self, resource_groups: &[String]) -> bool {
        let is_of = |found| resource_groups.iter().any(|group| same_name(group, found));
        resource_groups.is_empty() || self.resource_group().is_some_and(is_of)
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The segments between the slashes.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &str> {
        // An id is read several times for each resource, and `str::split` looks at every byte.
        let (text, mut start) = (self.0.as_str(), 0);
        let ends = memchr::memchr_iter(b'/', text.as_bytes()).chain([text.len()]);
        let segments = ends.map(move |end| &text[mem::replace(&mut start, end + 1)..end]);
        segments.skip_while(|segment| segment.is_empty())
    }

    /// The segment after the one called `key`: `after("virtualMachines")` is the name of the
    /// virtual machine.
    ///
    /// Keys are at even positions, so that a group called `providers` is not taken for the key.
    pub(crate) fn after(&self, key: &str) -> Option<&str> {
        let mut segments = self.segments();
        // `providers/NAMESPACE/TYPE/NAME` keeps the step of two.
        while let (Some(found), Some(value)) = (segments.next(), segments.next()) {
            if found.eq_ignore_ascii_case(key) {
                return Some(value);
            }
        }
        None
    }

    /// The resource group it is in.
    pub(crate) fn resource_group(&self) -> Option<&str> {
        self.after("resourceGroups")
    }

    /// The type of the resource: `Microsoft.Compute/virtualMachines`; empty where the id has none.
    pub(crate) fn kind(&self) -> String {
        let mut segments = self.segments();
        while let Some(key) = segments.next() {
            let value = segments.next().unwrap_or_default();
            if key.eq_ignore_ascii_case("providers") {
                let types = segments.step_by(2);
                return types.fold(value.to_owned(), |kind, part| kind + "/" + part);
            }
        }
        String::new()
    }

    /// The last segment: the name.
    pub(crate) fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient::text(deserializer).map(|text| Self::new(text.unwrap_or_default()))
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        same_name(&self.0, &other.0)
    }
}

impl Eq for ResourceId {}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let folded = (!self.0.is_ascii()).then(|| name_key(&self.0));
        let bytes = folded.as_ref().unwrap_or(&self.0).as_bytes();
        // The end tells an id from others, which mostly begin with the same subscription and group.
        // In one piece: letter by letter, hashing was a third of what a call about a thousand
        // instances does.
        let mut buffer = [0; 128];
        let end = &bytes[bytes.len().saturating_sub(buffer.len())..];
        let piece = &mut buffer[..end.len()];
        piece.copy_from_slice(end);
        piece.make_ascii_lowercase();
        state.write(piece);
    }
}

/// Whether two names of Azure (ids, resource groups, scale sets, tag names) are the same: without
/// case, in any script, since group names may have letters of any.
pub(crate) fn same_name(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
        || (!(one.is_ascii() && other.is_ascii()) && folded(one).eq(folded(other)))
}

/// The name as a key of a map: equal for names that are the same.
pub(crate) fn name_key(name: &str) -> String {
    if name.is_ascii() {
        name.to_ascii_lowercase()
    } else {
        folded(name).collect()
    }
}

fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::HashSet;

    use super::*;

    const UNIFORM: &str = "/subscriptions/s/resourceGroups/prod/providers/Microsoft.Compute/virtualMachineScaleSets/web/virtualMachines/3/networkInterfaces/nic";

    #[test]
    fn ids_that_differ_in_case_only_are_one_id_for_eq_and_hash() {
        let mut ids = HashSet::new();
        ids.insert(ResourceId::new(UNIFORM));
        assert!(ids.contains(&ResourceId::new(UNIFORM.to_uppercase())));
        assert!(ids.contains(&ResourceId::new(format!("{UNIFORM}/"))));
        assert!(!ids.contains(&ResourceId::new(UNIFORM.replace("/3/", "/33/"))));
        // Letters of other scripts, and one whose small form is a letter of ASCII (the sign of
        // Kelvin).
        for (one, other) in [
            ("/groups/GRÖSSE", "/groups/grösse"),
            ("/groups/\u{212a}", "/groups/k"),
            ("/groups/k", "/groups/\u{212a}"),
        ] {
            ids.insert(ResourceId::new(one));
            assert!(ids.contains(&ResourceId::new(other)), "{one} {other}");
            assert_eq!(ResourceId::new(one), ResourceId::new(other));
            ids.clear();
        }
    }

    #[test]
    fn names_of_any_script_compare_without_case() {
        assert!(same_name("Größe-Ä", "gRÖße-ä"));
        assert!(!same_name("web", "web1"));
        assert_eq!(name_key("Web-Ä"), name_key("wEB-ä"));
    }

    #[test]
    fn parts_are_read_at_any_depth_and_without_case() {
        let id = ResourceId::new(UNIFORM);
        assert_eq!(
            (id.after("subscriptions"), id.resource_group()),
            (Some("s"), Some("prod"))
        );
        assert_eq!(
            (
                id.after("VirtualMachineScaleSets"),
                id.after("virtualmachines"),
                id.name()
            ),
            (Some("web"), Some("3"), "nic")
        );
        assert_eq!(
            ResourceId::new("/SUBSCRIPTIONS/s/RESOURCEGROUPS/g").resource_group(),
            Some("g")
        );
    }

    #[test]
    fn a_group_named_like_a_key_is_not_taken_for_one() {
        let id = ResourceId::new(
            "/subscriptions/s/resourceGroups/virtualMachines/providers/Microsoft.Compute/virtualMachines/a",
        );
        assert_eq!(
            (id.resource_group(), id.after("virtualMachines")),
            (Some("virtualMachines"), Some("a"))
        );
    }

    #[test]
    fn the_type_is_read_off_the_id() {
        assert_eq!(
            ResourceId::new(UNIFORM).kind(),
            "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces"
        );
        assert_eq!(
            ResourceId::new("/subscriptions/s/resourceGroups/providers/providers/Microsoft.Network/networkInterfaces/a").kind(),
            "Microsoft.Network/networkInterfaces"
        );
        assert_eq!(ResourceId::new("/subscriptions/s").kind(), "");
    }

    #[test]
    fn any_text_is_an_id_without_parts() {
        for text in ["", "/", "web", "/subscriptions", "//x"] {
            let id = ResourceId::new(text);
            assert_eq!(
                (id.after("subscriptions"), id.resource_group()),
                (None, None),
                "{text}"
            );
        }
    }
}
