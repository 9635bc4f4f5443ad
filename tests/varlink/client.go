// client: drives a fleet's control socket with the Varlink project's own Go
// library, which nobody here has written: its connection, and its parser of
// interface descriptions. Every reply is held to the description that svd gives
// of itself: no member missing, none unknown, each of its type.
//
// usage: client SOCKET WORKER
// WORKER is a running worker of one instance, which is restarted.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/varlink/go/varlink"
	"github.com/varlink/go/varlink/idl"
)

const fleet = "org.svd.Fleet"

var (
	ctx        context.Context
	checks     int
	interfaces = map[string]*idl.IDL{}
)

func check(ok bool, format string, args ...interface{}) {
	checks++
	if !ok {
		fmt.Fprintf(os.Stderr, "client: "+format+"\n", args...)
		os.Exit(1)
	}
}

func none(err error, what string) {
	check(err == nil, "%s: %v", what, err)
}

type object map[string]interface{}

// Every name that a type uses must be declared.
func resolve(i *idl.IDL, t *idl.Type) {
	if t == nil {
		return
	}
	if t.Kind == idl.TypeAlias {
		check(alias(i, t.Alias) != nil, "type %s is not declared", t.Alias)
	}
	resolve(i, t.ElementType)
	for _, f := range t.Fields {
		resolve(i, f.Type)
	}
}

func alias(i *idl.IDL, name string) *idl.Type {
	for _, a := range i.Aliases {
		if a.Name == name {
			return a.Type
		}
	}
	return nil
}

// Is v what t says?
func conforms(i *idl.IDL, t *idl.Type, v interface{}, path string) error {
	wrong := fmt.Errorf("%s: %v (%T) is not of its type", path, v, v)
	kinds := map[idl.TypeKind]reflect.Kind{
		idl.TypeBool: reflect.Bool, idl.TypeString: reflect.String,
	}
	switch t.Kind {
	case idl.TypeMaybe:
		if v == nil {
			return nil
		}
		return conforms(i, t.ElementType, v, path)
	case idl.TypeAlias:
		return conforms(i, alias(i, t.Alias), v, path)
	case idl.TypeBool, idl.TypeString:
		if v == nil || reflect.TypeOf(v).Kind() != kinds[t.Kind] {
			return wrong
		}
	case idl.TypeInt, idl.TypeFloat:
		n, ok := v.(json.Number)
		if !ok {
			return wrong
		}
		if _, err := n.Int64(); t.Kind == idl.TypeInt && err != nil {
			return wrong
		}
	case idl.TypeArray:
		list, ok := v.([]interface{})
		if !ok {
			return wrong
		}
		for n, one := range list {
			if err := conforms(i, t.ElementType, one, fmt.Sprintf("%s[%d]", path, n)); err != nil {
				return err
			}
		}
	case idl.TypeMap:
		members, ok := v.(map[string]interface{})
		if !ok {
			return wrong
		}
		for key, one := range members {
			if err := conforms(i, t.ElementType, one, path+"."+key); err != nil {
				return err
			}
		}
	case idl.TypeStruct:
		members, ok := v.(map[string]interface{})
		if !ok {
			return wrong
		}
		return fieldsConform(i, t, members, path)
	case idl.TypeObject:
	default:
		return fmt.Errorf("%s: type %d", path, t.Kind)
	}
	return nil
}

func fieldsConform(i *idl.IDL, t *idl.Type, members object, path string) error {
	known := map[string]bool{}
	for _, f := range t.Fields {
		known[f.Name] = true
		if err := conforms(i, f.Type, members[f.Name], path+"."+f.Name); err != nil {
			return err
		}
	}
	for key := range members {
		if !known[key] {
			return fmt.Errorf("%s: member %s is not declared", path, key)
		}
	}
	return nil
}

func decode(raw json.RawMessage) object {
	var members object
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	none(decoder.Decode(&members), "decoding "+string(raw))
	return members
}

func method(name string) *idl.Method {
	for _, m := range interfaces[fleet].Methods {
		if m.Name == name {
			return m
		}
	}
	check(false, "method %s is not declared", name)
	return nil
}

// One reply of a method, held to its description.
func receive(name string, next func(context.Context, interface{}) (uint64, error)) (object, uint64) {
	var raw json.RawMessage
	flags, err := next(ctx, &raw)
	none(err, name)
	reply := decode(raw)
	none(conforms(interfaces[fleet], method(name).Out, map[string]interface{}(reply), name), name)
	return reply, flags
}

func call(c *varlink.Connection, name string, parameters object) object {
	next, err := c.Send(ctx, fleet+"."+name, parameters, 0)
	none(err, name)
	reply, flags := receive(name, next)
	check(flags == 0, "%s: one call, one reply", name)
	return reply
}

// The error that a call is answered with; its parameters as they are declared.
func fails(c *varlink.Connection, name string, parameters object, flags uint64) error {
	var raw json.RawMessage
	next, err := c.Send(ctx, name, parameters, flags)
	none(err, name)
	_, err = next(ctx, &raw)
	check(err != nil, "%s: no error", name)
	var typed *varlink.Error
	if errors.As(err, &typed) {
		for _, e := range interfaces[fleet].Errors {
			if fleet+"."+e.Name != typed.Name {
				continue
			}
			parameters := decode(*typed.Parameters.(*json.RawMessage))
			none(fieldsConform(interfaces[fleet], e.Type, parameters, e.Name), e.Name)
			return err
		}
		check(false, "error %s is not declared", typed.Name)
	}
	return err
}

func connect(socket string) *varlink.Connection {
	c, err := varlink.NewConnection(ctx, "unix:"+socket)
	none(err, "connecting")
	return c
}

// GetInfo, and the description of all that it names.
func describe(c *varlink.Connection) {
	var vendor, product, version, url string
	var names []string
	none(c.GetInfo(ctx, &vendor, &product, &version, &url, &names), "GetInfo")
	check(vendor == "svd" && product == "svd" && version != "", "GetInfo: %s %s", vendor, product)
	for _, name := range names {
		text, err := c.GetInterfaceDescription(ctx, name)
		none(err, "GetInterfaceDescription "+name)
		// This parser is of a time when names had no capital letters.
		check(strings.Count(text, "interface "+name+"\n") == 1, "no interface %s in its description", name)
		lower := strings.ToLower(name)
		i, err := idl.New(strings.Replace(text, "interface "+name, "interface "+lower, 1))
		none(err, "parsing "+name)
		check(i.Name == lower && i.Doc != "", "interface %s has name %s", name, i.Name)
		interfaces[name] = i
		for _, a := range i.Aliases {
			resolve(i, a.Type)
		}
		for _, m := range i.Methods {
			check(m.Doc != "", "method %s has no words on it", m.Name)
			resolve(i, m.In)
			resolve(i, m.Out)
		}
		for _, e := range i.Errors {
			resolve(i, e.Type)
		}
	}
	check(interfaces[fleet] != nil && interfaces["org.varlink.service"] != nil, "interfaces: %v", names)
}

func shows(c *varlink.Connection, worker string) {
	call(c, "Ping", nil)
	call(c, "Version", object{})
	for _, parameters := range []object{nil, {"names": []string{worker}}, {"long": true}, {"names": nil, "long": nil}} {
		status := call(c, "Status", parameters)
		check(len(status["workers"].([]interface{})) > 0, "Status: %v", status)
	}
	call(c, "Why", object{"names": []string{"all"}})
	call(c, "Health", nil)
	snapshot := call(c, "Events", nil)
	check(snapshot["snapshot"] == true && snapshot["gap"] == false, "Events: %v", snapshot)
}

// A stream while another connection acts.
func streams(c, other *varlink.Connection, worker string) {
	next, err := c.Send(ctx, fleet+".Events", object{"names": []string{worker}}, varlink.More)
	none(err, "Events")
	first, flags := receive("Events", next)
	check(flags == varlink.Continues && first["snapshot"] == true, "Events: %v", first)
	results := call(other, "Restart", object{"names": []string{worker}})["results"].([]interface{})
	check(results[0].(map[string]interface{})["done"] == true, "Restart: %v", results)
	state, steps := "RUNNING", 0
	for ; steps == 0 || state != "RUNNING"; steps++ {
		event, flags := receive("Events", next)
		check(flags == varlink.Continues && event["from"] == state, "event: %v, was %s", event, state)
		state = event["worker"].(map[string]interface{})["state"].(string)
	}
	check(steps == 3, "a restart of %d steps", steps)
}

func refuses(c *varlink.Connection, worker string) {
	var typed *varlink.Error
	err := fails(c, fleet+".Stop", object{"names": []string{"nobody"}}, 0)
	check(errors.As(err, &typed) && typed.Name == fleet+".NoSuchWorker", "Stop: %v", err)
	var parameter *varlink.InvalidParameter
	for _, bad := range []object{{}, {"names": worker}, {"names": []string{worker}, "wait": 1}, {"names": []string{worker}, "no": 1}} {
		err = fails(c, fleet+".Stop", bad, 0)
		check(errors.As(err, &parameter) && parameter.Parameter != "", "Stop: %v", err)
	}
	err = fails(c, fleet+".Ping", nil, varlink.Upgrade)
	check(errors.As(err, &parameter) && parameter.Parameter == "upgrade", "upgrade: %v", err)
	var method *varlink.MethodNotFound
	err = fails(c, fleet+".Nonsense", nil, 0)
	check(errors.As(err, &method) && method.Method == fleet+".Nonsense", "Nonsense: %v", err)
	var missing *varlink.InterfaceNotFound
	err = fails(c, "org.example.Other.Ping", nil, 0)
	check(errors.As(err, &missing) && missing.Interface == "org.example.Other", "Other: %v", err)
	_, err = c.GetInterfaceDescription(ctx, "org.example.Other")
	check(errors.As(err, &missing), "description of Other: %v", err)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: client SOCKET WORKER")
		os.Exit(2)
	}
	var cancel context.CancelFunc
	ctx, cancel = context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, other := connect(os.Args[1]), connect(os.Args[1])
	describe(c)
	shows(c, os.Args[2])
	refuses(c, os.Args[2])
	// Not answered, so that the next reply is of the next call.
	_, err := c.Send(ctx, fleet+".Version", nil, varlink.Oneway)
	none(err, "oneway")
	check(len(call(c, "Ping", nil)) == 0, "a reply to a oneway call")
	streams(c, other, os.Args[2])
	call(other, "Ping", nil)
	fmt.Printf("%d checks passed\n", checks)
}
