//! Join strings and variables: what they come to, and the exact words of everything that can be
//! wrong with them.

#![allow(clippy::unwrap_used, reason = "tests")]

use cloud_autojoin_azure::KEYS;
use cloud_autojoin_azure::select::{
    AddressType, Interfaces, Lookup, OrchestrationMode, PowerState, Selection, TagCondition,
    TagPlace, Tags,
};
use cloud_autojoin_azure::{Azure, AzureBuilder, AzureConfig, Environment, SPEC};
use cloud_autojoin_core::{ConfigString, Context, Env, Error, Provider as _};

const SUBSCRIPTION: &str = "77777777-7777-4777-8777-777777777777";
const TAG: &str = "tag_name=consul tag_value=server";

fn read<const N: usize>(string: &str, variables: [(&str, &str); N]) -> Result<Azure, Error> {
    let context = Context::builder().env(variables).build().unwrap();
    // `a=` stands for `a=""`, which is how the grammar writes an empty value.
    let config: ConfigString = string
        .split(' ')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    AzureBuilder::from_config(&config, &context)?.build()
}

/// All messages for a string without variables; none if there is no problem.
fn problems(string: &str) -> Vec<String> {
    problems_with(string, [])
}

fn problems_with<const N: usize>(string: &str, variables: [(&str, &str); N]) -> Vec<String> {
    match read(string, variables) {
        Ok(_) => Vec::new(),
        Err(Error::Config(error)) => {
            assert_eq!(error.provider(), Some("azure"));
            error
                .problems()
                .iter()
                .map(|problem| problem.message.clone())
                .collect()
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn configured(string: &str) -> Azure {
    read(&format!("subscription_id={SUBSCRIPTION} {string}"), []).unwrap()
}

#[test]
fn bad_strings_are_refused_in_exactly_these_words() {
    let table: &[(&str, &[&str])] = &[
        ("", &["nothing is selected"]),
        (
            "tag_name=consul",
            &["`tag_value` is missing (`tag_name` is given)"],
        ),
        (
            "tag_value=server",
            &["`tag_name` is missing (`tag_value` is given)"],
        ),
        (
            "tag_name= tag_value=server",
            &["`tag_name` is empty: give it a value or omit it"],
        ),
        ("tag_name= tag_value=", &["nothing is selected"]),
        (
            "tag_name=consul tag_value=",
            &["`tag_value` is empty: give it a value or omit it"],
        ),
        (
            "tag.role=",
            &["`tag.role` is empty: give it a value or omit it"],
        ),
        (
            "vm_scale_set=web",
            &["`resource_group` is missing (`vm_scale_set` is given)"],
        ),
        (
            "resource_group=prod",
            &["`resource_group` alone selects nothing"],
        ),
        (
            "resource_group= vm_scale_set=web",
            &["`resource_group` is empty: give it a value or omit it"],
        ),
        (
            "resource_group=prod vm_scale_set=",
            &["`resource_group` alone selects nothing"],
        ),
        (
            "resource_group=a,b vm_scale_set=web",
            &[
                "`resource_group` must be one with `vm_scale_set`: a scale set is in one resource group",
            ],
        ),
        (
            "tag_name=consul tag_value=server resource_group=a,,b",
            &["`resource_group` must be a comma-separated list, not \"a,,b\""],
        ),
        (
            "tag_name=role tag_value=a tag.Role=b",
            &[
                "`tag.Role` and `tag_name` require two values of one tag, `role`, which no resource can have",
            ],
        ),
        (
            "resource_group=prod vm_scale_set=web tag_on=vm",
            &["`tag_on` is given without a tag"],
        ),
        (
            "resource_group=prod vm_scale_set=web lookup=list",
            &["`lookup` is given without a tag"],
        ),
        (
            "resource_group=prod vm_scale_set=web tag.role=a lookup=index",
            &["`lookup=index` finds tagged resources and has no meaning with `vm_scale_set`"],
        ),
        (
            "tag.role=a orchestration_mode=flexible",
            &["`orchestration_mode` is given without `vm_scale_set`"],
        ),
        (
            "tag.role=a tag_on=vmss",
            &["`tag_on` must be a comma-separated list of nic, vm, scale_set, not \"vmss\""],
        ),
        (
            "tag.role=a address_type=v4",
            &[
                "`address_type` must be one of private, private_v4, private_v6, public, public_v4, public_v6, not \"v4\"",
            ],
        ),
        (
            "tag.role=a interfaces=first",
            &["`interfaces` must be one of all, primary, not \"first\""],
        ),
        (
            "tag.role=a power_state=on",
            &["`power_state` must be one of any, running, not \"on\""],
        ),
        (
            "tag.role=a subscription_id=prod",
            &[
                "`subscription_id` must be a GUID such as 00000000-0000-0000-0000-000000000000, or `self`, not \"prod\"",
            ],
        ),
        (
            "tag.role=a subscription_id=",
            &["`subscription_id` is empty: give it a value or omit it"],
        ),
        (
            "tag.role=a secret_access_key=x",
            &[
                "`tenant_id` is missing (`secret_access_key` is given)",
                "`client_id` is missing (`secret_access_key` is given)",
            ],
        ),
        (
            "tag.role=a client_secret=x client_id=c",
            &["`tenant_id` is missing (`client_secret` is given)"],
        ),
        (
            "tag.role=a client_secret=x client_id=c tenant_id=",
            &["`tenant_id` is empty: give it a value or omit it"],
        ),
        (
            "tag.role=a client_secret=x secret_access_key=y tenant_id=t client_id=c",
            &[
                "`secret_access_key` and `client_secret` are two names of one option and have different values: keep one",
            ],
        ),
        (
            "tag.role=a tenant_id=../x",
            &["`tenant_id` must be a GUID or a domain such as contoso.example"],
        ),
        (
            "tag.role=a identity_object_id=o identity_resource_id=r",
            &["`identity_object_id` and `identity_resource_id` both choose the managed identity"],
        ),
        (
            "tag.role=a client_id=c identity_resource_id=r",
            &["`client_id` and `identity_resource_id` both choose the managed identity"],
        ),
        (
            "tag.role=a identity_resource_id=r tenant_id=t secret_access_key=x client_id=c",
            &[
                "`identity_resource_id` chooses a managed identity, which has no secret, and `secret_access_key` is given",
            ],
        ),
        (
            "tag.role=a arm_endpoint=http://management.example",
            &[
                "`arm_endpoint` must begin with https:// (http only to 127.0.0.1, ::1 or localhost), since a token is sent there",
            ],
        ),
        (
            "tag.role=a arm_endpoint=https://management.example/subscriptions",
            &[
                "`arm_endpoint` must end after the host and port, as https://management.example",
                "`arm_endpoint` is not the Azure Resource Manager of the cloud `public`, and tokens for https://management.azure.com/ would be sent to https://management.example",
            ],
        ),
        (
            "tag.role=a authority_host=http://login.example",
            &[
                "`authority_host` must begin with https:// (http only to 127.0.0.1, ::1 or localhost), since a token is sent there",
            ],
        ),
        (
            "tag.role=a metadata_endpoint=http://10.0.0.4",
            &[
                "`metadata_endpoint` must begin with https:// (http only to a loopback or link-local address), since a token is read from there",
            ],
        ),
    ];
    for (string, expected) in table {
        assert_eq!(problems(string), *expected, "{string}");
    }
}

#[test]
fn every_problem_of_a_string_is_reported_at_once() {
    assert_eq!(
        problems(
            "subscription_id=x vm_scale_set=web tag_name=a power_state=on secret_access_key=s arm_endpoint=http://far.example"
        ),
        [
            "`subscription_id` must be a GUID such as 00000000-0000-0000-0000-000000000000, or `self`, not \"x\"",
            "`power_state` must be one of any, running, not \"on\"",
            "`arm_endpoint` must begin with https:// (http only to 127.0.0.1, ::1 or localhost), since a token is sent there",
            "`tag_value` is missing (`tag_name` is given)",
            "`resource_group` is missing (`vm_scale_set` is given)",
            "`tenant_id` is missing (`secret_access_key` is given)",
            "`client_id` is missing (`secret_access_key` is given)",
        ]
    );
}

#[test]
fn a_problem_says_what_to_write_instead() {
    let Err(error) = read("tag_name=consul", []) else {
        panic!("accepted")
    };
    assert_eq!(error.hint().as_deref(), Some("add `tag_value=...`"));
    let Err(error) = read("tag.role=a client_secret=x client_id=c", []) else {
        panic!("accepted")
    };
    assert_eq!(
        error.hint().as_deref(),
        Some("add `tenant_id=...`, or set `ARM_TENANT_ID`")
    );
}

#[test]
fn a_variable_replaces_an_absent_key_and_not_an_empty_one() {
    let variables = [("ARM_SUBSCRIPTION_ID", SUBSCRIPTION)];
    assert_eq!(
        read(TAG, variables).unwrap().config().subscription_id,
        SUBSCRIPTION
    );
    assert_eq!(
        problems_with(&format!("{TAG} subscription_id="), variables),
        ["`subscription_id` is empty: give it a value or omit it"]
    );
    // An empty variable counts as absent, as it does for go-discover, and the next one is asked.
    let both = [
        ("ARM_SUBSCRIPTION_ID", ""),
        ("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION),
    ];
    assert_eq!(
        read(TAG, both).unwrap().config().subscription_id,
        SUBSCRIPTION
    );
    let string = "88888888-8888-4888-8888-888888888888";
    assert_eq!(
        read(&format!("{TAG} subscription_id={string}"), variables)
            .unwrap()
            .config()
            .subscription_id,
        string
    );
}

#[test]
fn a_bad_variable_is_named_in_the_message() {
    assert_eq!(
        problems_with(TAG, [("ARM_SUBSCRIPTION_ID", "prod")]),
        [
            "environment variable `ARM_SUBSCRIPTION_ID` must be a GUID such as 00000000-0000-0000-0000-000000000000, or `self`, not \"prod\""
        ]
    );
    assert_eq!(
        problems_with(TAG, [("ARM_CLIENT_SECRET", "x")]),
        [
            "`tenant_id` is missing (`ARM_CLIENT_SECRET` is given)",
            "`client_id` is missing (`ARM_CLIENT_SECRET` is given)"
        ]
    );
    assert_eq!(
        problems_with(
            TAG,
            [("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://10.0.0.4")]
        ),
        [
            "`AZURE_POD_IDENTITY_AUTHORITY_HOST` must begin with https:// (http only to a loopback or link-local address), since a token is read from there"
        ]
    );
}

#[test]
fn an_empty_value_counts_as_absent_and_keeps_the_variable_out() {
    let set = "resource_group=prod vm_scale_set=web";
    let equal = [
        (
            format!(
                "{TAG} resource_group= vm_scale_set= tenant_id= client_id= secret_access_key= msft_telemetry_opt_in="
            ),
            TAG,
        ),
        (format!("{TAG} client_secret="), TAG),
        (format!("{set} tag_name= tag_value= tenant_id="), set),
    ];
    for (string, plain) in equal {
        assert_eq!(
            configured(&string).config(),
            configured(plain).config(),
            "{string}"
        );
    }
    // It does not fall back to the variable, which is of no use without the rest.
    assert_eq!(
        problems_with(
            &format!("{TAG} client_secret="),
            [("ARM_CLIENT_SECRET", "x")]
        ),
        [""; 0]
    );
}

#[test]
fn an_empty_value_of_any_key_but_the_subscription_is_no_problem() {
    // An empty `subscription_id` would mean the machine's own, and a further tag needs its value.
    for spec in KEYS
        .iter()
        .filter(|spec| spec.name != "subscription_id" && spec.placeholder.is_none())
    {
        for name in spec.names() {
            let string = if TAG.contains(name) {
                "tag.role=a"
            } else {
                TAG
            };
            assert_eq!(
                configured(&format!("{string} {name}=")).config(),
                configured(string).config(),
                "{name}"
            );
        }
    }
}

#[test]
fn every_variable_of_the_table_reaches_the_reader() {
    let table: &[(&str, &str, &str)] = &[
        ("ARM_SUBSCRIPTION_ID", SUBSCRIPTION, SUBSCRIPTION),
        ("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION, SUBSCRIPTION),
        ("ARM_TENANT_ID", "../x", "`ARM_TENANT_ID` must be"),
        ("ARM_CLIENT_SECRET", "x", "`ARM_CLIENT_SECRET` is given"),
        (
            "AZURE_TOKEN_CREDENTIALS",
            "x",
            "`AZURE_TOKEN_CREDENTIALS` must be",
        ),
        ("ARM_ENVIRONMENT", "china", "management.chinacloudapi.cn"),
        (
            "AZURE_AUTHORITY_HOST",
            "https://login.example",
            "login.example",
        ),
        (
            "AZURE_POD_IDENTITY_AUTHORITY_HOST",
            "http://10.0.0.4",
            "`AZURE_POD_IDENTITY_AUTHORITY_HOST` must begin",
        ),
    ];
    for (variable, value, trace) in table {
        let shown = format!("{:?}", read(TAG, [(*variable, *value)]));
        assert!(shown.contains(trace), "{variable}: {shown}");
    }
    let secret = [
        ("ARM_CLIENT_SECRET", "x"),
        ("ARM_TENANT_ID", "t"),
        ("ARM_CLIENT_ID", "c"),
    ];
    assert_eq!(problems_with(TAG, secret), [""; 0]);
    // Variables of another program do not contradict the managed identity that the string chooses.
    assert_eq!(
        problems_with(&format!("{TAG} identity_resource_id=r"), secret),
        [""; 0]
    );
    // Of the one that is left nothing is to be seen: no telemetry is sent.
    let tested: Vec<&str> = table
        .iter()
        .map(|row| row.0)
        .chain(["ARM_CLIENT_ID", "OPT_IN_MSFT_TELEMETRY"])
        .collect();
    for variable in KEYS.iter().flat_map(|spec| spec.env) {
        assert!(tested.contains(variable), "{variable}");
    }
}

#[test]
fn a_string_becomes_a_selection() {
    let azure = configured(
        "resource_group=prod vm_scale_set=web orchestration_mode=Flexible tag_on=vm,scale_set tag_name=a tag_value=1 tag.b=2",
    );
    let Selection::ScaleSet {
        resource_group,
        name,
        orchestration_mode,
        tags,
    } = &azure.config().selection
    else {
        panic!("{azure:?}")
    };
    assert_eq!(
        (resource_group.as_str(), name.as_str(), *orchestration_mode),
        ("prod", "web", Some(OrchestrationMode::Flexible))
    );
    let tags = tags.as_ref().unwrap();
    let conditions: Vec<_> = tags
        .conditions
        .iter()
        .map(|condition| (condition.name.as_str(), condition.value.as_str()))
        .collect();
    assert_eq!(conditions, [("a", "1"), ("b", "2")]);
    assert_eq!(tags.places, [TagPlace::Instance, TagPlace::ScaleSet]);

    let azure = configured("tag.role=a resource_group=One,two,ONE lookup=index");
    let Selection::Tag {
        resource_groups,
        lookup,
        tags,
    } = &azure.config().selection
    else {
        panic!("{azure:?}")
    };
    assert_eq!(
        (resource_groups.as_slice(), *lookup),
        (
            ["One".to_owned(), "two".to_owned()].as_slice(),
            Lookup::Index
        )
    );
    assert_eq!(tags.places, [TagPlace::NetworkInterface]);

    assert_eq!(
        configured("vm_scale_set=self").subject(),
        "scale set `self` of resource group `self`"
    );
    assert_eq!(
        configured("tag_name=a tag_value=1 tag.A=1").subject(),
        "tag `a` = `1` on the network interface"
    );
}

#[test]
fn the_result_is_go_discovers_by_default() {
    let config = configured(TAG).config().clone();
    assert_eq!(
        (config.address_type, config.interfaces, config.power_state),
        (AddressType::Private, Interfaces::All, PowerState::Any)
    );
    let config = configured(&format!(
        "{TAG} address_type=public_v6 interfaces=primary power_state=running"
    ))
    .config()
    .clone();
    assert_eq!(
        (config.address_type, config.interfaces, config.power_state),
        (
            AddressType::PublicV6,
            Interfaces::Primary,
            PowerState::Running
        )
    );
}

#[test]
fn the_cloud_comes_from_the_string_before_the_environment() {
    let cloud = |string: &str, variables: [(&str, &str); 2]| {
        let azure = read(
            &format!("{TAG} subscription_id={SUBSCRIPTION} {string}"),
            variables,
        )
        .unwrap();
        let cloud = azure.cloud();
        (
            cloud.environment,
            cloud.authority.to_string(),
            cloud.resource_manager.to_string(),
            cloud.scope(),
        )
    };
    let none = [("A", ""), ("B", "")];
    let public = (
        "https://login.microsoftonline.com/",
        "https://management.azure.com/",
        "https://management.azure.com/.default",
    );
    let china = (
        "https://login.chinacloudapi.cn/",
        "https://management.chinacloudapi.cn/",
        "https://management.core.chinacloudapi.cn/.default",
    );
    let of = |environment, (authority, arm, scope): (&str, &str, &str)| {
        (
            environment,
            authority.to_owned(),
            arm.to_owned(),
            scope.to_owned(),
        )
    };

    assert_eq!(cloud("", none), of(Environment::Public, public));
    for word in ["china", "China", "AzureChinaCloud", "AZURECHINACLOUD"] {
        assert_eq!(
            cloud(&format!("environment={word}"), none),
            of(Environment::China, china),
            "{word}"
        );
    }
    assert_eq!(
        cloud("", [("ARM_ENVIRONMENT", "china"), ("B", "")]),
        of(Environment::China, china)
    );
    assert_eq!(
        cloud(
            "environment=public",
            [("ARM_ENVIRONMENT", "china"), ("B", "")]
        ),
        of(Environment::Public, public)
    );
    // The authority of a cloud tells the cloud, and does not outrank the string.
    let authority = [
        ("AZURE_AUTHORITY_HOST", "https://login.chinacloudapi.cn/"),
        ("B", ""),
    ];
    assert_eq!(cloud("", authority), of(Environment::China, china));
    assert_eq!(
        cloud("environment=public", authority),
        of(Environment::Public, public)
    );
    assert_eq!(
        cloud(
            "authority_host=https://login.microsoftonline.com",
            authority
        ),
        of(Environment::Public, public)
    );

    let stack = "arm_endpoint=https://management.local.azurestack.external authority_host=https://login.local audience=https://management.local/4de154de";
    assert_eq!(
        cloud(stack, none),
        of(
            Environment::Public,
            (
                "https://login.local/",
                "https://management.local.azurestack.external/",
                "https://management.local/4de154de/.default"
            )
        )
    );
}

#[test]
fn a_host_that_is_not_the_clouds_own_gets_no_token_for_the_cloud_unasked() {
    let is_own = |string: &str| problems(&format!("{TAG} {string}")).is_empty();
    for own in [
        "arm_endpoint=https://management.azure.com",
        "arm_endpoint=https://westeurope.management.azure.com",
        "arm_endpoint=https://management.chinacloudapi.cn environment=china",
        "arm_endpoint=https://management.chinacloudapi.cn authority_host=https://login.chinacloudapi.cn",
        "authority_host=https://login.microsoftonline.us",
    ] {
        assert!(is_own(own), "{own}");
    }
    for foreign in [
        "arm_endpoint=https://management.azure.com.evil.example",
        "arm_endpoint=https://management.chinacloudapi.cn",
        "arm_endpoint=https://management.azure.com environment=china",
        "arm_endpoint=http://127.0.0.1:9",
        "authority_host=https://login.microsoftonline.com.evil.example",
        "authority_host=https://login.local environment=public",
    ] {
        assert!(
            !is_own(foreign) && is_own(&format!("{foreign} audience=https://management.local/")),
            "{foreign}"
        );
    }
    let unknown = [("AZURE_AUTHORITY_HOST", "https://login.example")];
    assert_eq!(
        problems_with(TAG, unknown),
        [
            "`AZURE_AUTHORITY_HOST` is no Microsoft Entra ID of a known cloud, and credentials would be sent to https://login.example for tokens for https://management.azure.com/"
        ]
    );
    let Err(error) = read(TAG, unknown) else {
        panic!("accepted")
    };
    assert_eq!(
        error.hint().as_deref(),
        Some(
            "if you trust this host, name the audience of its tokens with `audience=...`, or choose the cloud with `environment=...`"
        )
    );
}

#[test]
fn a_variable_that_the_string_outranks_is_not_judged() {
    let variables = [
        ("AZURE_AUTHORITY_HOST", "login.example"),
        ("ARM_ENVIRONMENT", "AzureGermanCloud"),
    ];
    assert_eq!(
        problems_with(&format!("{TAG} environment=public"), variables),
        [""; 0]
    );
    assert_eq!(
        problems_with(
            &format!("{TAG} identity_resource_id=r"),
            [("ARM_TENANT_ID", "../x")]
        ),
        [""; 0]
    );
    // An empty variable chooses nothing, and a wrong one is judged where it counts.
    assert_eq!(
        problems_with(TAG, [("AZURE_AUTHORITY_HOST", "login.example")]).len(),
        1
    );
}

#[test]
fn a_secret_in_a_string_is_in_no_debug_and_no_error() {
    let canary = "canary-7f3a";
    let secret = format!("subscription_id={SUBSCRIPTION} {TAG} tenant_id=t client_id=c");
    let good = read(&format!("{secret} client_secret={canary}"), []).unwrap();
    assert!(!format!("{good:?} {good:#?} {}", good.subject()).contains(canary));
    for bad in [
        format!("{TAG} client_secret={canary}"),
        format!("{secret} client_secret={canary} secret_access_key={canary}2"),
        format!("{TAG} client_secert={canary}="),
    ] {
        let Ok(config) = bad.parse::<ConfigString>() else {
            continue;
        };
        let context = Context::builder().env(Env::empty()).build().unwrap();
        if let Err(error) = SPEC.build(&config, &context) {
            assert!(
                !format!("{error} {error:?} {:?}", error.hint()).contains(canary),
                "{error:?}"
            );
        }
    }
}

#[test]
fn a_selection_made_by_a_program_is_checked_too() {
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let problems = |selection: Selection, subscription: &str| {
        let builder = AzureBuilder::new(&context, AzureConfig::new(subscription, selection));
        match builder.build() {
            Err(Error::Config(error)) => error
                .problems()
                .iter()
                .map(|problem| problem.message.clone())
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    let no_guid = "`subscription_id` must be a GUID such as 00000000-0000-0000-0000-000000000000, or `self`, not \"x\"";
    let nothing = || Selection::tags(Tags::on_network_interface(Vec::new()));
    assert_eq!(problems(nothing(), "x"), [no_guid, "nothing is selected"]);
    assert_eq!(problems(nothing(), SUBSCRIPTION), ["nothing is selected"]);
    let empty = Tags::on_network_interface(vec![TagCondition::new("consul", "")]);
    assert_eq!(
        problems(Selection::tags(empty), SUBSCRIPTION),
        ["a tag has an empty name or value"]
    );
    assert_eq!(
        problems(Selection::scale_set("", ""), SUBSCRIPTION),
        ["`vm_scale_set` is empty", "`resource_group` is empty"]
    );
}

#[test]
fn the_registry_entry_builds_a_provider() {
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let provider = SPEC
        .build(&format!("provider=azure {TAG}").parse().unwrap(), &context)
        .unwrap();
    assert_eq!(
        (provider.name(), provider.subject().as_str()),
        ("azure", "tag `consul` = `server` on the network interface")
    );
    assert_eq!(SPEC.keys, KEYS);
}

#[test]
fn the_scope_has_what_join_string_and_environment_resolve_to() {
    let scope = |string: &str, variables: [(&str, &str); 2]| {
        read(string, variables)
            .unwrap()
            .scope()
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
    };
    let endpoints = [
        "environment=public",
        "authority_host=https://login.microsoftonline.com/",
        "arm_endpoint=https://management.azure.com/",
    ];
    let other = "88888888-8888-4888-8888-888888888888";
    let first = scope(
        TAG,
        [
            ("ARM_SUBSCRIPTION_ID", SUBSCRIPTION),
            ("ARM_TENANT_ID", "contoso.example"),
        ],
    );
    assert_eq!(first[..3], endpoints);
    assert_eq!(
        first[3..],
        [
            "tenant_id=contoso.example".to_owned(),
            format!("subscription_id={SUBSCRIPTION}")
        ]
    );
    assert_ne!(
        scope(
            TAG,
            [
                ("ARM_SUBSCRIPTION_ID", other),
                ("ARM_TENANT_ID", "contoso.example")
            ]
        ),
        first
    );
    // What `self` stands for is not known before the machine was asked.
    let own = scope(
        &format!("subscription_id=self {TAG}"),
        [("ARM_ENVIRONMENT", "usgovernment"), ("AZURE_TENANT_ID", "")],
    );
    assert!(
        own[0] == "environment=usgovernment" && own.len() == 3,
        "{own:?}"
    );
}
