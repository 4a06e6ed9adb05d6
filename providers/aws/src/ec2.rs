//! EC2: `DescribeInstances`, page by page.
//!
//! Shape: docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html.

use cloud_autojoin_core::{Call, Detail, Result};
use cloud_autojoin_provider_kit::auth::aws::{EC2_VERSION, query};
use cloud_autojoin_provider_kit::{ApiClient, PowerState, Selection};
use serde::Deserialize;

/// A filter of the API: its name, and its values of which one must hold.
pub(crate) type Filter = (String, Vec<String>);

/// The elements of a page that [`InstancePage`] and what is in it have; it has four times as many.
const ELEMENTS: &str = "nextToken reservationSet item instancesSet instanceId instanceState name \
    privateIpAddress ipAddress placement availabilityZone vpcId tagSet key value \
    networkInterfaceSet networkInterfaceId association publicIp attachment deviceIndex \
    ipv6AddressesSet ipv6Address";

/// The filters for the tags and the state of `selection`. There are none if everything examined is
/// to be kept: then the instances that the service would leave out are wanted too.
pub(crate) fn filters(selection: &Selection, call: &Call) -> Vec<Filter> {
    let mut filters = Vec::new();
    if call.detail() != Detail::Everything {
        let tags = selection.tags.conditions().iter();
        filters.extend(tags.map(|(name, value)| (format!("tag:{name}"), vec![value.clone()])));
        if selection.power_state == PowerState::Running {
            filters.push(("instance-state-name".to_owned(), vec!["running".to_owned()]));
        }
    }
    filters
}

/// The instances that meet `filters`, each as `read` makes it, so that one page at a time is
/// kept.
pub(crate) async fn instances<T>(
    client: &ApiClient,
    operation: &str,
    filters: &[Filter],
    call: &Call,
    read: impl Fn(Ec2Instance) -> Option<T>,
) -> Result<Vec<T>> {
    let mut fields: Vec<(String, String)> = vec![
        ("Action".into(), "DescribeInstances".into()),
        ("Version".into(), EC2_VERSION.into()),
        // The most that the API gives in one page.
        ("MaxResults".into(), "1000".into()),
    ];
    for (number, (name, values)) in (1..).zip(filters) {
        fields.push((format!("Filter.{number}.Name"), name.clone()));
        fields.extend((1..).zip(values).map(|(index, value)| {
            let name = format!("Filter.{number}.Value.{index}");
            (name, value.clone())
        }));
    }
    let page_of = |token: &str| {
        let token = ("NextToken".to_owned(), token.to_owned());
        query(client, operation, fields.iter().chain([&token]))
    };
    let mut pages = client
        .pages(query(client, operation, &fields), call)
        .ahead_by(&["nextToken"], |_, token| page_of(token))
        .with_elements(ELEMENTS);
    let mut instances = Vec::new();
    while let Some(page) = pages.next_xml::<InstancePage>().await? {
        if let Some(token) = page.next_token.filter(|token| !token.is_empty()) {
            pages.follow_request(page_of(&token))?;
        }
        let reservations = page.reservations.item.into_iter();
        let found = reservations.flat_map(|reservation| reservation.instances.item);
        instances.extend(found.filter_map(&read));
    }
    Ok(instances)
}

/// A page of the list.
#[derive(Deserialize)]
struct InstancePage {
    #[serde(rename = "reservationSet")]
    reservations: Set<Reservation>,
    #[serde(rename = "nextToken")]
    next_token: Option<String>,
}

/// A list in the XML of the Query protocol.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Set<T> {
    pub(crate) item: Vec<T>,
}

#[derive(Deserialize, Default)]
struct Reservation {
    #[serde(rename = "instancesSet", default)]
    instances: Set<Ec2Instance>,
}

/// An instance. Everything but its id may be absent while it is being created or terminated.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Ec2Instance {
    pub(crate) instance_id: String,
    pub(crate) instance_state: State,
    pub(crate) private_ip_address: Option<String>,
    /// The public IPv4 address.
    pub(crate) ip_address: Option<String>,
    pub(crate) placement: Placement,
    pub(crate) vpc_id: String,
    pub(crate) tag_set: Set<Tag>,
    pub(crate) network_interface_set: Set<NetworkInterface>,
}

#[derive(Deserialize, Default)]
pub(crate) struct State {
    /// `pending`, `running`, `shutting-down`, `terminated`, `stopping` or `stopped`.
    pub(crate) name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Placement {
    pub(crate) availability_zone: String,
}

#[derive(Deserialize, Default)]
pub(crate) struct Tag {
    pub(crate) key: String,
    /// A tag of ECS without a value has none.
    #[serde(default)]
    pub(crate) value: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NetworkInterface {
    pub(crate) network_interface_id: Option<String>,
    pub(crate) private_ip_address: Option<String>,
    pub(crate) association: Association,
    pub(crate) attachment: Attachment,
    pub(crate) ipv6_addresses_set: Set<Ipv6Address>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Association {
    pub(crate) public_ip: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Attachment {
    pub(crate) device_index: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ipv6Address {
    pub(crate) ipv6_address: String,
}
