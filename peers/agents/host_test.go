package agents

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// host is a machine with an agent and a sidecar.
type host struct {
	rig        *rig
	number     int
	address    string
	set        string
	datacenter string
	isServer   bool
	directory  string
	agent      *process
	sidecar    *process
	http       *http.Client
	agentUp    time.Time
}

// host boots the machine with this number.
func (r *rig) host(number int) *host { return r.hostAt(number, r.network.address(number)) }

func (r *rig) hostAt(number int, address string) *host {
	h := &host{rig: r, number: number, address: address, set: set, datacenter: "dc1", isServer: true}
	h.directory = filepath.Join(r.directory, fmt.Sprint(number))
	must(os.MkdirAll(filepath.Join(h.directory, "consul.d"), 0o700))
	socket := filepath.Join(h.directory, "http.sock")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	h.http = &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 5 * time.Second}
	r.hosts = append(r.hosts, h)
	var cloud []int
	if !r.cloudUp.IsZero() {
		cloud = r.ports
	}
	must(r.network.add(address, cloud))
	return h
}

// name is the agent's, which it keeps when its machine gets another address.
func (h *host) name() string { return fmt.Sprintf("host%d", h.number) }

func (h *host) joinFile() string { return filepath.Join(h.directory, "consul.d", "join.json") }

// startAgent starts Consul.
func (h *host) startAgent() {
	config := map[string]any{
		"node_name": h.name(), "datacenter": h.datacenter, "data_dir": filepath.Join(h.directory, "data"),
		"bind_addr": h.address, "client_addr": h.rig.network.local(h.address),
		"addresses":            map[string]any{"http": h.rig.network.local(h.address) + " unix://" + filepath.Join(h.directory, "http.sock")},
		"ports":                map[string]any{"dns": -1, "grpc": -1, "grpc_tls": -1},
		"server":               h.isServer,
		"disable_update_check": true, "log_level": "info",
		"performance": map[string]any{"raft_multiplier": 1},
		"autopilot":   map[string]any{"server_stabilization_time": "200ms", "last_contact_threshold": "1s"},
	}
	if h.isServer {
		config["bootstrap_expect"] = 3
	}
	if h.rig.agent != nil {
		h.rig.agent(h, config)
	}
	text, err := json.Marshal(config)
	must(err)
	must(os.WriteFile(filepath.Join(h.directory, "consul.json"), text, 0o600))
	_ = os.Remove(filepath.Join(h.directory, "http.sock"))
	h.agent = h.rig.start("consul-"+fmt.Sprint(h.number), h.rig.network.command(h.address, consul, "agent", "-config-file="+filepath.Join(h.directory, "consul.json"), "-config-dir="+filepath.Join(h.directory, "consul.d")))
	h.agentUp = time.Time{}
}

// configure writes the sidecar's configuration: a join file, the running agent, or both.
func (h *host) configure(file, api bool) string {
	var text strings.Builder
	fmt.Fprintf(&text, "listen = \"none\"\nstate_directory = %q\n[[watch]]\nname = \"servers\"\njoin = %q\ninterval = %q\nmax_shrink = 100\n", filepath.Join(h.directory, "state"), h.rig.join(h.set), h.rig.interval)
	if file {
		fmt.Fprintf(&text, "[[watch.file]]\nkind = \"consul\"\npath = %q\n", h.joinFile())
	}
	if api {
		fmt.Fprintf(&text, "[[watch.agent]]\nkind = \"consul\"\nurl = \"http://%s:8500\"\n", h.rig.network.local(h.address))
	}
	if h.rig.sidecar != nil {
		text.WriteString(h.rig.sidecar(h))
	}
	path := filepath.Join(h.directory, "watch.toml")
	must(os.WriteFile(path, []byte(text.String()), 0o600))
	return path
}

// startSidecar starts `discover watch`.
func (h *host) startSidecar(file, api bool) {
	config := h.configure(file, api)
	h.sidecar = h.rig.start(fmt.Sprintf("sidecar-%d", h.number), h.rig.network.command(h.address, discover, "watch", "--config", config))
}

// once runs `discover watch --once`, as the unit before an agent does.
func (h *host) once() {
	config := h.configure(true, false)
	process := h.rig.start(fmt.Sprintf("once-%d", h.number), h.rig.network.command(h.address, discover, "watch", "--once", "--config", config))
	<-process.ended
	if !process.command.ProcessState.Success() {
		panic(givenUp{fmt.Errorf("`discover watch --once` on host %d: %v", h.number, process.command.ProcessState)})
	}
}

// die ends the machine. Its address swallows packets where the network can do that.
func (h *host) die() bool {
	h.stop()
	return h.rig.network.swallow(h.address)
}

func (h *host) stop() {
	h.sidecar.kill()
	h.agent.kill()
	h.rig.hosts = slices.DeleteFunc(h.rig.hosts, func(other *host) bool { return other == h })
}

// get sends a request to the agent.
func (h *host) get(path string, into any) error {
	request, err := http.NewRequest(http.MethodGet, "http://agent"+path, nil)
	must(err)
	request.Header.Set("X-Consul-Token", h.rig.token)
	response, err := h.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	return err
}

// members are the live ones, as the agent sees them; nil while it isn't up.
func (h *host) members(query string) []string {
	var list []struct {
		Name, Addr string
		Status     int
	}
	if h.get("/v1/agent/members"+query, &list) != nil {
		return nil
	}
	if h.agentUp.IsZero() {
		h.agentUp = time.Now()
	}
	alive := []string{}
	for _, member := range list {
		if member.Status == 1 {
			alive = append(alive, member.Addr)
		}
	}
	slices.Sort(alive)
	return alive
}

// together waits until these hosts see each other alive. It gives the time from which on that was
// possible: when the cloud and the last agent were up.
func (r *rig) together(hosts ...*host) time.Time { return r.togetherIn("", hosts...) }

func (r *rig) togetherIn(query string, hosts ...*host) time.Time {
	var wanted []string
	for _, host := range hosts {
		wanted = append(wanted, host.address)
	}
	slices.Sort(wanted)
	var mutex sync.Mutex
	r.until(fmt.Sprintf("%v to be members", wanted), func() bool {
		var all sync.WaitGroup
		ok := true
		for _, host := range hosts {
			all.Go(func() {
				members := host.members(query)
				mutex.Lock()
				defer mutex.Unlock()
				for _, address := range wanted {
					ok = ok && slices.Contains(members, address)
				}
			})
		}
		all.Wait()
		return ok
	})
	up := r.cloudUp
	for _, host := range hosts {
		if host.agentUp.After(up) {
			up = host.agentUp
		}
	}
	return up
}

// leader waits until a majority has elected one.
func (r *rig) leader(hosts ...*host) {
	r.until("a leader", func() bool {
		for _, host := range hosts {
			var leader string
			if host.get("/v1/status/leader", &leader) != nil || leader == "" {
				return false
			}
		}
		return true
	})
}
