package unitfile

import (
	"slices"
	"strconv"
	"strings"
)

// settable are the settings of resource control that systemctl set-property
// changes on a running unit (systemd.resource-control(5)).
var settable = strings.Fields(`CPUAccounting CPUWeight StartupCPUWeight CPUShares CPUQuota CPUQuotaPeriodSec AllowedCPUs AllowedMemoryNodes
	MemoryAccounting MemoryMin MemoryLow MemoryHigh MemoryMax MemorySwapMax MemoryLimit TasksAccounting TasksMax IOAccounting IOWeight
	IODeviceWeight IOReadBandwidthMax IOWriteBandwidthMax IPAccounting IPAddressAllow IPAddressDeny DeviceAllow DevicePolicy
	ManagedOOMSwap ManagedOOMMemoryPressure ManagedOOMPreference`)

// KnownProperty reports whether set-property knows a name at all.
func KnownProperty(name string) bool {
	return slices.Contains(settable, name) || knownKey("Service", name) || name == "Description"
}

// Settable reports whether PID 1 takes a property for a unit that is loaded.
func Settable(name string) bool { return slices.Contains(settable, name) || name == "Description" }

// PropertyValue writes the value of a property as set-property keeps it: sizes in
// bytes. ok is false for a value that cannot be.
func PropertyValue(name, value string) (kept string, ok bool) {
	percent, isPercent := strings.CutSuffix(value, "%")
	n, numErr := strconv.ParseFloat(percent, 64)
	switch {
	case value == "":
		return "", true
	case strings.HasSuffix(name, "Accounting"):
		b, ok := ParseBool(value)
		return map[bool]string{true: "yes", false: "no"}[b], ok
	case name == "CPUQuota":
		return value, isPercent && numErr == nil && n > 0
	case strings.HasPrefix(name, "Memory"), name == "TasksMax":
		if value == "infinity" {
			return value, true
		}
		if isPercent {
			return strconv.FormatFloat(n, 'f', 2, 64) + "%", numErr == nil && n >= 0 && n <= 100
		}
		size, ok := ParseSize(value)
		return strconv.FormatInt(size, 10), ok
	case strings.HasSuffix(name, "Weight"), name == "CPUShares":
		w, err := strconv.Atoi(value)
		return value, err == nil && w >= 1 && w <= 10000 || name == "CPUWeight" && value == "idle"
	}
	return value, true
}
