package kernel

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// allProtocols is ETH_P_ALL in network byte order.
const allProtocols = (unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8) & 0xffff

// Capture opens a packet socket (packet(7)) on an interface of the machine.
// Each read of the file is one Ethernet frame.
func (m *Machine) Capture(iface string) (*os.File, error) {
	var f *os.File
	err := m.inside.do(func() error {
		i, err := net.InterfaceByName(iface)
		if err != nil {
			return fmt.Errorf("no interface %q", iface)
		}
		// Of protocol 0, so that nothing is captured before it is bound.
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: allProtocols, Ifindex: i.Index}); err != nil {
			unix.Close(fd)
			return fmt.Errorf("packet socket: %w", err)
		}
		f = os.NewFile(uintptr(fd), iface)
		return nil
	})
	return f, err
}
