//! The requests to ARM: each with its URL, its api-version and its words for errors.

use cloud_autojoin_core::http::Request;
use url::{Url, form_urlencoded};

use super::resource_id::ResourceId;

/// Microsoft.Compute: virtual machines with the filter on `virtualMachineScaleSet/id`, scale sets
/// with `orchestrationMode` (which versions before 2020-12-01 leave out).
const COMPUTE: &str = "2024-07-01";

/// Microsoft.Network: any version since 2018 has the fields that are read; newer ones add fields
/// only.
const NETWORK: &str = "2024-05-01";

/// The interfaces and public addresses of Uniform instances: Microsoft.Network serves them under a
/// path of Microsoft.Compute, and the SDKs of Azure pin this version for them.
const UNIFORM_NETWORK: &str = "2018-10-01";

/// Microsoft.Resources: the index of resources with its filter on tags.
const RESOURCES: &str = "2021-04-01";

/// A type of resources: its name, and what people call one.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) word: &'static str,
}

const fn kind(name: &'static str, word: &'static str) -> Kind {
    Kind { name, word }
}

/// Those of Uniform instances are not in lists of these.
pub(crate) const NETWORK_INTERFACES: Kind =
    kind("Microsoft.Network/networkInterfaces", "network interface");
pub(crate) const PUBLIC_ADDRESSES: Kind =
    kind("Microsoft.Network/publicIPAddresses", "public address");
/// Uniform instances are not in lists of these.
pub(crate) const VIRTUAL_MACHINES: Kind =
    kind("Microsoft.Compute/virtualMachines", "virtual machine");
/// Azure allows 12 reads a minute of one set, for everyone together.
pub(crate) const SCALE_SETS: Kind = kind("Microsoft.Compute/virtualMachineScaleSets", "scale set");
/// For a Flexible set Azure returns 404 `NotFound` or an empty list (both reported).
pub(crate) const UNIFORM_INTERFACES: Kind = kind(
    "Microsoft.Compute/virtualMachineScaleSets/networkInterfaces",
    "network interface",
);
pub(crate) const UNIFORM_ADDRESSES: Kind = kind(
    "Microsoft.Compute/virtualMachineScaleSets/publicIPAddresses",
    "public address",
);
pub(crate) const UNIFORM_INSTANCES: Kind = kind(
    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines",
    "instance",
);

impl Kind {
    /// What people call several.
    pub(crate) fn plural(&self) -> String {
        let end = if self.word.ends_with('s') { "es" } else { "s" };
        format!("{}{end}", self.word)
    }

    /// The api-version that is requested.
    fn api_version(&self) -> &'static str {
        match self.name.rsplit_once('/') {
            Some(("Microsoft.Network", _)) => NETWORK,
            Some((_, "networkInterfaces" | "publicIPAddresses")) => UNIFORM_NETWORK,
            _ => COMPUTE,
        }
    }
}

/// The requests for resources of one subscription of one cloud.
#[derive(Clone, Copy)]
pub(crate) struct ArmRequests<'a> {
    /// Scheme, host and port.
    pub(super) resource_manager: &'a Url,
    pub(super) subscription: &'a str,
}

impl ArmRequests<'_> {
    /// The resources of a resource group or of the whole subscription.
    pub(crate) fn list(self, kind: &Kind, resource_group: Option<&str>) -> Request {
        let things = kind.plural();
        let operation = match resource_group {
            Some(group) => format!("list the {things} of resource group `{group}`"),
            None => format!("list the {things} of the subscription"),
        };
        self.list_of(kind, resource_group, "", &operation)
    }

    /// The instance views of all virtual machines of the subscription, and little else. Azure has
    /// no such list for a resource group.
    pub(crate) fn power_states(self) -> Request {
        let operation = "list the power states of the virtual machines of the subscription";
        self.list_of(&VIRTUAL_MACHINES, None, "statusOnly=true&", operation)
    }

    /// One resource, wherever it is.
    pub(crate) fn one(self, kind: &Kind, id: &ResourceId) -> Request {
        self.of_id(kind, id, &format!("read {} `{}`", kind.word, id.name()))
    }

    /// One virtual machine with its instance view.
    pub(crate) fn power_state(self, id: &ResourceId) -> Request {
        with_view(self.one(&VIRTUAL_MACHINES, id))
    }

    /// What belongs to the instances of a Uniform set.
    pub(crate) fn of_uniform_set(self, kind: &Kind, set: &ResourceId) -> Request {
        let operation = format!("list the {} of scale set `{}`", kind.plural(), set.name());
        let part = kind.name.rsplit('/').next().unwrap_or_default();
        self.of_id(kind, &set.child(part), &operation)
    }

    /// The instances of a Uniform set with their instance views.
    pub(crate) fn uniform_power_states(self, set: &ResourceId) -> Request {
        with_view(self.of_uniform_set(&UNIFORM_INSTANCES, set))
    }

    /// The virtual machines that are instances of a Flexible set; they are always in the set's
    /// resource group. For a set that does not exist the list is empty.
    pub(crate) fn flexible_members(self, set: &ResourceId) -> Request {
        self.filtered_members(set, "virtual machines")
    }

    /// The same with the instance views and little else: Azure leaves the model out then.
    pub(crate) fn flexible_power_states(self, set: &ResourceId) -> Request {
        with_view(self.filtered_members(set, "power states of the virtual machines"))
    }

    /// The resources of any kind that carry the tag, from ARM's index, which may lag. A filter on
    /// tags cannot be combined with one on kinds or groups.
    pub(crate) fn resources_with_tag(self, name: &str, value: &str) -> Request {
        let (tag, value) = (quoted(name), quoted(value));
        let filter = encode(&format!("tagName eq '{tag}' and tagValue eq '{value}'"));
        let path = format!("subscriptions/{}/resources", encode(self.subscription));
        let query = format!("$filter={filter}&api-version={RESOURCES}");
        self.get(
            &format!("look up tag `{name}` in the resource index"),
            &path,
            &query,
        )
    }

    fn filtered_members(self, set: &ResourceId, things: &str) -> Request {
        // The name of the property is in quotes too (recorded 2023, and contrary to the API's own
        // description).
        let filter = format!("'virtualMachineScaleSet/id' eq '{}'", quoted(set.as_str()));
        let query = format!("$filter={}&", encode(&filter));
        let operation = format!("list the {things} of scale set `{}`", set.name());
        self.list_of(&VIRTUAL_MACHINES, set.resource_group(), &query, &operation)
    }

    fn list_of(self, kind: &Kind, group: Option<&str>, query: &str, operation: &str) -> Request {
        let group = group.map(|group| format!("/resourceGroups/{}", encode(group)));
        let (subscription, group) = (encode(self.subscription), group.unwrap_or_default());
        let path = format!(
            "subscriptions/{subscription}{group}/providers/{}",
            kind.name
        );
        self.get(
            operation,
            &path,
            &format!("{query}api-version={}", kind.api_version()),
        )
    }

    fn of_id(self, kind: &Kind, id: &ResourceId, operation: &str) -> Request {
        let path: Vec<String> = id.segments().map(encode).collect();
        let query = format!("api-version={}", kind.api_version());
        self.get(operation, &path.join("/"), &query)
    }

    fn get(self, operation: &str, path: &str, query: &str) -> Request {
        let mut url = self.resource_manager.clone();
        url.set_path(path);
        url.set_query(Some(query));
        Request::get(operation, url)
    }
}

/// The same request for instance views too.
fn with_view(request: Request) -> Request {
    let mut url = request.url().clone();
    let query = url.query().unwrap_or_default();
    let query = format!("$expand=instanceView&{query}");
    url.set_query(Some(&query));
    request.with_url(url)
}

/// OData doubles a quote inside quotes.
fn quoted(text: &str) -> String {
    text.replace('\'', "''")
}

/// Percent-encodes everything but letters, digits and `-_.*`; a blank is `%20`, since a `+` in a
/// path is a plus.
fn encode(text: &str) -> String {
    match text {
        // Even encoded these are steps of the path to a URL parser. No name in Azure is one of
        // them, so another invalid name is sent instead.
        "." | ".." => "%252E".repeat(text.len()),
        text => form_urlencoded::byte_serialize(text.as_bytes())
            .collect::<String>()
            .replace('+', "%20"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn url(request: impl FnOnce(ArmRequests<'_>) -> Request) -> Url {
        let requests = ArmRequests {
            resource_manager: &"https://arm.example:8443".parse().unwrap(),
            subscription: "s",
        };
        request(requests).url().clone()
    }

    fn set(group: &str, name: &str) -> ResourceId {
        ResourceId::scale_set("s", group, name)
    }

    #[test]
    fn the_filter_on_a_scale_set_is_written_as_recorded() {
        // shape: recorded azure-cli test_vm_list_filter, 2023
        let url = url(|requests| requests.flexible_members(&set("prod", "web")));
        assert_eq!(
            url.as_str(),
            "https://arm.example:8443/subscriptions/s/resourceGroups/prod/providers/Microsoft.Compute/virtualMachines?$filter=%27virtualMachineScaleSet%2Fid%27%20eq%20%27\
             %2Fsubscriptions%2Fs%2FresourceGroups%2Fprod%2Fproviders%2FMicrosoft.Compute%2FvirtualMachineScaleSets%2Fweb%27&api-version=2024-07-01"
        );
    }

    #[test]
    fn names_cannot_leave_their_segment_or_their_quotes() {
        let odd = set("a/b?c#d%2F é", "..");
        let odd = url(|requests| requests.one(&SCALE_SETS, &odd));
        assert_eq!(odd.query(), Some("api-version=2024-07-01"));
        assert!(
            odd.path().starts_with(
                "/subscriptions/s/resourceGroups/a%252Fb%3Fc%23d%252F%20%C3%A9/providers/"
            ),
            "{odd}"
        );
        assert!(
            odd.path().ends_with("/virtualMachineScaleSets/%252E%252E"),
            "{odd}"
        );
        let url = url(|requests| requests.resources_with_tag("it's", "a' or 'b&c+d"));
        assert_eq!(
            url.query(),
            Some(
                "$filter=tagName%20eq%20%27it%27%27s%27%20and%20tagValue%20eq%20%27a%27%27%20or%20%27%27b%26c%2Bd%27&api-version=2021-04-01"
            )
        );
    }

    #[test]
    fn the_uniform_listing_has_its_own_old_version() {
        let set = set("prod", "web");
        let url = url(|requests| requests.of_uniform_set(&UNIFORM_INTERFACES, &set));
        assert_eq!(
            url.as_str(),
            "https://arm.example:8443/subscriptions/s/resourceGroups/prod/providers/Microsoft.Compute/virtualMachineScaleSets/web/networkInterfaces?api-version=2018-10-01"
        );
    }

    #[test]
    fn an_id_of_a_response_is_requested_at_the_same_path() {
        let id = ResourceId::new(
            "/subscriptions/S/resourceGroups/OTHER/providers/Microsoft.Network/networkInterfaces/nic",
        );
        let of_id = |id: &ResourceId| url(|requests| requests.one(&NETWORK_INTERFACES, id));
        assert_eq!(
            of_id(&id).as_str(),
            "https://arm.example:8443/subscriptions/S/resourceGroups/OTHER/providers/Microsoft.Network/networkInterfaces/nic?api-version=2024-05-01"
        );
        assert_eq!(
            ResourceId::of_url(&of_id(&id)).resource_group(),
            Some("OTHER")
        );
        // An id cannot lead anywhere else.
        for id in ["//evil.example/x", "https://evil.example/x"] {
            assert_eq!(
                of_id(&ResourceId::new(id)).host_str(),
                Some("arm.example"),
                "{id}"
            );
        }
    }
}
