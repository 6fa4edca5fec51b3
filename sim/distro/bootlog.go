package distro

import (
	"fmt"
	"math/rand/v2"
	"time"

	"enshu/sim/host"
)

// Machine is what the kernel of a host finds when it boots.
type Machine struct {
	Seed       uint64 // the times between messages are drawn from it
	MemoryMiB  int
	CPUs       int
	Interfaces []string  // names of the network cards
	Boot       time.Time // what the hardware clock says
}

// BootDuration is how long the kernel works before PID 1 starts services; what
// [BootLog] returns happened in that time.
const BootDuration = 3 * time.Second

// bootLine is one message of a boot. wait is how long the kernel had been busy
// before, in microseconds; it varies by a quarter.
type bootLine struct {
	wait     int
	priority int // facility<<3 | severity
	text     string
}

// The severities of kernel messages (facility kern is 0).
const (
	kernNotice = 5
	kernInfo   = 6
	kernWarn   = 4
	kernDebug  = 7
	daemonInfo = 3<<3 | 6
)

// kernelRelease is what uname -r says.
const kernelRelease = "5.14.0-427.13.1.el9_4.x86_64"

// BootLog returns the kernel's messages of a boot on a KVM machine, oldest
// first. The same machine has the same messages.
func BootLog(m Machine) []host.KmsgRecord {
	m.MemoryMiB, m.CPUs = max(m.MemoryMiB, 256), max(m.CPUs, 1)
	r := rand.New(rand.NewPCG(m.Seed, 0x626f6f74))
	var records []host.KmsgRecord
	at := time.Duration(0)
	for _, l := range m.lines() {
		wait := l.wait
		if wait > 0 {
			wait += r.IntN(wait/2+1) - wait/4
		}
		at += time.Duration(wait) * time.Microsecond
		records = append(records, host.KmsgRecord{Seq: uint64(len(records)), Priority: l.priority, At: at, Text: l.text})
	}
	return records
}

func (m Machine) lines() []bootLine {
	top := uint64(m.MemoryMiB)<<20 - 1
	kib := m.MemoryMiB << 10
	lines := []bootLine{
		{0, kernNotice, "Linux version " + kernelRelease + " (mockbuild@x64-builder02.almalinux.org) (gcc (GCC) 11.4.1 20231218 (Red Hat 11.4.1-3), GNU ld version 2.35.2-43.el9) #1 SMP PREEMPT_DYNAMIC Wed May 1 19:11:28 UTC 2024"},
		{0, kernInfo, "The list of certified hardware and cloud instances for Red Hat Enterprise Linux 9 can be viewed at the Red Hat Ecosystem Catalog, https://catalog.redhat.com."},
		{0, kernInfo, "Command line: BOOT_IMAGE=(hd0,gpt3)/vmlinuz-" + kernelRelease + " root=UUID=6f5a3c0e-1d2b-4c59-9f0e-2a7f0c9b4d11 ro console=ttyS0,115200n8 no_timer_check crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M"},
		{0, kernInfo, "BIOS-provided physical RAM map:"},
		{0, kernInfo, "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable"},
		{0, kernInfo, "BIOS-e820: [mem 0x000000000009fc00-0x000000000009ffff] reserved"},
		{0, kernInfo, "BIOS-e820: [mem 0x00000000000f0000-0x00000000000fffff] reserved"},
		{0, kernInfo, fmt.Sprintf("BIOS-e820: [mem 0x0000000000100000-0x%016x] usable", top)},
		{0, kernInfo, "NX (Execute Disable) protection: active"},
		{0, kernInfo, "SMBIOS 2.8 present."},
		{0, kernInfo, "DMI: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.3-2.el9 04/01/2014"},
		{0, kernInfo, "Hypervisor detected: KVM"},
		{0, kernInfo, "kvm-clock: Using msrs 4b564d01 and 4b564d00"},
		{4, kernInfo, "kvm-clock: using sched offset of 1842905271 cycles"},
		{6, kernInfo, "clocksource: kvm-clock: mask: 0xffffffffffffffff max_cycles: 0x1cd42e4dffb, max_idle_ns: 881590591483 ns"},
		{40, kernInfo, "tsc: Detected 2445.404 MHz processor"},
		{600, kernInfo, fmt.Sprintf("last_pfn = 0x%x max_arch_pfn = 0x400000000", (top+1)>>12)},
		{900, kernInfo, "found SMP MP-table at [mem 0x000f5ba0-0x000f5baf]"},
		{700, kernInfo, "Using GB pages for direct mapping"},
		{1200, kernInfo, "ACPI: Early table checksum verification disabled"},
		{8, kernInfo, "ACPI: RSDP 0x00000000000F59D0 000014 (v00 BOCHS )"},
		{5, kernInfo, "ACPI: RSDT 0x000000007FFE2B69 000038 (v01 BOCHS  BXPC     00000001 BXPC 00000001)"},
		{900, kernInfo, "No NUMA configuration found"},
		{5, kernInfo, fmt.Sprintf("Faking a node at [mem 0x0000000000000000-0x%016x]", top)},
		{4800, kernInfo, fmt.Sprintf("smpboot: Allowing %d CPUs, 0 hotplug CPUs", m.CPUs)},
		{900, kernInfo, "Booting paravirtualized kernel on KVM"},
		{6000, kernNotice, "Kernel command line: BOOT_IMAGE=(hd0,gpt3)/vmlinuz-" + kernelRelease + " root=UUID=6f5a3c0e-1d2b-4c59-9f0e-2a7f0c9b4d11 ro console=ttyS0,115200n8 no_timer_check"},
		{2100, kernInfo, "Dentry cache hash table entries: 262144 (order: 9, 2097152 bytes, linear)"},
		{400, kernInfo, "Inode-cache hash table entries: 131072 (order: 8, 1048576 bytes, linear)"},
		{9000, kernInfo, fmt.Sprintf("Memory: %dK/%dK available (16384K kernel code, 5596K rwdata, 11444K rodata, 3824K init, 18424K bss, %dK reserved, 0K cma-reserved)", kib-kib/12, kib, kib/12)},
		{600, kernInfo, fmt.Sprintf("SLUB: HWalign=64, Order=0-3, MinObjects=0, CPUs=%d, Nodes=1", m.CPUs)},
		{3000, kernInfo, "rcu: Preemptible hierarchical RCU implementation."},
		{9000, kernInfo, "Console: colour VGA+ 80x25"},
		{12000, kernInfo, "printk: console [ttyS0] enabled"},
		{1600, kernInfo, "Calibrating delay loop (skipped) preset value.. 4890.80 BogoMIPS (lpj=2445404)"},
		{300, kernInfo, "pid_max: default: 32768 minimum: 301"},
		{500, kernInfo, "LSM: initializing lsm=lockdown,capability,landlock,yama,integrity,selinux,bpf"},
		{40, kernInfo, "Yama: becoming mindful."},
		{20, kernInfo, "SELinux:  Initializing."},
		{9000, kernInfo, "smpboot: CPU0: AMD EPYC Processor (family: 0x17, model: 0x31, stepping: 0x0)"},
		{7000, kernInfo, "Performance Events: Fam17h+ core perfctr, AMD PMU driver."},
		{9000, kernInfo, fmt.Sprintf("smp: Brought up 1 node, %d CPUs", m.CPUs)},
		{2200, kernInfo, "devtmpfs: initialized"},
		{5200, kernInfo, "NET: Registered PF_NETLINK/PF_ROUTE protocol family"},
		{2000, kernInfo, "audit: initializing netlink subsys (disabled)"},
		{9000, kernInfo, "PCI: Using configuration type 1 for base access"},
		{22000, kernInfo, "ACPI: Interpreter enabled"},
		{14000, kernInfo, "ACPI: PCI Root Bridge [PCI0] (domain 0000 [bus 00-ff])"},
		{9000, kernInfo, "SCSI subsystem initialized"},
		{900, kernInfo, "PTP clock support registered"},
		{4000, kernInfo, "clocksource: Switched to clocksource kvm-clock"},
		{9000, kernInfo, "NET: Registered PF_INET protocol family"},
		{1600, kernInfo, "TCP established hash table entries: 16384 (order: 5, 131072 bytes, linear)"},
		{900, kernInfo, "TCP: Hash tables configured (established 16384 bind 16384)"},
		{500, kernInfo, "NET: Registered PF_UNIX/PF_LOCAL protocol family"},
		{9000, kernInfo, "Trying to unpack rootfs image as initramfs..."},
		{310000, kernInfo, "Freeing initrd memory: 33428K"},
		{9000, kernInfo, "Initialise system trusted keyrings"},
		{30000, kernInfo, "Serial: 8250/16550 driver, 4 ports, IRQ sharing enabled"},
		{9000, kernInfo, "rtc_cmos 00:03: RTC can wake from S4"},
		{700, kernInfo, "rtc_cmos 00:03: setting system clock to " + m.Boot.UTC().Format("2006-01-02T15:04:05 MST") + fmt.Sprintf(" (%d)", m.Boot.Unix())},
		{12000, kernInfo, "NET: Registered PF_INET6 protocol family"},
		{21000, kernInfo, "Loading compiled-in X.509 certificates"},
		{30000, kernInfo, "Freeing unused kernel image (initmem) memory: 3824K"},
		{900, kernInfo, "Write protecting the kernel read-only data: 28672k"},
		{2000, kernInfo, "Run /init as init process"},
		{30000, daemonInfo, "systemd[1]: systemd 252-32.el9_4.alma.1 running in system mode (+PAM +AUDIT +SELINUX -APPARMOR +IMA +SMACK +SECCOMP +GCRYPT +GNUTLS +OPENSSL +ACL +BLKID +CURL +ELFUTILS -FIDO2 +IDN2 -IDN -IPTC +KMOD +LIBCRYPTSETUP +LIBFDISK +PCRE2 -PWQUALITY +P11KIT -QRENCODE +TPM2 +BZIP2 +LZ4 +XZ +ZLIB +ZSTD -BPF_FRAMEWORK +XKBCOMMON +UTMP +SYSVINIT default-hierarchy=unified)"},
		{200, daemonInfo, "systemd[1]: Detected virtualization kvm."},
		{60, daemonInfo, "systemd[1]: Detected architecture x86-64."},
		{60, daemonInfo, "systemd[1]: Running in initrd."},
		{160000, kernInfo, "virtio_blk virtio2: 2/0/0 default/read/poll queues"},
		{900, kernInfo, "virtio_blk virtio2: [vda] 20971520 512-byte logical blocks (10.7 GB/10.0 GiB)"},
		{3000, kernInfo, " vda: vda1 vda2 vda3 vda4"},
	}
	for i, n := range m.Interfaces {
		lines = append(lines, bootLine{6000, kernInfo, fmt.Sprintf("virtio_net virtio%d %s: renamed from eth%d", i, n, i)})
	}
	lines = append(lines,
		bootLine{120000, kernNotice, "XFS (vda4): Mounting V5 Filesystem 6f5a3c0e-1d2b-4c59-9f0e-2a7f0c9b4d11"},
		bootLine{14000, kernInfo, "XFS (vda4): Ending clean mount"},
		bootLine{130000, kernInfo, "SELinux:  policy capability network_peer_controls=1"},
		bootLine{40000, daemonInfo, "systemd[1]: Successfully loaded SELinux policy in 92.481ms."},
		bootLine{60000, daemonInfo, "systemd[1]: Hostname set."},
		bootLine{200000, daemonInfo, "systemd[1]: Queued start job for default target Multi-User System."},
		bootLine{40000, daemonInfo, "systemd[1]: Starting Journal Service..."},
		bootLine{30000, kernInfo, "fuse: init (API version 7.37)"},
		bootLine{30000, daemonInfo, "systemd[1]: Started Journal Service."},
		bootLine{90000, kernInfo, "input: Power Button as /devices/LNXSYSTM:00/LNXPWRBN:00/input/input4"},
		bootLine{12000, kernInfo, "RAPL PMU: API unit is 2^-32 Joules, 0 fixed counters, 10737418240 ms ovfl timer"},
		bootLine{60000, kernInfo, "kvm_amd: Nested Virtualization enabled"},
	)
	for _, n := range m.Interfaces {
		lines = append(lines, bootLine{70000, kernInfo, fmt.Sprintf("IPv6: ADDRCONF(NETDEV_CHANGE): %s: link becomes ready", n)})
	}
	return lines
}
