package pid1

import (
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
)

// test evaluates conditions (systemd.unit(5)): all without "|", and one of
// those with it.
func (u *unit) test(list []unitfile.Condition) bool {
	triggers, triggered := 0, false
	for _, c := range list {
		holds := units.Holds(u.m.p, c) != c.Negate
		if c.Trigger {
			triggers++
			triggered = triggered || holds
			continue
		}
		if !holds {
			value := c.Value
			if c.Negate {
				value = "!" + value
			}
			u.conditionText = "Condition" + c.Kind + "=" + value
			return false
		}
	}
	u.conditionText = ""
	return triggers == 0 || triggered
}
