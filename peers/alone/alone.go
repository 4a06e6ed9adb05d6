// Package alone gives a process a network of its own, in which there is the loopback interface and
// nothing else.
//
// Real clients use the metadata address when they find no other identity. On a machine in a cloud
// something responds there, with that machine's own rights; and a mistake in a proxy setting would
// send simulated secrets to a real login.
package alone

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"unsafe"
)

// Unavailable is the exit status when this machine cannot do it.
const Unavailable = 69

const marker = "PEERS_ALONE"

// Enter starts this process again in a network of its own and ends with its exit status; in there
// it brings up the loopback interface and returns.
func Enter() {
	if os.Getenv(marker) != "" {
		if err := raiseLoopback(); err != nil {
			refuse(err)
		}
		if err := checkAlone(); err != nil {
			refuse(err)
		}
		return
	}
	err := again(syscall.CLONE_NEWNET)
	if errors.Is(err, syscall.EPERM) {
		// As an unprivileged user, or in a container: with a user namespace around it.
		err = again(syscall.CLONE_NEWNET | syscall.CLONE_NEWUSER)
	}
	var ended *exec.ExitError
	switch {
	case err == nil:
		os.Exit(0)
	case errors.As(err, &ended):
		os.Exit(ended.ExitCode())
	default:
		refuse(err)
	}
}

func again(namespaces uintptr) error {
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Env = append(os.Environ(), marker+"=1")
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if namespaces&syscall.CLONE_NEWUSER != 0 {
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
		// Capabilities within the namespace, to raise the loopback interface with; an ordinary user would
		// lose them at exec.
		command.SysProcAttr.AmbientCaps = []uintptr{capNetAdmin}
	}
	return command.Run()
}

const capNetAdmin = 12

func refuse(err error) {
	fmt.Fprintf(os.Stderr, "peers: this machine gives a process no network of its own (%v), and without one a real client could reach a real cloud\n", err)
	os.Exit(Unavailable)
}

// raiseLoopback is `ip link set lo up`.
func raiseLoopback() error {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)
	// struct ifreq
	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(request.name[:], "lo")
	if _, _, failed := syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); failed != 0 {
		return fmt.Errorf("loopback interface: %w", failed)
	}
	return nil
}

func checkAlone() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, one := range interfaces {
		if one.Flags&net.FlagLoopback == 0 && one.Flags&net.FlagUp != 0 {
			return fmt.Errorf("%s is up", one.Name)
		}
	}
	return nil
}
