//! EC2: `DescribeInstances`, page by page.
//!
//! Shape: docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html.

use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Call, Detail, Node, Result};
use cloud_autojoin_provider_kit::{ApiClient, PowerState};
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use crate::select::Conditions;

/// The version of the API.
pub(crate) const VERSION: &str = "2016-11-15";

/// The most instances the API gives in one page.
const PAGE_SIZE: &str = "1000";

const FORM: HeaderValue =
    HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");

/// A request of the Query protocol.
pub(crate) fn query(client: &ApiClient, operation: String, fields: &[(&str, &str)]) -> Request {
    let body = Serializer::new(String::new()).extend_pairs(fields).finish();
    Request::post(operation, client.endpoint().clone(), body).header(CONTENT_TYPE, FORM)
}

/// The instances of `region` that meet the conditions, and the others that had to be examined.
///
/// The service filters by tags and state, unless everything examined is to be kept: then the
/// instances that it would leave out are wanted too.
pub(crate) async fn list(
    client: &ApiClient,
    region: &str,
    conditions: &Conditions,
    call: &Call,
) -> Result<Vec<Node>> {
    let mut fields = vec![
        ("Action".to_owned(), "DescribeInstances".to_owned()),
        ("Version".to_owned(), VERSION.to_owned()),
    ];
    fields.push(("MaxResults".to_owned(), PAGE_SIZE.to_owned()));
    if call.detail() != Detail::Everything {
        fields.extend(filters(conditions));
    }
    let operation = format!("list instances of `{region}`");
    let request = |fields: &[(String, String)]| {
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        query(client, operation.clone(), &fields)
    };
    let mut pages = client.pages(request(&fields), call);
    let mut nodes = Vec::new();
    while let Some(page) = pages.next_xml::<InstancePage>().await? {
        if let Some(token) = page.next_token.filter(|token| !token.is_empty()) {
            let mut fields = fields.clone();
            fields.push(("NextToken".to_owned(), token));
            pages.follow_request(request(&fields))?;
        }
        let instances = page
            .reservations
            .item
            .into_iter()
            .flat_map(|reservation| reservation.instances.item);
        nodes.extend(instances.map(|instance| conditions.node(instance, region)));
    }
    Ok(nodes)
}

fn filters(conditions: &Conditions) -> Vec<(String, String)> {
    let tags = conditions
        .selection
        .tags
        .conditions()
        .iter()
        .map(|(name, value)| (format!("tag:{name}"), value.clone()));
    let running = (conditions.selection.power_state == PowerState::Running)
        .then(|| ("instance-state-name".to_owned(), "running".to_owned()));
    let filters = tags.chain(running).enumerate();
    filters
        .flat_map(|(index, (name, value))| {
            [
                (format!("Filter.{}.Name", index + 1), name),
                (format!("Filter.{}.Value.1", index + 1), value),
            ]
        })
        .collect()
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
#[derive(Deserialize)]
pub(crate) struct Set<T> {
    #[serde(default = "Vec::new")]
    pub(crate) item: Vec<T>,
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self { item: Vec::new() }
    }
}

#[derive(Deserialize)]
struct Reservation {
    #[serde(rename = "instancesSet", default)]
    instances: Set<Ec2Instance>,
}

/// An instance. Everything but its id may be absent while it is being created or terminated.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ec2Instance {
    pub(crate) instance_id: String,
    pub(crate) instance_state: Option<State>,
    pub(crate) private_ip_address: Option<String>,
    /// The public IPv4 address.
    pub(crate) ip_address: Option<String>,
    pub(crate) placement: Option<Placement>,
    pub(crate) vpc_id: Option<String>,
    #[serde(default)]
    pub(crate) tag_set: Set<Tag>,
    #[serde(default)]
    pub(crate) network_interface_set: Set<NetworkInterface>,
}

#[derive(Deserialize)]
pub(crate) struct State {
    /// `pending`, `running`, `shutting-down`, `terminated`, `stopping` or `stopped`.
    pub(crate) name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Placement {
    pub(crate) availability_zone: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Tag {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NetworkInterface {
    pub(crate) network_interface_id: Option<String>,
    pub(crate) private_ip_address: Option<String>,
    pub(crate) association: Option<Association>,
    pub(crate) attachment: Option<Attachment>,
    #[serde(default)]
    pub(crate) ipv6_addresses_set: Set<Ipv6Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Association {
    pub(crate) public_ip: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attachment {
    pub(crate) device_index: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ipv6Address {
    pub(crate) ipv6_address: String,
}
