package scenario

import (
	"reflect"

	"gopkg.in/yaml.v3"

	"enshu/sim/lang"
)

// Names that must be known. The decoder notes each with its position and looks
// them up when it has seen the whole file.
type (
	HostName    string // a host of the lab
	NetworkName string // a network of the lab
	TaskName    string // a task of the lab
	UserName    string // a user of the distribution or of a host
	PackageName string // a package of the distribution
	ProgramName string // a program of the distribution, by its last path element
	UnitName    string // a service of the distribution or of a host's files, without ".service"
)

// Known is what a lab file may name that this package cannot know.
type Known struct {
	Packages []string
	Programs []string
	Units    []string // without ".service"
	Users    []string // that every host has
	Kinds    []Kind
}

// Kind is one kind of check.
type Kind struct {
	Name  string
	Args  any      // a zero struct: the arguments, with lab tags
	Links []string // names of the links at which it can fail
	Doc   string   // one line
}

func (k *Known) kind(name string) *Kind {
	for i := range k.Kinds {
		if k.Kinds[i].Name == name {
			return &k.Kinds[i]
		}
	}
	return nil
}

// Checker is implemented by structs with rules beyond the types of their
// fields. It reports what is wrong with the key it is about, "" for the whole.
type Checker interface {
	Check(report func(key, ja, en string, args ...any))
}

// reference is a name met while decoding.
type reference struct {
	what reflect.Type
	name string
	node *yaml.Node
}

// references maps the types of names to the noun for the error and the names
// that are known.
var references = map[reflect.Type]struct {
	noun  lang.Text
	known func(k *Known, l *Lab) []string
}{
	reflect.TypeFor[HostName]():    {lang.Both("ホスト", "host"), func(_ *Known, l *Lab) []string { return hostNames(l) }},
	reflect.TypeFor[NetworkName](): {lang.Both("ネットワーク", "network"), func(_ *Known, l *Lab) []string { return networkNames(l) }},
	reflect.TypeFor[TaskName]():    {lang.Both("タスク", "task"), func(_ *Known, l *Lab) []string { return taskNames(l) }},
	reflect.TypeFor[UserName]():    {lang.Both("ユーザー", "user"), userNames},
	reflect.TypeFor[PackageName](): {lang.Both("パッケージ", "package"), func(k *Known, _ *Lab) []string { return k.Packages }},
	reflect.TypeFor[ProgramName](): {lang.Both("プログラム", "program"), func(k *Known, _ *Lab) []string { return k.Programs }},
	reflect.TypeFor[UnitName]():    {lang.Both("サービス", "service"), unitNames},
}
