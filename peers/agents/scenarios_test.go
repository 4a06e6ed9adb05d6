package agents

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// scenario is one row of the table. It leaves its figures in the rig.
type scenario struct {
	name string
	// Whether it is about addresses that swallow packets: where there are namespaces, it runs in them.
	swallows bool
	run      func(*rig)
}

var scenarios = []scenario{
	{"cloud-late-60s", false, func(r *rig) { cloudLate(r, 60*time.Second) }},
	{"all-replaced-in-turn", true, allReplaced},
	{"restarted-on-new-addresses-old-refuse", false, func(r *rig) { restarted(r, false) }},
	{"restarted-on-new-addresses-old-swallow", true, func(r *rig) { restarted(r, true) }},
	{"replaced-by-a-machine-without-sidecar", true, replacedBare},
	{"one-replaced", true, oneReplaced},
	{"one-back-on-a-new-address", true, oneBack},
	{"agents-late-20s", false, agentsLate},
	{"cloud-late-3s", false, func(r *rig) { cloudLate(r, 3*time.Second) }},
	{"bootstrap-by-file", false, bootstrapByFile},
	{"bootstrap-by-api", false, func(r *rig) { bootstrap(r, false) }},
	{"bootstrap-by-both", false, func(r *rig) { bootstrap(r, true) }},
	{"units-once-then-watch", false, unitsOnce},
	{"units-watch-before", false, unitsWatch},
	{"gossip-encryption", false, encrypted},
	{"acl-deny-agent-recovery", false, acl},
	{"mutual-tls-role-only-name", false, mutualTLS},
	{"wan-pool", false, wan},
	{"six-dead-first-by-api", true, func(r *rig) { deadFirst(r, false) }},
	{"six-dead-first-by-both", true, func(r *rig) { deadFirst(r, true) }},
	{"client-agents", true, clients},
}

// three boots three hosts; nothing runs on them yet.
func (r *rig) three() []*host { return []*host{r.host(1), r.host(2), r.host(3)} }

func (r *rig) cloudOf(hosts []*host) {
	var addresses []string
	for _, host := range hosts {
		addresses = append(addresses, host.address)
	}
	r.cloud(addresses...)
}

// running is a cluster of three that has a leader, by the API.
func (r *rig) running() []*host {
	hosts := r.three()
	r.cloudOf(hosts)
	for _, host := range hosts {
		host.startAgent()
		host.startSidecar(false, true)
	}
	r.together(hosts...)
	r.leader(hosts...)
	return hosts
}

func bootstrapByFile(r *rig) {
	hosts := r.three()
	r.cloudOf(hosts)
	for _, host := range hosts {
		host.once()
	}
	for _, host := range hosts {
		host.startAgent()
	}
	r.report("members", r.together(hosts...), limit)
}

func bootstrap(r *rig, file bool) {
	hosts := r.three()
	r.cloudOf(hosts)
	for _, host := range hosts {
		if file {
			host.once()
		}
		host.startAgent()
		host.startSidecar(file, true)
	}
	up := r.together(hosts...)
	r.report("members", up, limit)
	r.leader(hosts...)
	r.report("leader", up, 0)
}

// oneReplaced: the successor has a sidecar of its own, as machines of one image do.
func oneReplaced(r *rig) {
	hosts := r.running()
	hosts[2].die()
	successor := r.successor(hosts[2], 4)
	successor.startAgent()
	successor.startSidecar(false, true)
	r.report("members", r.together(hosts[0], hosts[1], successor), r.interval+limit)
}

// replacedBare: the others have to find the successor.
func replacedBare(r *rig) {
	r.interval = 10 * time.Second
	hosts := r.running()
	hosts[2].die()
	successor := r.successor(hosts[2], 4)
	successor.startAgent()
	r.report("members", r.together(hosts[0], hosts[1], successor), r.interval+limit)
}

// oneBack: a machine comes back under its name at another address, which the others' gossip takes
// for the name only 30 s after the failure of the old one. No sidecar can change that.
func oneBack(r *rig) {
	hosts := r.running()
	hosts[2].die()
	back := r.successor(hosts[2], hosts[2].number)
	back.startAgent()
	back.startSidecar(false, true)
	r.report("members (gossip needs 30 s)", r.together(hosts[0], hosts[1], back), 0)
}

// successor boots a machine in the place of one.
func (r *rig) successor(before *host, number int) *host {
	address := r.replace(before)
	r.cloudUp = time.Now()
	return r.hostAt(number, address)
}

func allReplaced(r *rig) {
	hosts := r.running()
	started := time.Now()
	var slowest time.Duration
	for index := range hosts {
		hosts[index].die()
		hosts[index] = r.successor(hosts[index], 4+index)
		hosts[index].startAgent()
		hosts[index].startSidecar(false, true)
		slowest = max(slowest, time.Since(r.together(hosts...)))
		// The quorum is kept: the next goes when this one has a vote and the dead one has none.
		var wanted []string
		for _, host := range hosts {
			wanted = append(wanted, host.address+":8300")
		}
		slices.Sort(wanted)
		r.until("the peers of Raft to be "+fmt.Sprint(wanted), func() bool {
			var peers []string
			for _, host := range hosts {
				if host.get("/v1/status/peers", &peers) != nil {
					return false
				}
				slices.Sort(peers)
				if !slices.Equal(peers, wanted) {
					return false
				}
			}
			return true
		})
		r.leader(hosts...)
	}
	r.figures = append(r.figures, figure{"members (slowest of three)", slowest, r.interval + limit})
	r.report("all three, with the quorum kept", started, 0)
}

// restarted: every machine comes back with its data, under its name, at another address.
func restarted(r *rig, swallow bool) {
	hosts := r.running()
	for _, host := range hosts {
		host.stop()
	}
	var moved []*host
	for _, before := range hosts {
		if swallow {
			r.network.swallow(before.address)
		}
		moved = append(moved, r.successor(before, before.number))
	}
	for _, host := range moved {
		host.startAgent()
		host.startSidecar(false, true)
	}
	up := r.together(moved...)
	r.report("members", up, limit)
	r.leader(moved...)
	r.report("leader", up, 0)
}

func cloudLate(r *rig, late time.Duration) {
	hosts := r.three()
	for _, host := range hosts {
		host.startAgent()
		host.startSidecar(true, true)
	}
	time.Sleep(late)
	r.cloudOf(hosts)
	r.report("members", r.together(hosts...), limit)
}

func agentsLate(r *rig) {
	hosts := r.three()
	r.cloudOf(hosts)
	for _, host := range hosts {
		host.startSidecar(false, true)
	}
	time.Sleep(20 * time.Second)
	for _, host := range hosts {
		host.startAgent()
	}
	r.report("members", r.together(hosts...), limit)
}

// unit gives the command of a shipped unit, for this host.
func (h *host) unit(name string) []string {
	text, err := os.ReadFile(filepath.Join(units, name))
	must(err)
	for line := range strings.Lines(string(text)) {
		if start, found := strings.CutPrefix(strings.TrimSpace(line), "ExecStart="); found {
			start = strings.ReplaceAll(start, "/etc/discover/%i.toml", filepath.Join(h.directory, "watch.toml"))
			return strings.Fields(strings.ReplaceAll(start, "/usr/bin/discover", discover))
		}
	}
	panic(givenUp{fmt.Errorf("%s has no ExecStart", name)})
}

// unitsOnce: 10-discover-watch-once.conf, and a sidecar beside the agent.
func unitsOnce(r *rig) {
	hosts := r.three()
	r.cloudOf(hosts)
	for _, host := range hosts {
		host.configure(true, true)
		once := r.start(fmt.Sprintf("once-%d", host.number), r.network.command(host.address, host.unit("discover-watch-once@.service")...))
		<-once.ended
		host.startAgent()
		host.sidecar = r.start(fmt.Sprintf("sidecar-%d", host.number), r.network.command(host.address, host.unit("discover-watch@.service")...))
	}
	r.report("members", r.together(hosts...), limit)
}

// unitsWatch: 10-discover-watch.conf. The agent starts when the sidecar is ready.
func unitsWatch(r *rig) {
	hosts := r.three()
	r.cloudOf(hosts)
	for _, host := range hosts {
		host.configure(true, true)
		path := filepath.Join(host.directory, "notify")
		socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		must(err)
		host.sidecar = r.start(fmt.Sprintf("sidecar-%d", host.number), r.network.command(host.address, host.unit("discover-watch@.service")...), "NOTIFY_SOCKET="+path)
		must(socket.SetReadDeadline(time.Now().Add(patience)))
		for message := make([]byte, 4096); ; {
			read, err := socket.Read(message)
			must(err)
			if strings.Contains(string(message[:read]), "READY=1") {
				break
			}
		}
		socket.Close()
		_, err = os.Stat(host.joinFile())
		must(err)
		host.startAgent()
	}
	r.report("members", r.together(hosts...), limit)
}

// deadFirst: the cloud lists six machines that are gone, before those that are there.
func deadFirst(r *rig, file bool) {
	var addresses []string
	for number := 1; number <= 9; number++ {
		addresses = append(addresses, r.network.address(number))
	}
	for _, address := range addresses[:6] {
		r.network.swallow(address)
	}
	hosts := []*host{r.host(7), r.host(8), r.host(9)}
	r.cloud(addresses...)
	for _, host := range hosts {
		if file {
			host.once()
		}
	}
	for _, host := range hosts {
		host.startAgent()
		host.startSidecar(file, true)
	}
	r.report("members", r.together(hosts...), limit)
}

// clients: three servers, and three hosts of another product with a client agent each.
func clients(r *rig) {
	hosts := r.three()
	r.cloudOf(hosts)
	for number := 4; number <= 6; number++ {
		client := r.host(number)
		client.isServer = false
		hosts = append(hosts, client)
	}
	for _, host := range hosts {
		host.startAgent()
		host.startSidecar(false, true)
	}
	up := r.together(hosts...)
	r.report("six members", up, limit)
	r.leader(hosts...)
	r.report("leader", up, 0)
}

// wan: two datacenters, whose servers form one WAN pool.
func wan(r *rig) {
	const other = "others"
	hosts := []*host{r.host(1), r.host(2), r.host(3), r.host(4)}
	for _, host := range hosts[2:] {
		host.set, host.datacenter = other, "dc2"
	}
	r.clouds(map[string][]string{set: {hosts[0].address, hosts[1].address}, other: {hosts[2].address, hosts[3].address}})
	r.agent = func(_ *host, config map[string]any) { config["bootstrap_expect"] = 2 }
	r.sidecar = func(h *host) string {
		return fmt.Sprintf("[[watch]]\nname = \"wan\"\njoin = [%q, %q]\ninterval = %q\n[[watch.agent]]\nkind = \"consul\"\nwan = true\nurl = \"http://%s:8500\"\n", r.join(set), r.join(other), r.interval, r.network.local(h.address))
	}
	for _, host := range hosts {
		host.startAgent()
		host.startSidecar(false, true)
	}
	up := r.togetherIn("?wan=1", hosts...)
	r.report("members of the WAN pool", up, limit)
	r.together(hosts[:2]...)
	r.together(hosts[2:]...)
}

func encrypted(r *rig) {
	r.agent = func(_ *host, config map[string]any) {
		config["encrypt"] = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="
	}
	bootstrap(r, false)
}

// acl: before there is a leader, no token is known but the agent's own for that.
func acl(r *rig) {
	r.token = "11111111-2222-4333-8444-555555555555"
	file := filepath.Join(r.directory, "token")
	must(os.WriteFile(file, []byte(r.token+"\n"), 0o600))
	r.agent = func(_ *host, config map[string]any) {
		config["acl"] = map[string]any{"enabled": true, "default_policy": "deny", "tokens": map[string]any{"agent_recovery": r.token}}
	}
	r.sidecar = func(*host) string { return fmt.Sprintf("token_file = %q\n", file) }
	bootstrap(r, false)
}

// mutualTLS: agents whose certificate names their role alone, and that require one of callers.
func mutualTLS(r *rig) {
	ca, certificate, key := certificates(r.directory)
	r.agent = func(_ *host, config map[string]any) {
		config["ports"].(map[string]any)["https"] = 8501
		config["tls"] = map[string]any{
			"defaults":     map[string]any{"ca_file": ca, "cert_file": certificate, "key_file": key, "verify_incoming": true, "verify_outgoing": true},
			"internal_rpc": map[string]any{"verify_server_hostname": true},
		}
	}
	r.sidecar = func(h *host) string {
		return fmt.Sprintf("[[watch.agent]]\nkind = \"consul\"\nurl = \"https://%s:8501\"\nserver_name = %q\nca_file = %q\ncertificate_file = %q\nkey_file = %q\n",
			r.network.local(h.address), roleName, ca, certificate, key)
	}
	hosts := r.three()
	r.cloudOf(hosts)
	for _, host := range hosts {
		host.startAgent()
		host.startSidecar(false, false)
	}
	up := r.together(hosts...)
	r.report("members", up, limit)
	r.leader(hosts...)
	r.report("leader", up, 0)
}

// tail is the end of each log of a rig, for a scenario that failed.
func tail(directory string) string {
	logs, _ := filepath.Glob(filepath.Join(directory, "*.log"))
	var text strings.Builder
	for _, log := range logs {
		file, err := os.Open(log)
		if err != nil {
			continue
		}
		var lines []string
		for scanner := bufio.NewScanner(file); scanner.Scan(); {
			lines = append(lines, scanner.Text())
		}
		file.Close()
		fmt.Fprintf(&text, "--- %s\n%s\n", filepath.Base(log), strings.Join(lines[max(0, len(lines)-6):], "\n"))
	}
	return text.String()
}
