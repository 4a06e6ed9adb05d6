package peers

import "fmt"

// object is JSON.
type object = map[string]any

// numbered makes so many items.
func numbered(from, to int, item func(int) object) []object {
	items := []object{}
	for i := from; i <= to; i++ {
		items = append(items, item(i))
	}
	return items
}

// addressesOf are the addresses that `form` makes of the numbers.
func addressesOf(from, to int, form string) []string {
	var all []string
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprintf(form, i))
	}
	return all
}

// allProviderCases are strings as in documentation and public configurations, with other values.
var allProviderCases = []providerCases{
	digitalocean(), linode(), scaleway(), softlayer(), aliyun(), tencentcloud(), packet(), triton(),
	srv, mdns, aws, azure, gce, k8s, openstack, vsphere,
}

// The environment of another program on the machine holds the credential.
const ofEnvironment = "credentials of the environment"

// A key that go-discover sends empty, whatever the cloud makes of it.
const requiredKeys = "required keys"

// Several values between commas.
const lists = "lists"

func digitalocean() providerCases {
	droplet := func(id int, region, status string, tags ...string) object {
		networks := object{"v4": []object{
			{"ip_address": fmt.Sprintf("192.0.2.%d", id), "type": "public"},
			{"ip_address": fmt.Sprintf("10.110.0.%d", id), "type": "private"},
		}, "v6": []object{}}
		return object{"id": id, "name": fmt.Sprintf("consul-%d", id), "status": status, "region": object{"slug": region}, "tags": tags, "networks": networks}
	}
	const host, path = "api.digitalocean.com", "/v2/droplets"
	token := map[string]string{"authorization": "Bearer t0ken"}
	link := "{origin}/v2/droplets?page=2&per_page=200&tag_name=consul"
	consul := []object{droplet(1, "nyc3", "active", "consul", "prod"), droplet(2, "fra1", "off", "consul", "prod"), droplet(3, "fra1", "active", "consul")}
	none := object{"droplets": []object{}, "links": object{}}
	return providerCases{"digitalocean", []exchange{
		{host: host, path: path, query: map[string]string{"tag_name": "consul", "page": "2"}, headers: token, reply: object{"droplets": consul[2:], "links": object{"pages": object{"prev": "{origin}/v2/droplets?page=1"}}}},
		{host: host, path: path, query: map[string]string{"tag_name": "consul"}, headers: token, reply: object{"droplets": consul[:2], "links": object{"pages": object{"next": link, "last": link}}}},
		{host: host, path: path, query: map[string]string{"tag_name": "env:prod"}, headers: token, reply: object{"droplets": []object{droplet(4, "ams3", "active", "env:prod")}, "links": object{}}},
		{host: host, path: path, query: map[string]string{"tag_name": "new"}, headers: token, reply: object{"droplets": []object{{"id": 9, "name": "new", "status": "new", "tags": []string{"new"}, "networks": nil, "region": object{"slug": "fra1"}}}, "links": object{}}},
		{host: host, path: path, query: map[string]string{"tag_name": ""}, headers: token, reply: object{"droplets": append(consul, droplet(7, "nyc3", "active")), "links": object{}}},
		{host: host, path: path, headers: token, reply: none},
		{host: host, path: path, status: 401, reply: object{"id": "Unauthorized", "message": "Unable to authenticate you"}},
	}, append(malformed(),
		gives("api_token=t0ken tag_name=consul", "10.110.0.1", "10.110.0.2", "10.110.0.3"),
		gives("region=fra1 tag_name=consul api_token=t0ken", "10.110.0.2", "10.110.0.3"),
		gives("region=nyc3 tag_name=consul api_token=t0ken", "10.110.0.1"),
		gives(`api_token="t0ken" tag_name="consul"`, "10.110.0.1", "10.110.0.2", "10.110.0.3"),
		gives(`region="" tag_name=consul api_token=t0ken`, "10.110.0.1", "10.110.0.2", "10.110.0.3"),
		gives("tag_name=env:prod api_token=t0ken", "10.110.0.4"),
		matchesNothing("tag_name=nomad api_token=t0ken"),
		matchesNothing("tag_name=consul region=sfo1 api_token=t0ken"),
		refused("tag_name=consul api_token=wrong", "Unable to authenticate", "Unable to authenticate"),
		refused("tag_name=consul", "Unable to authenticate", "`api_token` is missing"),
		differs("tag_name=consul", ofEnvironment, fails("Unable to authenticate"), found("10.110.0.1", "10.110.0.2", "10.110.0.3")).with("DIGITALOCEAN_TOKEN=t0ken"),
		differs("api_token=t0ken", requiredKeys, found("10.110.0.1", "10.110.0.2", "10.110.0.3", "10.110.0.7"), fails("`tag_name` is missing")),
		differs("tag_name=consul,prod api_token=t0ken", lists, found(), found("10.110.0.1", "10.110.0.2")),
		differs("tag_name=new api_token=t0ken", "new resources", fails("no networks have been defined"), nothing("1 no address")),
	)}
}

func linode() providerCases {
	const host = "api.linode.com"
	type machine struct {
		id     int
		region string
		tags   []string
	}
	all := []machine{{1, "us-ord", []string{"consul"}}, {2, "us-ord", []string{"consul"}}, {3, "us-east", []string{"consul"}}, {4, "us-east", []string{"other"}}}
	item := func(m machine) object {
		return object{"id": m.id, "label": fmt.Sprintf("linode-%d", m.id), "status": "running", "region": m.region, "tags": m.tags, "created": "2026-01-01T00:01:01", "updated": "2026-01-01T00:01:01",
			"ipv4": []string{fmt.Sprintf("203.0.113.%d", m.id), fmt.Sprintf("192.168.129.%d", m.id)}, "ipv6": fmt.Sprintf("2001:db8::f03c:91ff:fe24:%d/128", m.id)}
	}
	address := func(text string) object { return object{"address": text} }
	token := map[string]string{"authorization": "Bearer t0ken"}
	var exchanges []exchange
	lists_ := map[string]func(machine) bool{
		`{"region":"us-ord","tags":"consul"}`:  func(m machine) bool { return m.region == "us-ord" && m.tags[0] == "consul" },
		`{"region":"us-east","tags":"consul"}`: func(m machine) bool { return m.region == "us-east" && m.tags[0] == "consul" },
		`{"tags":"consul"}`:                    func(m machine) bool { return m.tags[0] == "consul" },
		`{"tags":"nomad"}`:                     func(machine) bool { return false },
		`{"region":"us-east"}`:                 func(m machine) bool { return m.region == "us-east" },
		`{}`:                                   func(machine) bool { return true },
	}
	for filter, matches := range lists_ {
		data := []object{}
		for _, m := range all {
			if matches(m) {
				data = append(data, item(m))
			}
		}
		exchanges = append(exchanges, exchange{host: host, path: "/v4/linode/instances", headers: map[string]string{"authorization": "Bearer t0ken", "x-filter": filter},
			reply: object{"data": data, "page": 1, "pages": 1, "results": len(data)}})
	}
	vpc := []object{}
	for _, m := range all {
		exchanges = append(exchanges, exchange{host: host, path: fmt.Sprintf("/v4/linode/instances/%d/ips", m.id), headers: token, reply: object{
			"ipv4": object{"public": []object{address(fmt.Sprintf("203.0.113.%d", m.id))}, "private": []object{address(fmt.Sprintf("192.168.129.%d", m.id))},
				"vpc": []object{{"address": fmt.Sprintf("10.0.0.%d", m.id), "active": true}}},
			"ipv6": object{"slaac": address(fmt.Sprintf("2001:db8::f03c:91ff:fe24:%d", m.id)), "link_local": address(fmt.Sprintf("fe80::f03c:91ff:fe24:%d", m.id)), "global": []object{}},
		}})
		vpc = append(vpc, object{"address": fmt.Sprintf("10.0.0.%d", m.id), "linode_id": m.id, "active": true})
	}
	exchanges = append(exchanges,
		exchange{host: host, path: "/v4/vpcs/ips", headers: token, reply: object{"data": vpc, "page": 1, "pages": 1, "results": len(vpc)}},
		exchange{host: host, path: "/v4/linode/instances", status: 401, reply: object{"errors": []object{{"reason": "Invalid Token"}}}},
	)
	private := addressesOf(1, 3, "192.168.129.%d")
	return providerCases{"linode", exchanges, append(malformed(),
		gives("tag_name=consul api_token=t0ken", private...),
		gives("tag_name=consul region=us-east api_token=t0ken", "192.168.129.3"),
		gives("tag_name=consul region=us-ord address_type=private_v4 api_token=t0ken", "192.168.129.1", "192.168.129.2"),
		gives("tag_name=consul region=us-ord address_type=public_v4 api_token=t0ken", "203.0.113.1", "203.0.113.2"),
		gives("tag_name=consul region=us-ord address_type=public_v6 api_token=t0ken", "2001:db8::f03c:91ff:fe24:1", "2001:db8::f03c:91ff:fe24:2"),
		gives("tag_name=consul region=us-east address_type=private_v6 api_token=t0ken", "fe80::f03c:91ff:fe24:3"),
		gives("tag_name=consul region=us-ord address_type=vpc_v4 api_token=t0ken", "10.0.0.1", "10.0.0.2"),
		gives("region=us-east api_token=t0ken", "192.168.129.3", "192.168.129.4"),
		gives("api_token=t0ken", addressesOf(1, 4, "192.168.129.%d")...),
		gives("tag_name=consul", private...).with("LINODE_TOKEN=t0ken"),
		gives(`tag_name=consul api_token=""`, private...).with("LINODE_TOKEN=t0ken"),
		matchesNothing("tag_name=nomad api_token=t0ken"),
		refused("tag_name=consul api_token=wrong", "Invalid Token", "Invalid Token"),
		refused("tag_name=consul", "Invalid Token", "`api_token` is missing"),
		differs("tag_name=consul address_type=private api_token=t0ken", "words of keys", found(private...),
			found("192.168.129.1", "192.168.129.2", "192.168.129.3", "fe80::f03c:91ff:fe24:1", "fe80::f03c:91ff:fe24:2", "fe80::f03c:91ff:fe24:3")),
		differs("tag_name=consul address_type=public_ipv4 api_token=t0ken", "words of keys", found(private...), fails("`address_type`")),
	)}
}

func scaleway() providerCases {
	server := func(id int, ip any, tags ...string) object {
		return object{"id": fmt.Sprintf("server-%d", id), "name": fmt.Sprintf("consul-%d", id), "state": "running", "tags": tags, "private_ip": ip, "public_ip": object{"address": fmt.Sprintf("51.15.0.%d", id)}, "private_nics": []object{}}
	}
	old := []object{server(1, "10.1.0.1", "consul", "prod"), server(2, "10.1.0.2", "consul")}
	token := map[string]string{"x-auth-token": "t0ken"}
	count := func(n int) map[string]string { return map[string]string{"X-Total-Count": fmt.Sprint(n)} }
	of := func(zone, tag string, servers []object) exchange {
		return exchange{host: "api.scaleway.com", path: "/instance/v1/zones/" + zone + "/servers", query: map[string]string{"tags": tag}, headers: token, replyHeaders: count(len(servers)), reply: object{"servers": servers}}
	}
	var exchanges []exchange
	for host, servers := range map[string][]object{
		"cp-par1.scaleway.com": append(old, server(3, nil, "today"), server(4, "10.1.0.4", "env=prod")),
		"cp-ams1.scaleway.com": {server(5, "10.2.0.5", "consul")},
	} {
		exchanges = append(exchanges,
			exchange{method: "HEAD", host: host, path: "/servers", headers: token, replyHeaders: count(len(servers))},
			exchange{host: host, path: "/servers", headers: token, replyHeaders: count(len(servers)), reply: object{"servers": servers}},
			exchange{host: host, path: "/servers", status: 401, reply: object{"type": "invalid_auth", "message": "authentication is denied"}},
			exchange{method: "HEAD", host: host, path: "/servers", status: 401},
		)
	}
	exchanges = append(exchanges,
		of("fr-par-1", "consul", old), of("nl-ams-1", "consul", []object{server(5, "10.2.0.5", "consul")}), of("pl-waw-2", "consul", []object{server(6, "10.3.0.6", "consul")}),
		of("fr-par-1", "today", []object{server(3, nil, "today")}), of("fr-par-1", "env=prod", []object{server(4, "10.1.0.4", "env=prod")}), of("fr-par-1", "nomad", []object{}),
		exchange{host: "api.scaleway.com", path: "/instance/v1/zones/fr-par-1/servers", status: 401, reply: object{"type": "denied_authentication", "message": "authentication is denied"}},
	)
	for _, region := range []string{"fr-par", "nl-ams", "pl-waw"} {
		exchanges = append(exchanges, exchange{host: "api.scaleway.com", path: "/ipam/v1/regions/" + region + "/ips", reply: object{"ips": []object{}, "total_count": 0}})
	}
	return providerCases{"scaleway", exchanges, append(malformed(),
		gives("organization=my-org tag_name=consul token=t0ken region=par1", "10.1.0.1", "10.1.0.2"),
		gives("organization=my-org tag_name=consul token=t0ken", "10.1.0.1", "10.1.0.2"),
		gives("organization=my-org tag_name=consul token=t0ken region=ams1", "10.2.0.5"),
		gives("token=t0ken tag_name=consul", "10.1.0.1", "10.1.0.2"),
		gives(`token=t0ken tag_name=consul region=""`, "10.1.0.1", "10.1.0.2"),
		gives(`token=t0ken tag_name="env=prod"`, "10.1.0.4"),
		matchesNothing("organization=my-org token=t0ken tag_name=nomad"),
		refused("organization=my-org tag_name=consul token=wrong", "authentication is denied", "authentication is denied"),
		refused("organization=my-org tag_name=consul", "authentication is denied", "`token` is missing"),
		refused("organization=my-org tag_name=consul token=t0ken region=paris", "paris isn't a valid region", "`region` isn't a zone"),
		differs("tag_name=consul", ofEnvironment, fails("authentication is denied"), found("10.1.0.1", "10.1.0.2")).with("SCW_SECRET_KEY=t0ken"),
		differs("tag_name=consul token=t0ken region=pl-waw-2", "zones of today", fails("pl-waw-2 isn't a valid region"), found("10.3.0.6")),
		differs("tag_name=consul,prod token=t0ken", lists, found(), found("10.1.0.1")),
		differs("token=t0ken", requiredKeys, found(), fails("`tag_name` is missing")),
		// What is printed for it is an empty word.
		differs("tag_name=today token=t0ken", "new resources", found(), nothing("1 other address type")),
	)}
}

func softlayer() providerCases {
	guest := func(id int) object {
		return object{"id": id, "hostname": fmt.Sprintf("consul-%d", id), "domain": "example.com", "primaryBackendIpAddress": fmt.Sprintf("10.45.0.%d", id), "primaryIpAddress": fmt.Sprintf("192.0.2.%d", id),
			"datacenter": object{"name": "dal06"}, "tagReferences": []object{{"tag": object{"name": "consul"}}}, "powerState": object{"keyName": "RUNNING"}}
	}
	const host, path = "api.softlayer.com", "/rest/v3/SoftLayer_Account/getVirtualGuests.json"
	filter := func(datacenter, tag string) map[string]string {
		equal := func(value string) string { return `{"name":{"operation":"` + value + `"}}` }
		return map[string]string{"objectFilter": `{"virtualGuests":{"datacenter":` + equal(datacenter) + `,"tagReferences":{"tag":` + equal(tag) + `}}}`}
	}
	login := map[string]string{"authorization": "Basic dXNlcjprM3k="}
	found3 := addressesOf(1, 3, "10.45.0.%d")
	return providerCases{"softlayer", []exchange{
		{host: host, path: path, query: filter("dal06", "consul"), headers: login, reply: numbered(1, 3, guest)},
		{host: host, path: path, query: filter("~dal", "consul"), headers: login, reply: numbered(1, 3, guest)},
		{host: host, path: path, query: filter("fra02", "consul server"), headers: login, reply: numbered(4, 4, guest)},
		{host: host, path: path, query: map[string]string{"objectFilter": `{"virtualGuests":{"tagReferences":{"tag":{"name":{"operation":"consul"}}}}}`}, headers: login, reply: numbered(1, 4, guest)},
		{host: host, path: path, headers: login, reply: []object{}},
		{host: host, path: path, status: 401, reply: object{"error": "Invalid API token.", "code": "SoftLayer_Exception_InvalidLegacyToken"}},
	}, append(malformed(),
		gives("datacenter=dal06 tag_value=consul username=user api_key=k3y", found3...),
		gives("tag_value=consul api_key=k3y username=user datacenter=dal06", found3...),
		gives(`datacenter="dal06" tag_value="consul" username="user" api_key="k3y"`, found3...),
		gives("datacenter=~dal tag_value=consul username=user api_key=k3y", found3...),
		gives(`datacenter=fra02 tag_value="consul server" username=user api_key=k3y`, "10.45.0.4"),
		gives("datacenter=dal06 tag_value=consul", found3...).with("SL_USERNAME=user", "SL_API_KEY=k3y"),
		gives("datacenter=dal06 tag_value=consul", found3...).with("SOFTLAYER_USERNAME=user", "SOFTLAYER_API_KEY=k3y"),
		gives(`datacenter=dal06 tag_value=consul username="" api_key=""`, found3...).with("SL_USERNAME=user", "SL_API_KEY=k3y"),
		gives("datacenter=dal06 tag_value=consul username=user", found3...).with("SL_USERNAME=other", "SL_API_KEY=k3y"),
		matchesNothing("datacenter=dal06 tag_value=nomad username=user api_key=k3y"),
		refused("datacenter=dal06 tag_value=consul username=user api_key=wrong", "Invalid API token", "Invalid API token"),
		refused("datacenter=dal06 tag_value=consul", "Invalid API token", "`username` and `api_key`"),
		differs("tag_value=consul username=user api_key=k3y", "empty values as filters", found(), found(addressesOf(1, 4, "10.45.0.%d")...)),
		differs("datacenter=dal06 username=user api_key=k3y", requiredKeys, found(), fails("`tag_value` is missing")),
	)}
}

func aliyun() providerCases {
	instance := func(id int) object {
		return object{"InstanceId": fmt.Sprintf("i-%d", id), "InstanceName": fmt.Sprintf("consul-%d", id), "Status": "Running", "ZoneId": "cn-beijing-a", "InstanceNetworkType": "vpc",
			"InnerIpAddress": object{"IpAddress": []string{}}, "PublicIpAddress": object{"IpAddress": []string{}}, "VpcAttributes": object{"VpcId": "vpc-1", "PrivateIpAddress": object{"IpAddress": []string{fmt.Sprintf("10.3.0.%d", id)}}},
			"Tags": object{"Tag": []object{{"TagKey": "consul", "TagValue": "server.test"}, {"TagKey": "role name", "TagValue": "a=b & c"}}}}
	}
	page := func(from, to, total int, token string) object {
		return object{"RequestId": "R", "TotalCount": total, "PageNumber": 1, "PageSize": 10, "NextToken": token, "Instances": object{"Instance": numbered(from, to, instance)}}
	}
	query := func(pairs ...string) map[string]string {
		all := map[string]string{"Action": "DescribeInstances", "AccessKeyId": "AKID"}
		for i := 0; i < len(pairs); i += 2 {
			all[pairs[i]] = pairs[i+1]
		}
		return all
	}
	classic := instance(200)
	classic["InstanceNetworkType"], classic["InnerIpAddress"], classic["VpcAttributes"] = "classic", object{"IpAddress": []string{"10.9.0.1", "10.9.0.2"}}, object{"PrivateIpAddress": object{"IpAddress": []string{}}}
	tag := []string{"Tag.1.Key", "consul", "Tag.1.Value", "server.test"}
	var exchanges []exchange
	// go-discover queries the first one whatever the region.
	for _, host := range []string{"ecs-cn-hangzhou.aliyuncs.com", "ecs.cn-beijing.aliyuncs.com", "ecs.cn-hangzhou.aliyuncs.com", "ecs.cn-shanghai.aliyuncs.com"} {
		add := func(reply object, pairs ...string) {
			exchanges = append(exchanges, exchange{host: host, path: "/", query: query(pairs...), reply: reply})
		}
		add(page(101, 125, 125, ""), append(tag, "RegionId", "cn-shanghai", "NextToken", "next")...)
		add(page(1, 100, 125, "next"), append(tag, "RegionId", "cn-shanghai", "MaxResults", "100")...)
		add(page(1, 10, 125, ""), append(tag, "RegionId", "cn-shanghai")...)
		add(page(1, 3, 3, ""), append(tag, "RegionId", "cn-beijing")...)
		add(object{"Instances": object{"Instance": []object{classic}}}, append(tag, "RegionId", "cn-hangzhou")...)
		add(page(1, 3, 3, ""), "Tag.1.Key", "role name", "Tag.1.Value", "a=b & c", "RegionId", "cn-beijing")
		add(page(1, 5, 5, ""), "Tag.1.Key", "", "RegionId", "cn-beijing")
		exchanges = append(exchanges,
			exchange{host: host, path: "/", query: query("RegionId", "cn-beijing"), reply: page(1, 0, 0, "")},
			exchange{host: host, path: "/", query: query("RegionId", "mars"), status: 404, reply: object{"Code": "InvalidRegionId.NotFound", "Message": "The specified RegionId does not exist.", "RequestId": "R"}},
			exchange{host: host, path: "/", status: 404, reply: object{"Code": "InvalidAccessKeyId.NotFound", "Message": "Specified access key is not found.", "RequestId": "R"}},
		)
	}
	exchanges = append(exchanges, exchange{host: "ecs.mars.aliyuncs.com", path: "/", status: 404, reply: object{"Code": "InvalidRegionId.NotFound", "Message": "The specified RegionId does not exist."}})
	const key = " access_key_id=AKID access_key_secret=s3cret"
	three := addressesOf(1, 3, "10.3.0.%d")
	return providerCases{"aliyun", exchanges, append(malformed(),
		gives("region=cn-beijing tag_key=consul tag_value=server.test"+key, three...),
		gives("access_key_secret=s3cret access_key_id=AKID tag_value=server.test tag_key=consul region=cn-beijing", three...),
		gives(`region=cn-beijing tag_key=consul tag_value=server.test access_key_id=AKID access_key_secret="s3cret=="`, three...),
		gives(`region=cn-beijing tag_key="role name" tag_value="a=b & c"`+key, three...),
		gives("region=cn-hangzhou tag_key=consul tag_value=server.test"+key, "10.9.0.1", "10.9.0.2"),
		matchesNothing("region=cn-beijing tag_key=consul tag_value=client"+key),
		refused("tag_key=consul tag_value=server.test"+key, "invalid region", "`region` is missing"),
		refused(`region="" tag_key=consul tag_value=server.test`+key, "invalid region", "`region` is empty"),
		refused("region=cn-beijing tag_key=consul tag_value=server.test access_key_id=other access_key_secret=s3cret", "InvalidAccessKeyId.NotFound", "InvalidAccessKeyId.NotFound"),
		refused("region=mars tag_key=consul tag_value=server.test"+key, "InvalidRegionId.NotFound", "InvalidRegionId.NotFound"),
		differs("region=cn-shanghai tag_key=consul tag_value=server.test"+key, "first page of a cloud", found(addressesOf(1, 10, "10.3.0.%d")...), found(addressesOf(1, 125, "10.3.0.%d")...)),
		differs("region=cn-beijing tag_key=consul tag_value=server.test", ofEnvironment, fails("InvalidAccessKeyId.NotFound"), found(three...)).with("ALIBABA_CLOUD_ACCESS_KEY_ID=AKID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=s3cret"),
		differs("region=cn-beijing"+key, requiredKeys, found(addressesOf(1, 5, "10.3.0.%d")...), fails("`tag_key` is missing")),
		differs("region=cn-beijing,cn-hangzhou tag_key=consul tag_value=server.test"+key, lists, fails("InvalidAccessKeyId.NotFound"), found(append([]string{"10.9.0.1", "10.9.0.2"}, three...)...)),
	)}
}

func tencentcloud() providerCases {
	instance := func(id int) object {
		return object{"InstanceId": fmt.Sprintf("ins-%d", id), "InstanceName": fmt.Sprintf("consul-%d", id), "InstanceState": "RUNNING", "Placement": object{"Zone": "ap-guangzhou-2"},
			"PrivateIpAddresses": []string{fmt.Sprintf("10.5.0.%d", id)}, "PublicIpAddresses": []string{fmt.Sprintf("203.0.113.%d", id)}, "Tags": []object{{"Key": "consul", "Value": "server"}, {"Key": "a b", "Value": "c<d"}}}
	}
	page := func(from, to, total int) object {
		return object{"Response": object{"TotalCount": total, "InstanceSet": numbered(from, to, instance), "RequestId": "R"}}
	}
	failure := func(code, message string) object {
		return object{"Response": object{"Error": object{"Code": code, "Message": message}, "RequestId": "R"}}
	}
	const host = "cvm.tencentcloudapi.com"
	var exchanges []exchange
	add := func(region, has string, reply object) {
		exchanges = append(exchanges, exchange{method: "POST", host: host, path: "/", headers: map[string]string{"x-tc-region": region, "x-tc-action": "DescribeInstances"}, has: has, reply: reply})
	}
	add("ap-shanghai", `"Offset":100`, page(101, 120, 120))
	add("ap-shanghai", `"Limit":100`, page(1, 100, 120))
	add("ap-shanghai", `"tag:consul"`, page(1, 20, 120))
	add("ap-guangzhou", `{"Name":"tag:consul","Values":["server"]}`, page(1, 3, 3))
	add("ap-guangzhou", `{"Name":"tag:a b"`, page(1, 3, 3))
	add("ap-guangzhou", `{"Name":"tag:","Values":[""]}`, page(1, 5, 5))
	add("ap-guangzhou", `{"Name":"tag:broken"`, failure("AuthFailure.SignatureFailure", "The provided credentials could not be validated."))
	add("ap-guangzhou", "", page(1, 0, 0))
	add("mars", "", failure("UnsupportedRegion", "The region mars isn't supported."))
	exchanges = append(exchanges, exchange{method: "POST", host: host, path: "/", reply: failure("InvalidParameterValue", "a region that is none")})
	const key = " access_key_id=AKID access_key_secret=s3cret"
	three := addressesOf(1, 3, "10.5.0.%d")
	return providerCases{"tencentcloud", exchanges, append(malformed(),
		gives("region=ap-guangzhou tag_key=consul tag_value=server"+key, three...),
		gives("access_key_secret=s3cret access_key_id=AKID tag_value=server tag_key=consul region=ap-guangzhou", three...),
		gives("region=ap-guangzhou tag_key=consul tag_value=server address_type=private_v4"+key, three...),
		gives("region=ap-guangzhou tag_key=consul tag_value=server address_type=public_v4"+key, addressesOf(1, 3, "203.0.113.%d")...),
		gives(`region=ap-guangzhou tag_key="a b" tag_value=c<d`+key, three...),
		gives(`region=ap-guangzhou tag_key=consul tag_value=server access_key_id=AKID access_key_secret="s3cret=="`, three...),
		matchesNothing("region=ap-guangzhou tag_key=consul tag_value=client"+key),
		refused("tag_key=consul tag_value=server"+key, "region missing", "`region` is missing"),
		refused(`region="" tag_key=consul tag_value=server`+key, "region missing", "`region` is empty"),
		refused("region=ap-guangzhou tag_key=consul tag_value=server address_type=nat"+key, "invalid address_type nat", "`address_type`"),
		refused("region=ap-guangzhou tag_key=broken tag_value=x"+key, "AuthFailure.SignatureFailure", "AuthFailure.SignatureFailure"),
		refused("region=mars tag_key=consul tag_value=server"+key, "UnsupportedRegion", "UnsupportedRegion"),
		differs("region=ap-shanghai tag_key=consul tag_value=server"+key, "first page of a cloud", found(addressesOf(1, 20, "10.5.0.%d")...), found(addressesOf(1, 120, "10.5.0.%d")...)),
		differs("region=ap-guangzhou"+key, requiredKeys, found(addressesOf(1, 5, "10.5.0.%d")...), fails("`tag_key` is missing")),
	)}
}

func packet() providerCases {
	device := func(id int, facility string, tags ...string) object {
		return object{"id": fmt.Sprint(id), "hostname": fmt.Sprint(id), "facility": object{"code": facility}, "tags": tags, "ip_addresses": []object{
			{"address": fmt.Sprintf("10.0.0.%d", id), "public": false, "address_family": 4}, {"address": fmt.Sprintf("192.0.2.%d", id), "public": true, "address_family": 4},
			{"address": fmt.Sprintf("2604::%d", id), "public": true, "address_family": 6},
		}}
	}
	const path = "/projects/prj/devices"
	token := map[string]string{"x-auth-token": "t0ken"}
	devices := object{"devices": []object{device(1, "ewr1", "consul"), device(9, "ams1", "nomad")}, "meta": object{}}
	ended := fails("ended on 2026-06-30")
	gone := func(join string, addresses ...string) joinCase {
		return differs(join, "packet", found(addresses...), ended)
	}
	return providerCases{"packet", []exchange{
		{host: "api.packet.net", path: path, headers: token, reply: devices}, {host: "api.equinix.com", path: path, headers: token, reply: devices},
		{host: "api.packet.net", path: path, status: 401, reply: object{"errors": []string{"Invalid authentication token"}}},
	}, append(malformed(),
		gone("auth_token=t0ken project=prj", "10.0.0.1", "10.0.0.9"),
		gone("auth_token=t0ken project=prj address_type=private_v4", "10.0.0.1", "10.0.0.9"),
		gone("auth_token=t0ken project=prj address_type=public_v4", "192.0.2.1", "192.0.2.9"),
		gone("auth_token=t0ken project=prj address_type=public_v6", "2604::1", "2604::9"),
		gone("auth_token=t0ken project=prj facility=ewr1", "10.0.0.1"),
		gone("auth_token=t0ken project=prj facility=ewr1,ams1", "10.0.0.1", "10.0.0.9"),
		gone("auth_token=t0ken project=prj tag=consul", "10.0.0.1"),
		gone("auth_token=t0ken project=prj tag=consul,nomad", "10.0.0.1", "10.0.0.9"),
		gone("auth_token=t0ken project=prj url=https://api.equinix.com/metal/v1/", "10.0.0.1", "10.0.0.9"),
		gone("tag=consul", "10.0.0.1").with("PACKET_AUTH_TOKEN=t0ken", "PACKET_PROJECT=prj"),
		refused("auth_token=t0ken", "'project' parameter", "ended on 2026-06-30"),
		refused("auth_token=wrong project=prj", "Invalid authentication token", "ended on 2026-06-30"),
	)}
}

func triton() providerCases {
	const id = "key_id=ee:26:90:8b:f9:62:9e:eb:4b:37:da:c3:50:f4:75:4a"
	const url = "url=https://us-sw-1.api.joyentcloud.com"
	const tags = "tag_key=consul-role tag_value=server"
	// Without an agent; with one go-discover fails too, whatever key it holds (standins/signatures).
	agent := func(join string) joinCase { return refused(join, "SSH_AUTH_SOCK", "SSH_AUTH_SOCK") }
	return providerCases{"triton", nil, append(malformed(),
		agent("account=testaccount "+url+" "+id+" "+tags),
		agent(tags+" "+id+" "+url+" account=testaccount"),
		agent("account=testaccount "+url+" key_id=MD5:ee:26:90:8b:f9:62:9e:eb:4b:37:da:c3:50:f4:75:4a "+tags),
		agent("account=testaccount "+url+" key_id=ee26908bf9629eeb4b37dac350f4754a "+tags),
		agent("account=testaccount "+url+" key_id=SHA256:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc "+tags),
		agent("account=testaccount url=https://us-central-1.api.mnx.io/ "+id+" "+tags),
		agent(`account="testaccount" `+url+" "+id+" "+tags),
		refused(url+" "+id+" "+tags, "SSH_AUTH_SOCK", "`account` is missing"),
		refused("account=testaccount "+id+" "+tags, "SSH_AUTH_SOCK", "`url` is missing"),
		refused("account=testaccount "+url+" "+tags, "SSH_AUTH_SOCK", "`key_id` is missing"),
		refused("account=testaccount "+url+" "+id, "SSH_AUTH_SOCK", "`tag_key` is missing"),
		refused("account=testaccount "+url+" "+id+" tag_key=consul-role", "SSH_AUTH_SOCK", "`tag_value` is missing"),
	)}
}

var srv = providerCases{"srv", nil, append(malformed(),
	builds("service=consul proto=tcp domain=consul"),
	builds("service=consul domain=service.consul"),
	builds("service=consul domain=service.consul."),
	builds("service=nomad proto=udp domain=example.com"),
	builds("domain=example.com service=vault"),
	builds(`service="consul" proto="tcp" domain="example.com"`),
	builds("service=consul-server proto=tcp domain=dc1.example.com"),
	refused("service=consul", "service or domain is required", "`domain` is missing"),
	refused("domain=example.com", "service or domain is required", "`service` is missing"),
	refused("proto=tcp", "service or domain is required", "`service` is missing"),
	refused(`service="" domain=example.com`, "service or domain is required", "`service` is empty"),
	refused(`service=consul domain=""`, "service or domain is required", "`domain` is empty"),
)}

var mdns = providerCases{"mdns", nil, append(malformed(),
	builds("service=consul domain=local"),
	builds("service=_consul._tcp"),
	builds("service=_consul._tcp domain=local timeout=10s v6=false"),
	builds("service=_consul._tcp v4=false"),
	builds("service=_nomad._tcp timeout=1m30s"),
	builds("service=_consul._tcp timeout=.5s"),
	builds("service=_consul._tcp timeout=0"),
	builds("service=_consul._tcp v6=0 v4=T"),
	refused("domain=local", "Service record not provided", "`service` is missing"),
	refused("service=_consul._tcp timeout=5", "missing unit", "`timeout`"),
	refused("service=_consul._tcp timeout=1z", "unknown unit", "`timeout`"),
	refused("service=_consul._tcp v6=yes", "Failed to parse v6", "`v6`"),
	refused("service=_consul._tcp v4=2", "Failed to parse v4", "`v4`"),
)}

var aws = providerCases{"aws", nil, append(malformed(),
	builds("region=eu-west-1 tag_key=consul tag_value=server access_key_id=AKIDEXAMPLE secret_access_key=s3cret"),
	builds("tag_key=consul-role tag_value=server"),
	builds("region=us-east-1 tag_key=Name tag_value=nomad-server addr_type=private_v4"),
	builds("region=us-east-1 tag_key=Name tag_value=nomad-server addr_type=public_v4"),
	builds("region=us-east-1 tag_key=Name tag_value=nomad-server addr_type=public_v6"),
	builds("region=us-gov-west-1 tag_key=ConsulAutoJoin tag_value=auto-join service=ec2"),
	builds("service=ecs region=us-west-2 tag_key=consul tag_value=server ecs_cluster=prod ecs_family=consul-server"),
	builds("service=ecs ecs_cluster=arn:aws:ecs:us-west-2:123456789012:cluster/prod ecs_family=consul tag_key=a tag_value=b"),
	builds("region=eu-west-1 tag_key=consul tag_value=ser* endpoint=https://ec2.eu-west-1.amazonaws.com"),
	builds(`region=eu-central-1 tag_key="aws:autoscaling:groupName" tag_value="consul servers"`),
	builds("region=eu-west-1 tag_key=consul tag_value=server access_key_id=AKIDEXAMPLE secret_access_key=s3cret session_token=t0ken"),
	builds(`region=eu-west-1 tag_key=consul tag_value=server access_key_id=AKIDEXAMPLE secret_access_key="a/b+c="`),
)}

var azure = providerCases{"azure", nil, append(malformed(),
	builds("tag_name=consul tag_value=server tenant_id="+tenant+" client_id="+client+" subscription_id="+subscription+" secret_access_key=s3cret"),
	builds("tag_name=consul tag_value=server subscription_id="+subscription),
	builds("resource_group=cluster vm_scale_set=servers subscription_id="+subscription),
	builds("resource_group=cluster vm_scale_set=servers tenant_id="+tenant+" client_id="+client+" subscription_id="+subscription+" secret_access_key=s3cret"),
	builds(`tag_name=consul tag_value=server tenant_id=`+tenant+` client_id=`+client+` subscription_id=`+subscription+` secret_access_key="fpOfcHQJAQ+GU2GvEN4="`),
	builds(`tag_name="consul role" tag_value="server one" subscription_id=`+subscription),
	builds("tag_name=consul tag_value=server environment=public subscription_id="+subscription),
	builds("tag_name=consul tag_value=server").with("ARM_SUBSCRIPTION_ID="+subscription),
	builds("resource_group=Cluster vm_scale_set=Servers").with("ARM_SUBSCRIPTION_ID="+subscription),
	refused("subscription_id="+subscription, "unclear configuration", "nothing is selected"),
	refused("tag_name=consul subscription_id="+subscription, "unclear configuration", "`tag_value`"),
	refused("resource_group=cluster subscription_id="+subscription, "unclear configuration", "`resource_group` alone selects nothing"),
)}

var gce = providerCases{"gce", nil, append(malformed(),
	builds("project_name=my-project zone_pattern=eu-west-.* tag_value=consul"),
	builds("project_name=my-project tag_value=consul-server"),
	builds("tag_value=consul-server"),
	builds("project_name=my-project tag_value=nomad zone_pattern=us-east1-.*"),
	builds("project_name=my-project tag_value=nomad zone_pattern=us-east1-(b|c)"),
	builds(`project_name=my-project tag_value=nomad zone_pattern="europe-west[12]-[a-c]"`),
	builds("project_name=my-project zone_pattern=us-central1-a tag_value=vault"),
	builds(`project_name="my-project" tag_value="vault"`),
	builds(`tag_value=consul project_name=my-project zone_pattern=""`),
	builds("project_name=example.com:my-project tag_value=consul"),
	builds("project_name=my-project label_key=role label_value=consul"),
	refused("project_name=my-project tag_value=consul credentials_file=/nonexistent/key.json", "no such file", "/nonexistent/key.json"),
)}

// It is no provider of go-discover's command; its own module has it (standins/k8s).
var k8s = providerCases{"k8s", nil, append(malformed(),
	builds(`label_selector="app = consul-server"`),
	builds(`label_selector="app=consul,component=server"`),
	builds(`label_selector="app in (consul, nomad)"`),
	builds(`label_selector="app=consul" namespace=consul`),
	builds(`label_selector="app=consul" field_selector="status.phase=Running"`),
	builds(`label_selector="app=consul" host_network=true`),
	builds(`label_selector="app=consul" host_network=false namespace=default`),
	builds(`label_selector="component=server" kubeconfig=/etc/consul.d/kubeconfig`),
	builds(`namespace=consul label_selector="release=consul-helm"`),
	builds(`label_selector="!canary" namespace=prod`),
	builds(`field_selector="spec.nodeName=node-1" label_selector="app=consul"`),
	builds(`label_selector="app==consul"`),
)}

var openstack = providerCases{"os", nil, append(malformed(),
	builds("tag_key=consul tag_value=server user_name=u password=p auth_url=https://keystone.example:5000/v3 project_id=P domain_name=Default"),
	builds("tag_key=consul tag_value=server user_name=u password=p auth_url=https://keystone.example:5000 project_name=prod domain_id=default"),
	builds("tag_key=consul tag_value=server token=t0ken auth_url=https://keystone.example/identity/v3 project_id=P"),
	builds("tag_key=consul tag_value=server user_name=u password=p auth_url=https://keystone.example/v3 project_id=P domain_name=Default region=RegionTwo"),
	builds("tag_key=consul tag_value=server user_name=u password=p auth_url=https://keystone.example/v3 project_id=P domain_name=Default insecure=true"),
	builds(`tag_key="consul role" tag_value="server one" user_name=u password="p w" auth_url=https://keystone.example/v3 project_id=P domain_name=Default`),
	builds("tag_key=consul tag_value=server").with("OS_AUTH_URL=https://keystone.example/v3", "OS_USERNAME=u", "OS_PASSWORD=p", "OS_PROJECT_ID=P", "OS_DOMAIN_NAME=Default"),
	builds("tag_key=consul tag_value=server project_id=P").with("OS_AUTH_URL=https://keystone.example/v3", "OS_AUTH_TOKEN=t0ken"),
	refused("tag_key=consul tag_value=server user_name=u password=p project_id=P", "Auth url must be provided", "`auth_url` is missing"),
	refused("tag_key=consul tag_value=server auth_url=https://keystone.example/v3 project_id=P", "provide a password", "`password`"),
	refused("tag_key=consul tag_value=server auth_url=https://keystone.example/v3 project_id=P user_name=u password=p", "DomainID or DomainName", "domain"),
	refused("tag_key=consul tag_value=server auth_url=https://keystone.example/v3 project_id=P token=t0ken user_name=u", "Username may not be provided", "`token`"),
)}

var vsphere = providerCases{"vsphere", nil, append(malformed(),
	builds("category_name=consul-role tag_name=consul-server host=vcenter.example user=u password=p"),
	builds("category_name=consul-role tag_name=consul-server host=vcenter.example user=u password=p insecure_ssl=false"),
	builds("category_name=consul-role tag_name=consul-server host=vcenter.example user=u password=p insecure_ssl=true"),
	builds("category_name=consul-role tag_name=consul-server host=vcenter.example user=administrator@vsphere.local password=p timeout=5m"),
	builds(`category_name="consul role" tag_name="consul server" host=vcenter.example user="DOMAIN\\user" password="p w"`),
	builds("category_name=consul-role tag_name=consul-server host=10.0.0.5 user=u password=p timeout=90s"),
	builds("category_name=consul-role tag_name=consul-server host=vcenter.example:8443 user=u password=p"),
	builds("category_name=consul-role tag_name=consul-server").with("VSPHERE_SERVER=vcenter.example", "VSPHERE_USER=u", "VSPHERE_PASSWORD=p"),
	builds("category_name=consul-role tag_name=consul-server user=u password=p").with("VSPHERE_SERVER=vcenter.example"),
	builds("tag_name=consul-server category_name=consul-role password=p user=u host=vcenter.example"),
	// The client that v1.4.0 has prints the pattern of its message instead of the message.
	refused("category_name=consul-role tag_name=consul-server host=vcenter.example user=u password=p timeout=5", "discover-vsphere:", "`timeout`"),
	refused("category_name=consul-role tag_name=consul-server host=vcenter.example user=u password=p insecure_ssl=maybe", "discover-vsphere:", "`insecure_ssl`"),
)}
