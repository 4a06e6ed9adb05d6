// Command vcenter is govmomi's simulator of a vCenter Server with virtual machines, folders, tags
// and guest addresses in it. It prints its address once it serves, and writes the certificate of
// its CA to a file.
//
// The datacenters DC0 and DC1 have 60 machines each, all with the tag `all` of the category `size`.
// Of those in DC0, in the order of their names: 1 to 4 have the tag `consul` of the category
// `cluster`, 1 to 3 are in the folder prod/consul, the tools of 2 don't run, 3 is off, 1 and 4 have
// the tag `blue` of the category `colour`, and 4 has a public address too. The tag `idle` is
// attached to nothing, `folder` to a folder.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/signal"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vapi/rest"
	_ "github.com/vmware/govmomi/vapi/simulator"
	"github.com/vmware/govmomi/vapi/tags"
	"github.com/vmware/govmomi/vim25/types"
)

func main() {
	authority := flag.String("ca", "", "the file to write the certificate of the CA to")
	fault := flag.String("fault", "", "a SOAP method that fails")
	flag.Parse()

	model := simulator.VPX()
	model.Datacenter = 2
	model.Host = 0
	model.Machine = 60
	must(model.Create())
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(*authority)}}
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword("discover@vsphere.local", "s3cret")}
	model.Service.RegisterEndpoints = true
	server := model.Service.NewServer()
	seed(model, server)
	if *fault != "" {
		model.Service.AddFaultRule(&simulator.FaultInjectionRule{
			MethodName: *fault, ObjectType: "*", ObjectName: "*",
			Probability: 1, Enabled: true, FaultType: simulator.FaultTypeGeneric, Message: "busy",
		})
	}
	fmt.Println(server.URL.Host)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
}

func seed(model *simulator.Model, server *simulator.Server) {
	ctx := context.Background()
	client, err := govmomi.NewClient(ctx, server.URL, true)
	must(err)
	session := rest.NewClient(client.Client)
	must(session.Login(ctx, server.URL.User))
	manager := tags.NewManager(session)
	tag := map[string]string{}
	for category, names := range map[string][]string{
		"cluster": {"consul", "idle", "folder"}, "colour": {"blue"}, "size": {"all"}, "empty": {},
	} {
		id, err := manager.CreateCategory(ctx, &tags.Category{Name: category, Cardinality: "MULTIPLE"})
		must(err)
		for _, name := range names {
			tag[name], err = manager.CreateTag(ctx, &tags.Tag{Name: name, CategoryID: id})
			must(err)
		}
	}
	finder := find.NewFinder(client.Client)
	machines, err := finder.VirtualMachineList(ctx, "/DC*/vm/*")
	must(err)
	sort.Slice(machines, func(i, j int) bool { return order(machines[i].Name()) < order(machines[j].Name()) })
	root, err := finder.Folder(ctx, "/DC0/vm")
	must(err)
	production, err := root.CreateFolder(ctx, "prod")
	must(err)
	consul, err := production.CreateFolder(ctx, "consul")
	must(err)
	must(manager.AttachTag(ctx, tag["folder"], consul))
	for i, machine := range machines {
		must(manager.AttachTag(ctx, tag["all"], machine))
		if i < 4 {
			must(manager.AttachTag(ctx, tag["consul"], machine))
		}
		if i == 0 || i == 3 {
			must(manager.AttachTag(ctx, tag["blue"], machine))
		}
		addresses := []string{fmt.Sprintf("10.30.0.%d", i+1), fmt.Sprintf("fd30::%x", i+1), fmt.Sprintf("fe80::%x", i+1), "169.254.1.1"}
		if i == 3 {
			addresses = append(addresses, "203.0.113.4")
		}
		guest := network(addresses)
		if i == 1 {
			guest = nil
		}
		record := model.Map().Get(machine.Reference()).(*simulator.VirtualMachine)
		model.Service.Context.Update(record, []types.PropertyChange{{Name: "guest.net", Val: guest}})
		if i == 2 {
			finish(ctx, machine.PowerOff)
			// The simulator forgets the addresses of a machine that is off; vCenter keeps the last ones.
			model.Service.Context.Update(record, []types.PropertyChange{{Name: "guest.net", Val: guest}})
		}
	}
	finish(ctx, func(ctx context.Context) (*object.Task, error) {
		return consul.MoveInto(ctx, []types.ManagedObjectReference{
			machines[0].Reference(), machines[1].Reference(), machines[2].Reference(),
		})
	})
	must(session.Logout(ctx))
	must(client.Logout(ctx))
}

// order is the place of a machine by datacenter and number: `DC0_C0_RP0_VM12`.
func order(name string) int {
	datacenter, _ := strconv.Atoi(name[2:3])
	number, _ := strconv.Atoi(name[strings.LastIndex(name, "VM")+2:])
	return datacenter*1000 + number
}

func network(addresses []string) []types.GuestNicInfo {
	card := types.GuestNicInfo{Network: "VM Network", Connected: true, DeviceConfigId: 4000, IpConfig: &types.NetIpConfigInfo{}}
	for _, address := range addresses {
		card.IpAddress = append(card.IpAddress, address)
		card.IpConfig.IpAddress = append(card.IpConfig.IpAddress, types.NetIpConfigInfoIpAddress{IpAddress: address, PrefixLength: 24, State: "preferred"})
	}
	return []types.GuestNicInfo{card}
}

func finish(ctx context.Context, start func(context.Context) (*object.Task, error)) {
	task, err := start(ctx)
	must(err)
	must(task.Wait(ctx))
}

// certificate is one for 127.0.0.1 of a new CA.
func certificate(authority string) tls.Certificate {
	sign := func(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) []byte {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		must(err)
		return der
	}
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		return key
	}
	rootKey, key := newKey(), newKey()
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: fmt.Sprintf("test CA %d", os.Getpid())}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	rootDER := sign(root, root, rootKey, rootKey)
	if authority != "" {
		must(os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}), 0o600))
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "vcenter"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	return tls.Certificate{Certificate: [][]byte{sign(leaf, root, key, rootKey), rootDER}, PrivateKey: key}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
