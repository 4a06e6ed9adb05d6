package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// cloud is what a provider's API serves.
type cloud struct {
	name string
	// handler makes the response to a request, of which it gets the body.
	handler func(size int, url string) func(http.ResponseWriter, *http.Request, string)
	// join is the join string and the environment for both programs.
	join func(server *server, directory string) (string, []string)
}

var clouds = []cloud{
	{"aws", aws, func(server *server, _ string) (string, []string) {
		return "provider=aws region=us-east-1 tag_key=consul tag_value=server access_key_id=key secret_access_key=secret endpoint=" + server.url, nil
	}},
	{"gce", gce, func(server *server, directory string) (string, []string) {
		file := write(directory, "account.json", account())
		return "provider=gce project_name=project tag_value=consul-server credentials_file=" + file,
			[]string{"HTTPS_PROXY=" + server.url, "SSL_CERT_FILE=" + write(directory, "ca.pem", server.ca)}
	}},
	{"k8s", k8s, func(server *server, directory string) (string, []string) {
		config := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: %q}}]\n"+
			"users: [{name: u, user: {token: t}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n", server.url)
		return `provider=k8s label_selector="app=consul" kubeconfig=` + write(directory, "config", config), nil
	}},
	{"os", openstack, func(server *server, _ string) (string, []string) {
		return "provider=os region=RegionOne project_id=p domain_id=default user_name=u password=w tag_key=consul tag_value=server auth_url=" + server.url + "/v3", nil
	}},
}

func address(number int) string {
	return fmt.Sprintf("10.%d.%d.%d", number>>14, number>>7&127, number&127+1)
}

// aws serves DescribeInstances (version 2016-11-15) with one page, or as MaxResults has it.
func aws(size int, _ string) func(http.ResponseWriter, *http.Request, string) {
	var items []string
	for number := range size {
		items = append(items, fmt.Sprintf(`<item><reservationId>r-%017x</reservationId><ownerId>123456789012</ownerId><groupSet/><instancesSet><item>
<instanceId>i-%017x</instanceId><imageId>ami-0abcdef1234567890</imageId><instanceState><code>16</code><name>running</name></instanceState>
<privateDnsName>ip-%s.ec2.internal</privateDnsName><dnsName/><reason/><keyName>key</keyName><amiLaunchIndex>0</amiLaunchIndex><productCodes/>
<instanceType>m5.large</instanceType><launchTime>2026-01-01T00:00:00.000Z</launchTime><placement><availabilityZone>us-east-1a</availabilityZone><groupName/><tenancy>default</tenancy></placement>
<monitoring><state>disabled</state></monitoring><subnetId>subnet-0123456789abcdef0</subnetId><vpcId>vpc-0123456789abcdef0</vpcId><privateIpAddress>%[3]s</privateIpAddress>
<sourceDestCheck>true</sourceDestCheck><groupSet><item><groupId>sg-0123456789abcdef0</groupId><groupName>servers</groupName></item></groupSet><architecture>x86_64</architecture>
<rootDeviceType>ebs</rootDeviceType><rootDeviceName>/dev/xvda</rootDeviceName><blockDeviceMapping><item><deviceName>/dev/xvda</deviceName><ebs><volumeId>vol-0123456789abcdef0</volumeId>
<status>attached</status><attachTime>2026-01-01T00:00:00.000Z</attachTime><deleteOnTermination>true</deleteOnTermination></ebs></item></blockDeviceMapping>
<virtualizationType>hvm</virtualizationType><clientToken/><tagSet><item><key>Name</key><value>server-%[4]d</value></item><item><key>consul</key><value>server</value></item></tagSet>
<hypervisor>xen</hypervisor><networkInterfaceSet><item><networkInterfaceId>eni-0123456789abcdef0</networkInterfaceId><subnetId>subnet-0123456789abcdef0</subnetId><vpcId>vpc-0123456789abcdef0</vpcId>
<description/><ownerId>123456789012</ownerId><status>in-use</status><macAddress>02:00:00:00:00:01</macAddress><privateIpAddress>%[3]s</privateIpAddress><sourceDestCheck>true</sourceDestCheck>
<attachment><attachmentId>eni-attach-0123456789abcdef0</attachmentId><deviceIndex>0</deviceIndex><status>attached</status><attachTime>2026-01-01T00:00:00.000Z</attachTime></attachment>
<privateIpAddressesSet><item><privateIpAddress>%[3]s</privateIpAddress><primary>true</primary></item></privateIpAddressesSet><ipv6AddressesSet/></item></networkInterfaceSet>
<ebsOptimized>true</ebsOptimized><enaSupport>true</enaSupport><cpuOptions><coreCount>1</coreCount><threadsPerCore>2</threadsPerCore></cpuOptions></item></instancesSet></item>`,
			number, number, address(number), number))
	}
	return func(writer http.ResponseWriter, _ *http.Request, body string) {
		form, _ := url.ParseQuery(body)
		first, _ := strconv.Atoi(form.Get("NextToken"))
		last := size
		if limit, _ := strconv.Atoi(form.Get("MaxResults")); limit > 0 {
			last = min(first+limit, size)
		}
		next := ""
		if last < size {
			next = fmt.Sprintf("<nextToken>%d</nextToken>", last)
		}
		writer.Header().Set("Content-Type", "text/xml;charset=UTF-8")
		fmt.Fprintf(writer, `<?xml version="1.0" encoding="UTF-8"?><DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><reservationSet>%s</reservationSet>%s</DescribeInstancesResponse>`,
			strings.Join(items[first:last], ""), next)
	}
}

const zones = 12

// gce serves the token request, zones.list, instances.list and instances.aggregatedList (v1), 500 a
// page, and sends the requested fields.
func gce(size int, _ string) func(http.ResponseWriter, *http.Request, string) {
	zone := func(number int) string { return fmt.Sprintf("region%d-a", number%zones) }
	item := func(number int) string {
		name := fmt.Sprintf("https://www.googleapis.com/compute/v1/projects/project/zones/%s", zone(number))
		return fmt.Sprintf(`{"kind":"compute#instance","id":"%d","creationTimestamp":"2026-01-01T00:00:00.000-07:00","name":"server-%[1]d","tags":{"items":["consul-server"],"fingerprint":"f="},
"machineType":"%[2]s/machineTypes/e2-medium","status":"RUNNING","zone":"%[2]s","canIpForward":false,"networkInterfaces":[{"kind":"compute#networkInterface","network":"https://www.googleapis.com/compute/v1/projects/project/global/networks/default",
"subnetwork":"https://www.googleapis.com/compute/v1/projects/project/regions/r/subnetworks/default","networkIP":"%[3]s","name":"nic0","accessConfigs":[{"kind":"compute#accessConfig","type":"ONE_TO_ONE_NAT","name":"External NAT","natIP":"198.51.100.1","networkTier":"PREMIUM"}],"fingerprint":"f=","stackType":"IPV4_ONLY"}],
"disks":[{"kind":"compute#attachedDisk","type":"PERSISTENT","mode":"READ_WRITE","source":"%[2]s/disks/server-%[1]d","deviceName":"d","index":0,"boot":true,"autoDelete":true,"interface":"SCSI","diskSizeGb":"10","architecture":"X86_64"}],
"metadata":{"kind":"compute#metadata","fingerprint":"f="},"serviceAccounts":[{"email":"1-compute@developer.gserviceaccount.com","scopes":["https://www.googleapis.com/auth/cloud-platform"]}],"selfLink":"%[2]s/instances/server-%[1]d",
"scheduling":{"onHostMaintenance":"MIGRATE","automaticRestart":true,"preemptible":false,"provisioningModel":"STANDARD"},"cpuPlatform":"Intel Broadwell","labels":{"env":"prod"},"labelFingerprint":"f=","deletionProtection":false,"fingerprint":"f="}`, number+1, name, address(number))
	}
	page := func(writer http.ResponseWriter, request *http.Request, numbers []int, format func([]int) string) {
		first, _ := strconv.Atoi(request.URL.Query().Get("pageToken"))
		last := min(first+500, len(numbers))
		next := ""
		if last < len(numbers) {
			next = fmt.Sprintf(`,"nextPageToken":"%d"`, last)
		}
		whole := fmt.Sprintf(`{"items":%s%s}`, format(numbers[first:last]), next)
		fmt.Fprint(writer, partial(whole, request.URL.Query().Get("fields")))
	}
	list := func(numbers []int) string {
		var items []string
		for _, number := range numbers {
			items = append(items, item(number))
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	var all []int
	byZone := map[string][]int{}
	for number := range size {
		byZone[zone(number)] = append(byZone[zone(number)], number)
	}
	for number := range zones {
		all = append(all, byZone[zone(number)]...)
	}
	return func(writer http.ResponseWriter, request *http.Request, _ string) {
		writer.Header().Set("Content-Type", "application/json")
		path := request.URL.Path
		switch {
		case strings.HasSuffix(path, "/token"):
			fmt.Fprint(writer, `{"access_token":"token","expires_in":3599,"token_type":"Bearer"}`)
		case strings.HasSuffix(path, "/zones"):
			var names []string
			for number := range zones {
				names = append(names, fmt.Sprintf(`{"name":%q,"status":"UP"}`, zone(number)))
			}
			fmt.Fprintf(writer, `{"items":[%s]}`, strings.Join(names, ","))
		case strings.HasSuffix(path, "/aggregated/instances"):
			page(writer, request, all, func(numbers []int) string {
				parts := map[string][]int{}
				for _, number := range numbers {
					parts[zone(number)] = append(parts[zone(number)], number)
				}
				var scopes []string
				for name, numbers := range parts {
					scopes = append(scopes, fmt.Sprintf(`"zones/%s":{"instances":%s}`, name, list(numbers)))
				}
				return "{" + strings.Join(scopes, ",") + "}"
			})
		default:
			name := strings.Split(path, "/zones/")[1]
			page(writer, request, byZone[strings.Split(name, "/")[0]], list)
		}
	}
}

// k8s serves the list of pods (core/v1), whole or as limit and continue have it.
func k8s(size int, _ string) func(http.ResponseWriter, *http.Request, string) {
	var items []string
	for number := range size {
		items = append(items, fmt.Sprintf(`{"metadata":{"name":"consul-%d","generateName":"consul-","namespace":"default","uid":"00000000-0000-4000-8000-%012[1]d","resourceVersion":"%[1]d","creationTimestamp":"2026-01-01T00:00:00Z",
"labels":{"app":"consul","apps.kubernetes.io/pod-index":"0","controller-revision-hash":"consul-5d5d"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"StatefulSet","name":"consul","uid":"00000000-0000-4000-8000-000000000000","controller":true,"blockOwnerDeletion":true}]},
"spec":{"volumes":[{"name":"kube-api-access","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}}],"defaultMode":420}}],
"containers":[{"name":"consul","image":"consul:1.14","ports":[{"name":"serflan","containerPort":8301,"protocol":"TCP"},{"name":"server","containerPort":8300,"protocol":"TCP"}],"resources":{"requests":{"cpu":"100m","memory":"128Mi"}},"volumeMounts":[{"name":"kube-api-access","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],
"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"default","nodeName":"node-1","schedulerName":"default-scheduler","priority":0,"enableServiceLinks":true},
"status":{"phase":"Running","conditions":[{"type":"Initialized","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"},{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"},{"type":"ContainersReady","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"},{"type":"PodScheduled","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}],
"hostIP":"192.0.2.1","podIP":"%[2]s","podIPs":[{"ip":"%[2]s"}],"startTime":"2026-01-01T00:00:00Z","containerStatuses":[{"name":"consul","state":{"running":{"startedAt":"2026-01-01T00:00:00Z"}},"lastState":{},"ready":true,"restartCount":0,"image":"consul:1.14","imageID":"consul@sha256:0","containerID":"containerd://0","started":true}],"qosClass":"Burstable"}}`, number, address(number)))
	}
	return func(writer http.ResponseWriter, request *http.Request, _ string) {
		first, _ := strconv.Atoi(request.URL.Query().Get("continue"))
		last := size
		if limit, _ := strconv.Atoi(request.URL.Query().Get("limit")); limit > 0 {
			last = min(first+limit, size)
		}
		next := ""
		if last < size {
			next = fmt.Sprintf(`,"continue":"%d","remainingItemCount":%d`, last, size-last)
		}
		writer.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(writer, `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"%s},"items":[%s]}`, next, strings.Join(items[first:last], ","))
	}
}

// openstack serves Keystone's v3 tokens and Nova's servers in detail (2.1), 1,000 a page.
func openstack(size int, url string) func(http.ResponseWriter, *http.Request, string) {
	return func(writer http.ResponseWriter, request *http.Request, _ string) {
		writer.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(request.URL.Path, "/auth/tokens") {
			writer.Header().Set("X-Subject-Token", "token")
			writer.WriteHeader(http.StatusCreated)
			fmt.Fprintf(writer, `{"token":{"methods":["password"],"expires_at":"2036-01-01T00:00:00.000000Z","issued_at":"2026-01-01T00:00:00.000000Z","user":{"id":"u","name":"u","domain":{"id":"default","name":"Default"}},"project":{"id":"p","name":"p","domain":{"id":"default","name":"Default"}},"roles":[{"id":"r","name":"reader"}],
"catalog":[{"type":"compute","id":"c","name":"nova","endpoints":[{"id":"e","interface":"public","region":"RegionOne","region_id":"RegionOne","url":"%s/v2.1"}]}]}}`, url)
			return
		}
		query := request.URL.Query()
		first, _ := strconv.Atoi(query.Get("marker"))
		last := min(first+1000, size)
		var servers []string
		for number := first; number < last; number++ {
			servers = append(servers, fmt.Sprintf(`{"id":"%d","name":"server-%[1]d","status":"ACTIVE","tenant_id":"p","user_id":"u","metadata":{"consul":"server"},"hostId":"h","image":{"id":"i","links":[{"rel":"bookmark","href":"%[2]s/images/i"}]},"flavor":{"id":"1","links":[{"rel":"bookmark","href":"%[2]s/flavors/1"}]},
"created":"2026-01-01T00:00:00Z","updated":"2026-01-01T00:00:00Z","addresses":{"private":[{"version":4,"addr":"%[3]s","OS-EXT-IPS:type":"fixed","OS-EXT-IPS-MAC:mac_addr":"fa:16:3e:00:00:01"}]},"accessIPv4":"","accessIPv6":"","links":[{"rel":"self","href":"%[2]s/v2.1/servers/%[1]d"}],"OS-DCF:diskConfig":"AUTO","progress":0,
"OS-EXT-AZ:availability_zone":"nova","config_drive":"","key_name":"k","OS-SRV-USG:launched_at":"2026-01-01T00:00:00.000000","OS-SRV-USG:terminated_at":null,"security_groups":[{"name":"default"}],"OS-EXT-STS:task_state":null,"OS-EXT-STS:vm_state":"active","OS-EXT-STS:power_state":1,"os-extended-volumes:volumes_attached":[]}`, number+1, url, address(number)))
		}
		next := ""
		if last < size {
			query.Set("marker", strconv.Itoa(last))
			link, _ := json.Marshal(url + request.URL.Path + "?" + query.Encode())
			next = fmt.Sprintf(`,"servers_links":[{"rel":"next","href":%s}]`, link)
		}
		fmt.Fprintf(writer, `{"servers":[%s]%s}`, strings.Join(servers, ","), next)
	}
}

// account is the key file of a service account.
func account() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	check(err)
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "project", "private_key_id": "k", "client_id": "1",
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": "discover@project.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
	})
	check(err)
	return string(file)
}
