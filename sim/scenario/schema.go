package scenario

import (
	"encoding"
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
)

// Schema returns the JSON Schema (draft 2020-12) of lab files with the given
// kinds of checks, made from the same types that decode them.
func Schema(kinds []Kind) ([]byte, error) {
	s := schema{kinds: kinds, defs: map[string]any{}}
	root := s.of(reflect.TypeFor[Lab]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "enshu lab"
	root["$defs"] = s.defs
	return json.MarshalIndent(root, "", "  ")
}

// object is a JSON object; encoding/json sorts its keys.
type object = map[string]any

type schema struct {
	kinds []Kind
	defs  map[string]any
}

// patterned is implemented by plain values that have a notation of their own.
type patterned interface{ Pattern() string }

// hasVariable is a text with a variable in it, which may stand for any value.
const hasVariable = `\{\{.*\}\}`

// of returns the schema of a type.
func (s *schema) of(t reflect.Type) object {
	switch {
	case t.Kind() == reflect.Pointer:
		return s.of(t.Elem())
	case t == checkType:
		return s.ref("Check", s.check)
	case t == reflect.TypeFor[netip.Addr](), t == reflect.TypeFor[netip.Prefix]():
		return object{"type": "string"}
	case t.Implements(reflect.TypeFor[patterned]()):
		p := reflect.Zero(t).Interface().(patterned).Pattern()
		return object{"type": []string{"string", "integer"}, "pattern": "(" + p + ")|" + hasVariable}
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return object{"type": []string{"string", "number"}}
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": []string{"string", "number", "boolean"}}
	case reflect.Int:
		return object{"type": []string{"integer", "string"}, "pattern": `^-?\d+$|` + hasVariable}
	case reflect.Bool:
		return object{"type": []string{"boolean", "string"}, "pattern": `^(true|false)$|` + hasVariable}
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	}
	if t.Name() == "Lab" {
		return s.structure(t)
	}
	return s.ref(t.Name(), func() object { return s.structure(t) })
}

// ref puts a definition aside and refers to it.
func (s *schema) ref(name string, make func() object) object {
	if _, ok := s.defs[name]; !ok {
		s.defs[name] = nil // holds the place while a type refers to itself
		s.defs[name] = make()
	}
	return object{"$ref": "#/$defs/" + name}
}

func (s *schema) structure(t reflect.Type) object {
	properties, required := object{}, []string{}
	var short object
	for _, f := range fields(t) {
		if f.isKey {
			continue
		}
		var p object
		if f.keyed {
			p = object{"type": "object", "additionalProperties": s.of(f.typ.Elem())}
		} else {
			p = s.of(f.typ)
		}
		if f.isVal {
			short = s.of(f.typ)
		}
		if f.doc != "" {
			p["description"] = f.doc
		}
		if f.required {
			required = append(required, f.name)
		}
		properties[f.name] = p
	}
	o := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		o["required"] = required
	}
	if short != nil {
		return object{"anyOf": []object{short, o}}
	}
	return o
}

// check is the schema of a check: any one kind.
func (s *schema) check() object {
	properties := object{
		"within": s.of(reflect.TypeFor[Duration]()),
		"not":    s.of(reflect.TypeFor[bool]()),
	}
	var one []object
	for _, k := range s.kinds {
		t := reflect.TypeOf(k.Args)
		name := strings.ToUpper(k.Name[:1]) + k.Name[1:] + "Check"
		p := s.ref(name, func() object { return s.structure(t) })
		p["description"] = k.Doc
		properties[k.Name] = p
		one = append(one, object{"required": []string{k.Name}})
	}
	o := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(one) > 0 {
		o["oneOf"] = one
	}
	return o
}
