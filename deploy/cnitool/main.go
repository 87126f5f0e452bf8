// Does with CNI's own library what its cnitool does, as Debian has the library's sources and not the tool:
//
//	CNI_PATH=DIR NETCONFPATH=DIR [CAP_ARGS=JSON] cnitool add|check|del NETWORK NAMESPACE
//
// The container's id is the one that cnitool gives it, from the namespace's path, and the interface is eth0. `id` as the
// command prints that id, as a client needs it who makes an attachment that cnitool is to find.
package main

import (
	"context"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containernetworking/cni/libcni"
)

func run(command, network, namespace string) error {
	path, err := filepath.Abs(namespace)
	if err != nil {
		return err
	}
	sum := sha512.Sum512([]byte(path))
	container := fmt.Sprintf("cnitool-%x", sum[:10])
	if command == "id" {
		fmt.Println(container)
		return nil
	}
	list, err := libcni.LoadConfList(os.Getenv("NETCONFPATH"), network)
	if err != nil {
		return err
	}
	cni := libcni.NewCNIConfig(filepath.SplitList(os.Getenv("CNI_PATH")), nil)
	runtime := &libcni.RuntimeConf{ContainerID: container, NetNS: path, IfName: "eth0"}
	if text := os.Getenv("CAP_ARGS"); text != "" {
		if err := json.Unmarshal([]byte(text), &runtime.CapabilityArgs); err != nil {
			return err
		}
	}
	switch command {
	case "add":
		result, err := cni.AddNetworkList(context.Background(), list, runtime)
		if err != nil {
			return err
		}
		return result.Print()
	case "check":
		return cni.CheckNetworkList(context.Background(), list, runtime)
	case "del":
		return cni.DelNetworkList(context.Background(), list, runtime)
	}
	return fmt.Errorf("there is no command %s", command)
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: cnitool add|check|del|id NETWORK NAMESPACE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
