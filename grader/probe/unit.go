package probe

import (
	"context"
	"fmt"
	"strings"

	"enshu/grader/check"
)

// UnitState is what systemctl show says of a unit.
type UnitState struct{ Load, Active, Result, File string }

// Unit asks systemd about a service, whose name is without .service.
func Unit(ctx context.Context, v *check.View, host, unit string) (UnitState, error) {
	out, err := v.Sh(ctx, host, "systemctl show -p LoadState -p ActiveState -p Result -p UnitFileState "+check.Quote(unit+".service"))
	if err != nil {
		return UnitState{}, err
	}
	if out.Status != 0 {
		return UnitState{}, fmt.Errorf("%s: systemctl show: %s", host, check.Clip(out.Stderr))
	}
	s := UnitState{Active: "inactive"}
	for _, l := range check.Lines(out.Stdout) {
		switch name, value, _ := strings.Cut(l, "="); name {
		case "LoadState":
			s.Load = value
		case "ActiveState":
			s.Active = value
		case "Result":
			s.Result = value
		case "UnitFileState":
			s.File = value
		}
	}
	return s, nil
}
