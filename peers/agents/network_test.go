package agents

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// network is where hosts are.
type network interface {
	// address of the host with this number, from 1.
	address(number int) string
	// local is the address at which a host's own programs reach its agent.
	local(address string) string
	// add boots a host, which reaches the cloud at these ports of 127.0.0.1.
	add(address string, cloud []int) error
	// command runs on a host.
	command(address string, argument ...string) *exec.Cmd
	// swallow makes an address one of a machine that is gone. False where addresses refuse always.
	swallow(address string) bool
	subnet() string
	end()
}

// loopback has hosts at 127.x.y.z. What is gone refuses connections.
type loopback struct{ prefix string }

func newLoopback(number int) network {
	// A network of its own for each process and scenario, since ports are Consul's own.
	id := os.Getpid()*31 + number
	return loopback{fmt.Sprintf("127.%d.%d", 1+id/250%250, 1+id%250)}
}

func (l loopback) address(number int) string { return fmt.Sprintf("%s.%d", l.prefix, 3+number) }
func (loopback) local(address string) string { return address }
func (loopback) add(string, []int) error     { return nil }
func (loopback) swallow(string) bool         { return false }
func (l loopback) subnet() string            { return l.prefix + ".0/24" }
func (loopback) end()                        {}
func (loopback) command(_ string, argument ...string) *exec.Cmd {
	return exec.Command(argument[0], argument[1:]...)
}

// namespaces has hosts in network namespaces on one link. What is gone swallows packets.
type namespaces struct {
	prefix string
	mutex  sync.Mutex
	hosts  map[string]string
	links  int
	relays []net.Listener
}

func newNamespaces(number int) (network, error) {
	n := &namespaces{prefix: fmt.Sprintf("agents-%d-%d", os.Getpid(), number), hosts: map[string]string{}}
	// Addresses without a machine belong to one that responds to ARP and has no way back.
	err := ip("netns add "+n.prefix, "-n "+n.prefix+" link add link0 type bridge", "-n "+n.prefix+" link set link0 up")
	if err == nil {
		err = n.namespace(n.prefix+"-gone", "")
	}
	if err != nil {
		n.end()
	}
	return n, err
}

func (n *namespaces) address(number int) string { return fmt.Sprintf("10.77.0.%d", 3+number) }
func (n *namespaces) local(string) string       { return "127.0.0.1" }
func (n *namespaces) subnet() string            { return "10.77.0.0/24" }

func (n *namespaces) add(address string, cloud []int) error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	name, known := n.hosts[address]
	if !known {
		name = fmt.Sprintf("%s-%s", n.prefix, address[strings.LastIndex(address, ".")+1:])
		if err := n.namespace(name, address); err != nil {
			return err
		}
		n.hosts[address] = name
	}
	for _, port := range cloud {
		listener, err := listenIn(name, port)
		if err != nil {
			return err
		}
		n.relays = append(n.relays, listener)
		go relay(listener)
	}
	return nil
}

func (n *namespaces) namespace(name, address string) error {
	n.links++
	port := fmt.Sprintf("port%d", n.links)
	commands := []string{
		"netns add " + name,
		fmt.Sprintf("-n %s link add eth0 type veth peer name %s netns %s", name, port, n.prefix),
		fmt.Sprintf("-n %s link set %s master link0 up", n.prefix, port),
		"-n " + name + " link set lo up",
		"-n " + name + " link set eth0 up",
	}
	if address != "" {
		commands = append(commands, fmt.Sprintf("-n %s address add %s/24 dev eth0", name, address))
	}
	return ip(commands...)
}

func (n *namespaces) command(address string, argument ...string) *exec.Cmd {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return exec.Command("ip", append([]string{"netns", "exec", n.hosts[address]}, argument...)...)
}

func (n *namespaces) swallow(address string) bool {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if name, known := n.hosts[address]; known {
		_ = ip("netns del " + name)
		delete(n.hosts, address)
	}
	_ = ip(fmt.Sprintf("-n %s-gone address add %s/32 dev eth0", n.prefix, address))
	return true
}

func (n *namespaces) end() {
	for _, relay := range n.relays {
		relay.Close()
	}
	for _, name := range n.hosts {
		_ = ip("netns del " + name)
	}
	_ = ip("netns del "+n.prefix+"-gone", "netns del "+n.prefix)
}

func ip(commands ...string) error {
	for _, command := range commands {
		if output, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", command, err, output)
		}
	}
	return nil
}

// listenIn opens a port of 127.0.0.1 in a network namespace.
func listenIn(namespace string, port int) (net.Listener, error) {
	type result struct {
		listener net.Listener
		err      error
	}
	done := make(chan result)
	go func() {
		listener, err := func() (net.Listener, error) {
			runtime.LockOSThread()
			here, err := os.Open("/proc/thread-self/ns/net")
			if err != nil {
				return nil, err
			}
			defer here.Close()
			there, err := os.Open("/run/netns/" + namespace)
			if err != nil {
				return nil, err
			}
			defer there.Close()
			if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
				return nil, err
			}
			listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
			// Else the thread ends with the goroutine, and its child processes with it.
			if unix.Setns(int(here.Fd()), unix.CLONE_NEWNET) == nil {
				runtime.UnlockOSThread()
			}
			return listener, err
		}()
		done <- result{listener, err}
	}()
	opened := <-done
	return opened.listener, opened.err
}

// relay carries connections to the same port here.
func relay(listener net.Listener) {
	port := listener.Addr().(*net.TCPAddr).Port
	for {
		inner, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer inner.Close()
			outer, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				return
			}
			defer outer.Close()
			go func() {
				_, _ = io.Copy(outer, inner)
				_ = outer.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(inner, outer)
		}()
	}
}
