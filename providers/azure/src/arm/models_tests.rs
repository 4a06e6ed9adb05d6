#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn read<T: serde::de::DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_page_without_value_is_no_page() {
    assert!(serde_json::from_str::<Page<NetworkInterface>>("{}").is_err());
    assert!(serde_json::from_str::<Page<NetworkInterface>>(r#"{"error":{"code":"x"}}"#).is_err());
    assert!(read::<Page<NetworkInterface>>(r#"{"value":null,"nextLink":null}"#).value.is_empty());
}

#[test]
fn null_counts_as_absent_in_every_field() {
    let interface: NetworkInterface = read(
        r#"{"id":null,"name":null,"tags":null,"properties":{"primary":null,"virtualMachine":null,"ipConfigurations":[
            {"id":null,"name":null,"properties":{"privateIPAddress":null,"primary":null,"publicIPAddress":null}},{"properties":null},{}]}}"#,
    );
    assert_eq!(interface.properties.ip_configurations.len(), 3);
    assert!(interface.properties.ip_configurations.iter().all(|configuration| configuration.properties.private_ip_address.is_none()));
    let machine: VirtualMachine =
        read(r#"{"zones":[null],"tags":null,"properties":{"networkProfile":null,"virtualMachineScaleSet":null,"instanceView":null}}"#);
    assert_eq!((machine.zone(), machine.interface_ids().count()), (None, 0));
    let set: ScaleSet = read(r#"{"sku":null,"properties":{"orchestrationMode":null}}"#);
    assert!(set.properties.orchestration_mode.is_none());
}

#[test]
fn tags_may_be_absent_null_or_empty_and_keep_their_order() {
    for json in ["{}", r#"{"tags":null}"#, r#"{"tags":{}}"#, r#"{"tags":[]}"#] {
        assert!(read::<NetworkInterface>(json).tags.0.is_empty(), "{json}");
    }
    let tags = read::<NetworkInterface>(r#"{"tags":{"b":"1","a":null}}"#).tags;
    assert_eq!(tags.0, [("b".to_owned(), "1".to_owned()), ("a".to_owned(), String::new())]);
}

#[test]
fn an_empty_address_is_absent_and_an_unreadable_one_an_error() {
    let properties: IpConfigurationProperties = read(r#"{"privateIPAddress":""}"#);
    assert_eq!(properties.private_ip_address, None);
    let properties: IpConfigurationProperties = read(r#"{"privateIPAddress":"2001:db8::4"}"#);
    assert_eq!(properties.private_ip_address, "2001:db8::4".parse().ok());
    assert!(serde_json::from_str::<IpConfigurationProperties>(r#"{"privateIPAddress":"10.0.0.4/24"}"#).is_err());
}

#[test]
fn the_power_state_is_found_among_the_statuses() {
    let view: InstanceView = read(r#"{"statuses":[{"code":null},{"code":"ProvisioningState/succeeded"},{"code":"PowerState/deallocated"}]}"#);
    assert_eq!(view.power_state(), Some("deallocated"));
    assert_eq!(InstanceView::default().power_state(), None);
}
