package agents

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	set = "servers"
	// Members must be there so long after the cloud and the agents are up.
	limit = 3 * time.Second
	// How long a condition may take before the scenario is given up.
	patience = 90 * time.Second
)

// given up is what `must` panics with, and `attempt` recovers.
type givenUp struct{ error }

func must(err error) {
	if err != nil {
		panic(givenUp{err})
	}
}

// rig has what one scenario runs: a cloud, hosts, and their processes.
type rig struct {
	directory string
	network   network
	// The ports of the cloud on 127.0.0.1: ARM, instance metadata.
	ports   []int
	control int
	cloudUp time.Time
	// The names of the instances by their addresses.
	instances map[string]string
	processes []*process
	hosts     []*host
	// What the scenario adds to the configuration of each agent, and to the sidecar's.
	agent   func(*host, map[string]any)
	sidecar func(*host) string
	token   string
	// Of the polls of the sidecars.
	interval time.Duration
	figures  []figure
}

// figure is how long something took, and how long it may take; 0 for any time.
type figure struct {
	name        string
	took, limit time.Duration
}

func newRig(network network, directory string) *rig {
	r := &rig{directory: directory, network: network, instances: map[string]string{}, interval: 30 * time.Second}
	r.ports, r.control = []int{freePort(), freePort()}, freePort()
	return r
}

func (r *rig) end() {
	for _, process := range r.processes {
		process.kill()
	}
	r.network.end()
}

func freePort() int {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	must(err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// report keeps how long something took from `since` on.
func (r *rig) report(name string, since time.Time, limit time.Duration) {
	r.figures = append(r.figures, figure{name, time.Since(since), limit})
}

const (
	subscription = "22222222-2222-4222-8222-222222222222"
	identity     = "44444444-4444-4444-8444-444444444444"
)

// cloud starts the cloud with a scale set of instances at these addresses.
func (r *rig) cloud(addresses ...string) {
	r.clouds(map[string][]string{set: addresses})
}

// clouds starts it with several sets.
func (r *rig) clouds(sets map[string][]string) {
	var text strings.Builder
	fmt.Fprintf(&text, `tenant_id = "11111111-1111-4111-8111-111111111111"
subscription_id = %q
[[principal]]
name = "identity"
kind = "user-assigned-identity"
client_id = %q
object_id = "44444444-aaaa-4444-8444-444444444444"
resource_id = "/subscriptions/%s/resourceGroups/cluster/providers/Microsoft.ManagedIdentity/userAssignedIdentities/identity"
[machine]
resource_group = "cluster"
scale_set = %q
instance = 0
identities = ["identity"]
[[resource_group]]
name = "cluster"
subnet = %q
`, subscription, identity, subscription, set, r.network.subnet())
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		addresses := sets[name]
		fmt.Fprintf(&text, "[[resource_group.scale_set]]\nname = %q\n", name)
		for _, address := range addresses {
			r.instances[address] = "at-" + strings.ReplaceAll(address, ".", "-")
			fmt.Fprintf(&text, "[[resource_group.scale_set.instance]]\nname = %q\naddress = %q\n", r.instances[address], address)
		}
	}
	world, ready := filepath.Join(r.directory, "world.toml"), filepath.Join(r.directory, "ready.json")
	must(os.WriteFile(world, []byte(text.String()), 0o600))
	r.start("cloud", exec.Command(discoverSim, "serve", "--world", world, "--ready-file", ready,
		"--arm-port", fmt.Sprint(r.ports[0]), "--metadata-port", fmt.Sprint(r.ports[1]), "--control", fmt.Sprintf("127.0.0.1:%d", r.control)))
	r.until("the cloud", func() bool { _, err := os.Stat(ready); return err == nil })
	for _, host := range r.hosts {
		must(r.network.add(host.address, r.ports))
	}
	r.cloudUp = time.Now()
}

// change runs a command of the simulator that changes the cloud.
func (r *rig) change(argument ...string) string {
	output, err := exec.Command(discoverSim, append(argument, "--control", fmt.Sprintf("127.0.0.1:%d", r.control))...).CombinedOutput()
	if err != nil {
		must(fmt.Errorf("discover-sim %v: %w: %s", argument, err, output))
	}
	return strings.TrimSpace(string(output))
}

// join is the join string that finds a set.
func (r *rig) join(set string) string {
	return fmt.Sprintf("provider=azure subscription_id=%s resource_group=cluster vm_scale_set=%s client_id=%s audience=https://management.azure.com/ metadata_endpoint=http://127.0.0.1:%d arm_endpoint=http://127.0.0.1:%d",
		subscription, set, identity, r.ports[1], r.ports[0])
}

// addresses are those that the cloud knows.
func (r *rig) addresses() []string {
	command := exec.Command(discover, "addrs", r.join(set))
	command.Env = environment
	output, err := command.Output()
	must(err)
	return strings.Fields(string(output))
}

// replace replaces a host's instance by another, and gives that one's address.
func (r *rig) replace(h *host) string {
	before := r.addresses()
	name := r.change("replace", set, r.instances[h.address])
	for _, address := range r.addresses() {
		if !slices.Contains(before, address) {
			r.instances[address] = name
			return address
		}
	}
	panic(givenUp{errors.New("the cloud has no new address")})
}

// until waits for a condition.
func (r *rig) until(what string, condition func() bool) {
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			panic(givenUp{fmt.Errorf("waited %v for %s", patience, what)})
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// process is a program in the background.
type process struct {
	command *exec.Cmd
	ended   chan struct{}
}

// environment is all that programs get: no identity and no proxy of this machine.
var environment = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/nonexistent", "AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:9"}

func (r *rig) start(name string, command *exec.Cmd, more ...string) *process {
	log, err := os.OpenFile(filepath.Join(r.directory, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(err)
	defer log.Close()
	command.Env = append(slices.Clone(environment), more...)
	command.Stdout, command.Stderr = log, log
	// Nothing outlives this process.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(command.Start())
	started := &process{command, make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(started.ended)
	}()
	r.processes = append(r.processes, started)
	return started
}

func (p *process) kill() {
	if p == nil {
		return
	}
	_ = p.command.Process.Kill()
	<-p.ended
}
