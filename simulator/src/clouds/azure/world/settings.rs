//! Settings for behaviour that Azure doesn't document or that was observed in several variants.

use serde::Deserialize;

/// The kinds of lists that have a page size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listing {
    /// Interfaces of a subscription or a group.
    NetworkInterfaces,
    /// Interfaces of a Uniform set.
    ScaleSetNetworkInterfaces,
    /// Virtual machines of a subscription or a group.
    VirtualMachines,
    /// Scale sets of a subscription or a group.
    ScaleSets,
    /// Instances of a scale set.
    ScaleSetInstances,
    /// Public addresses of a subscription, a group or a Uniform set.
    PublicAddresses,
    /// The resource index.
    Resources,
}

/// The settings of a world. TOML: `[settings]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many things a page holds; by default 500. Azure documents no number.
    pub page_size: usize,
    /// Other sizes for some lists.
    pub page_sizes: PageSizes,
    /// Writes the port into `nextLink` (`https://management.azure.com:443/...`), which is the same
    /// origin.
    pub next_link_port: bool,
    /// `nextLink` of the last page; by default absent.
    pub last_next_link: LastNextLink,
    /// Where empty pages with a `nextLink` are; by default nowhere. ARM sends
    /// such pages (recorded for the resource index).
    pub empty_pages: Option<EmptyPages>,
    /// The response of the Uniform interface listing for Flexible sets. A set can override it.
    pub uniform_listing_of_flexible: UniformListing,
    /// The response of a VM list with `$filter` and `$expand=instanceView`; by default only the
    /// view, as reported.
    pub expanded_list: ExpandedList,
    /// `tags` of an interface without tags.
    pub empty_tags: EmptyTags,
    /// Names that the resource index doesn't have yet.
    pub index_lag: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            page_size: 500,
            page_sizes: PageSizes::default(),
            next_link_port: false,
            last_next_link: LastNextLink::Absent,
            empty_pages: None,
            uniform_listing_of_flexible: UniformListing::NotFound,
            expanded_list: ExpandedList::ViewOnly,
            empty_tags: EmptyTags::Absent,
            index_lag: Vec::new(),
        }
    }
}

impl Settings {
    /// The number of items on a page of this list, at least one.
    pub fn page_size(&self, listing: Listing) -> usize {
        let own = match listing {
            Listing::NetworkInterfaces => self.page_sizes.network_interfaces,
            Listing::ScaleSetNetworkInterfaces => self.page_sizes.scale_set_network_interfaces,
            Listing::VirtualMachines => self.page_sizes.virtual_machines,
            Listing::ScaleSets => self.page_sizes.scale_sets,
            Listing::ScaleSetInstances => self.page_sizes.scale_set_instances,
            Listing::PublicAddresses => self.page_sizes.public_addresses,
            Listing::Resources => self.page_sizes.resources,
        };
        own.unwrap_or(self.page_size).max(1)
    }
}

/// Page sizes of single lists. TOML: `[settings.page_sizes]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PageSizes {
    /// See [`Listing::NetworkInterfaces`].
    pub network_interfaces: Option<usize>,
    /// See [`Listing::ScaleSetNetworkInterfaces`].
    pub scale_set_network_interfaces: Option<usize>,
    /// See [`Listing::VirtualMachines`].
    pub virtual_machines: Option<usize>,
    /// See [`Listing::ScaleSets`].
    pub scale_sets: Option<usize>,
    /// See [`Listing::ScaleSetInstances`].
    pub scale_set_instances: Option<usize>,
    /// See [`Listing::PublicAddresses`].
    pub public_addresses: Option<usize>,
    /// See [`Listing::Resources`].
    pub resources: Option<usize>,
}

/// `nextLink` of the last page; all three variants mean the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastNextLink {
    /// No such field.
    Absent,
    /// `null`.
    Null,
    /// `""`.
    Empty,
}

/// The position of empty pages with a `nextLink`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyPages {
    /// One before the first page.
    Before,
    /// One after the last page, which then has a link.
    After,
    /// One after each page that is not the last.
    Between,
}

/// The response of `.../{set}/networkInterfaces`, which is for Uniform sets, for a Flexible one.
/// All variants were reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UniformListing {
    /// 404 with the Network resource provider's code `NotFound`.
    NotFound,
    /// 200 with an empty list.
    Empty,
    /// 409 with the code `OperationNotAllowed`.
    Conflict,
}

/// The response of a VM list with `$filter` and `$expand=instanceView`. No recording of a full
/// response is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpandedList {
    /// Each machine with its instance view.
    Full,
    /// The instance view and little else, as cloud-provider-azure reports.
    ViewOnly,
}

/// `tags` of an interface without tags; all three variants were recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyTags {
    /// No `tags` field.
    Absent,
    /// `null`.
    Null,
    /// `{}`.
    Empty,
}
