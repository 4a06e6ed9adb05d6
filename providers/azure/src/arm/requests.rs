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

/// The requests for resources of one subscription of one cloud.
#[derive(Debug, Clone)]
pub(crate) struct ArmRequests {
    resource_manager: Url,
    subscription: String,
}

impl ArmRequests {
    /// The requests for `subscription`, sent to the ARM of this scheme, host and port.
    pub(crate) fn new(resource_manager: &Url, subscription: impl Into<String>) -> Self {
        Self {
            resource_manager: resource_manager.clone(),
            subscription: subscription.into(),
        }
    }

    /// The interfaces of a resource group or of the whole subscription; those of Uniform instances
    /// are not among them.
    pub(crate) fn network_interfaces(&self, resource_group: Option<&str>) -> Request {
        self.scoped(
            "network interfaces",
            resource_group,
            &["Microsoft.Network", "networkInterfaces"],
            &[("api-version", NETWORK)],
        )
    }

    /// One interface, wherever it is.
    pub(crate) fn network_interface(&self, id: &ResourceId) -> Request {
        self.of_id("network interface", id, &[("api-version", NETWORK)])
    }

    /// The interfaces of the instances of a Uniform set. For a Flexible set Azure answers 404
    /// `NotFound` or an empty list (both reported).
    pub(crate) fn scale_set_network_interfaces(&self, resource_group: &str, name: &str) -> Request {
        self.of_scale_set(
            format!("list the network interfaces of scale set `{name}`"),
            resource_group,
            name,
            Some("networkInterfaces"),
            &[("api-version", UNIFORM_NETWORK)],
        )
    }

    /// The public addresses of the instances of a Uniform set.
    pub(crate) fn scale_set_public_addresses(&self, resource_group: &str, name: &str) -> Request {
        self.of_scale_set(
            format!("list the public addresses of scale set `{name}`"),
            resource_group,
            name,
            Some("publicipaddresses"),
            &[("api-version", UNIFORM_NETWORK)],
        )
    }

    /// The instances of a Uniform set, with their instance views if they are wanted.
    pub(crate) fn scale_set_instances(
        &self,
        resource_group: &str,
        name: &str,
        with_view: bool,
    ) -> Request {
        let query: &[_] = if with_view {
            &[("$expand", "instanceView"), ("api-version", COMPUTE)]
        } else {
            &[("api-version", COMPUTE)]
        };
        self.of_scale_set(
            format!("list the instances of scale set `{name}`"),
            resource_group,
            name,
            Some("virtualMachines"),
            query,
        )
    }

    /// One scale set. Azure allows 12 of these a minute per set, for everyone together: only asked
    /// when there is something to explain.
    pub(crate) fn scale_set(&self, resource_group: &str, name: &str) -> Request {
        self.of_scale_set(
            format!("read scale set `{name}`"),
            resource_group,
            name,
            None,
            &[("api-version", COMPUTE)],
        )
    }

    /// The scale sets of a resource group or of the whole subscription.
    pub(crate) fn scale_sets(&self, resource_group: Option<&str>) -> Request {
        let kind = &["Microsoft.Compute", "virtualMachineScaleSets"];
        self.scoped(
            "scale sets",
            resource_group,
            kind,
            &[("api-version", COMPUTE)],
        )
    }

    /// The virtual machines of a resource group or of the whole subscription; Uniform instances are
    /// not among them.
    pub(crate) fn virtual_machines(&self, resource_group: Option<&str>) -> Request {
        let kind = &["Microsoft.Compute", "virtualMachines"];
        self.scoped(
            "virtual machines",
            resource_group,
            kind,
            &[("api-version", COMPUTE)],
        )
    }

    /// The instance views of all virtual machines of the subscription, and little else. Azure has
    /// no such list for a resource group.
    pub(crate) fn virtual_machine_states(&self) -> Request {
        let kind = &["Microsoft.Compute", "virtualMachines"];
        let query = &[("statusOnly", "true"), ("api-version", COMPUTE)];
        self.scoped("power states of the virtual machines", None, kind, query)
    }

    /// The virtual machines that are instances of a Flexible set; they are always in the set's
    /// resource group. For a set that does not exist the list is empty.
    ///
    /// With `with_view` the list has the instance views and little else: Azure leaves the model out
    /// then.
    pub(crate) fn scale_set_members(
        &self,
        resource_group: &str,
        name: &str,
        with_view: bool,
    ) -> Request {
        let id = ResourceId::scale_set(&self.subscription, resource_group, name);
        // The name of the property is in quotes too (recorded 2023, and contrary to the API's own
        // description). OData doubles a quote inside quotes.
        let filter = format!(
            "'virtualMachineScaleSet/id' eq '{}'",
            id.as_str().replace('\'', "''")
        );
        let mut query = vec![("$filter", filter.as_str())];
        if with_view {
            query.push(("$expand", "instanceView"));
        }
        query.push(("api-version", COMPUTE));
        let things = if with_view {
            "power states of the virtual machines"
        } else {
            "virtual machines"
        };
        let path = [
            "subscriptions",
            &self.subscription,
            "resourceGroups",
            resource_group,
            "providers",
            "Microsoft.Compute",
            "virtualMachines",
        ];
        Request::get(
            format!("list the {things} of scale set `{name}`"),
            self.url(&path, &query),
        )
    }

    /// One virtual machine, with its instance view if it is wanted.
    pub(crate) fn virtual_machine(&self, id: &ResourceId, with_view: bool) -> Request {
        let query: &[_] = if with_view {
            &[("$expand", "instanceView"), ("api-version", COMPUTE)]
        } else {
            &[("api-version", COMPUTE)]
        };
        self.of_id("virtual machine", id, query)
    }

    /// The public addresses of a resource group or of the whole subscription.
    pub(crate) fn public_addresses(&self, resource_group: Option<&str>) -> Request {
        let kind = &["Microsoft.Network", "publicIPAddresses"];
        self.scoped(
            "public addresses",
            resource_group,
            kind,
            &[("api-version", NETWORK)],
        )
    }

    /// One public address, wherever it is.
    pub(crate) fn public_address(&self, id: &ResourceId) -> Request {
        self.of_id("public address", id, &[("api-version", NETWORK)])
    }

    /// The resources of any kind that carry the tag, from ARM's index, which may lag. A filter on
    /// tags cannot be combined with one on kinds or groups.
    pub(crate) fn resources_with_tag(&self, name: &str, value: &str) -> Request {
        let quoted = |text: &str| text.replace('\'', "''");
        let filter = format!(
            "tagName eq '{}' and tagValue eq '{}'",
            quoted(name),
            quoted(value)
        );
        let url = self.url(
            &["subscriptions", &self.subscription, "resources"],
            &[("$filter", &filter), ("api-version", RESOURCES)],
        );
        Request::get(format!("look up tag `{name}` in the resource index"), url)
    }

    fn scoped(
        &self,
        things: &str,
        resource_group: Option<&str>,
        kind: &[&str; 2],
        query: &[(&str, &str)],
    ) -> Request {
        let mut path = vec!["subscriptions", self.subscription.as_str()];
        path.extend(
            resource_group
                .iter()
                .flat_map(|group| ["resourceGroups", *group]),
        );
        path.extend(["providers", kind[0], kind[1]]);
        let operation = match resource_group {
            Some(group) => format!("list the {things} of resource group `{group}`"),
            None => format!("list the {things} of the subscription"),
        };
        Request::get(operation, self.url(&path, query))
    }

    fn of_scale_set(
        &self,
        operation: String,
        resource_group: &str,
        name: &str,
        part: Option<&str>,
        query: &[(&str, &str)],
    ) -> Request {
        let mut path = vec![
            "subscriptions",
            &self.subscription,
            "resourceGroups",
            resource_group,
            "providers",
            "Microsoft.Compute",
            "virtualMachineScaleSets",
            name,
        ];
        path.extend(part);
        Request::get(operation, self.url(&path, query))
    }

    fn of_id(&self, thing: &str, id: &ResourceId, query: &[(&str, &str)]) -> Request {
        let path: Vec<&str> = id.segments().collect();
        Request::get(
            format!("read {thing} `{}`", id.name()),
            self.url(&path, query),
        )
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.resource_manager.clone();
        let encoded: Vec<String> = path.iter().map(|segment| encode(segment)).collect();
        url.set_path(&encoded.join("/"));
        let pairs: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        url.set_query(Some(&pairs.join("&")));
        url
    }
}

/// Percent-encodes everything but letters, digits and `-_.*`; a blank is `%20`, since a `+` in a
/// path is a plus.
fn encode(text: &str) -> String {
    match text {
        // Even encoded these are steps of the path to a URL parser. No name in Azure is one of
        // them, so a name that is none either stands in.
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

    fn requests() -> ArmRequests {
        ArmRequests::new(&"https://arm.example:8443".parse().unwrap(), "s")
    }

    #[test]
    fn the_filter_on_a_scale_set_is_written_as_recorded() {
        // shape: recorded azure-cli test_vm_list_filter, 2023
        let url = requests()
            .scale_set_members("prod", "web", false)
            .url()
            .clone();
        assert_eq!(
            url.as_str(),
            "https://arm.example:8443/subscriptions/s/resourceGroups/prod/providers/Microsoft.Compute/virtualMachines?$filter=%27virtualMachineScaleSet%2Fid%27%20eq%20%27\
             %2Fsubscriptions%2Fs%2FresourceGroups%2Fprod%2Fproviders%2FMicrosoft.Compute%2FvirtualMachineScaleSets%2Fweb%27&api-version=2024-07-01"
        );
    }

    #[test]
    fn names_cannot_leave_their_segment_or_their_quotes() {
        let url = requests().scale_set("a/b?c#d%2F é", "..").url().clone();
        assert_eq!(url.query(), Some("api-version=2024-07-01"));
        assert!(
            url.path().starts_with(
                "/subscriptions/s/resourceGroups/a%2Fb%3Fc%23d%252F%20%C3%A9/providers/"
            ),
            "{url}"
        );
        assert!(
            url.path().ends_with("/virtualMachineScaleSets/%252E%252E"),
            "{url}"
        );
        let url = requests()
            .resources_with_tag("it's", "a' or 'b&c+d")
            .url()
            .clone();
        assert_eq!(
            url.query(),
            Some(
                "$filter=tagName%20eq%20%27it%27%27s%27%20and%20tagValue%20eq%20%27a%27%27%20or%20%27%27b%26c%2Bd%27&api-version=2021-04-01"
            )
        );
    }

    #[test]
    fn the_uniform_listing_has_its_own_old_version() {
        let url = requests()
            .scale_set_network_interfaces("prod", "web")
            .url()
            .clone();
        assert_eq!(
            url.as_str(),
            "https://arm.example:8443/subscriptions/s/resourceGroups/prod/providers/Microsoft.Compute/virtualMachineScaleSets/web/networkInterfaces?api-version=2018-10-01"
        );
    }

    #[test]
    fn an_id_of_an_answer_is_asked_for_at_the_same_place() {
        let id = ResourceId::new(
            "/subscriptions/S/resourceGroups/OTHER/providers/Microsoft.Network/networkInterfaces/nic",
        );
        let request = requests().network_interface(&id);
        assert_eq!(
            request.url().as_str(),
            "https://arm.example:8443/subscriptions/S/resourceGroups/OTHER/providers/Microsoft.Network/networkInterfaces/nic?api-version=2024-05-01"
        );
        assert_eq!(
            ResourceId::of_url(request.url()).resource_group(),
            Some("OTHER")
        );
        // An id cannot lead anywhere else.
        assert_eq!(
            requests()
                .network_interface(&ResourceId::new("//evil.example/x"))
                .url()
                .host_str(),
            Some("arm.example")
        );
        assert_eq!(
            requests()
                .network_interface(&ResourceId::new("https://evil.example/x"))
                .url()
                .host_str(),
            Some("arm.example")
        );
    }
}
