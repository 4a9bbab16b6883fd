// SPDX-License-Identifier: Apache-2.0

// Command control-plane is a whole Kubernetes control plane, a node and their
// client in one executable. Which program runs is decided by the name it is
// called by (the cache folder holds one symbolic link per program) or, failing
// that, by the first argument.
//
// One file instead of seven because the programs share almost all of their
// code: it is linked once, stored once, and its pages are shared by the
// processes of every cluster that a test starts.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	_ "time/tzdata" // CronJob time zones must not depend on the machine.

	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubectl: exec and OIDC credentials.
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics on /metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // build information on /metrics
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// A program reads os.Args itself, with its own name first, and returns an exit
// status (or exits). Nothing is constructed before the choice is made: these
// commands register flags, metrics and signal handlers globally.
var programs = map[string]func() int{
	"etcd": func() int { etcdmain.Main(os.Args); return 0 },
	"kube-apiserver": func() int {
		return cli.Run(apiserver.NewAPIServerCommand())
	},
	"kube-controller-manager": func() int {
		return cli.Run(controllermanager.NewControllerManagerCommand())
	},
	"kube-proxy": func() int {
		return cli.Run(proxy.NewProxyCommand())
	},
	"kube-scheduler": func() int {
		return cli.Run(scheduler.NewSchedulerCommand())
	},
	"kubectl": runKubectl,
	// The kubelet installs the process's only signal handler on this context,
	// so it must be a plain one.
	"kubelet": func() int {
		return cli.Run(kubelet.NewKubeletCommand(context.Background()))
	},
}

func runKubectl() int {
	// kubectl logs while it builds its command tree, before flags are parsed.
	_, _ = logs.GlogSetter(kubectl.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err) // prints it kubectl's way and exits
		return 1
	}
	return 0
}

func main() {
	if run, ok := programs[filepath.Base(os.Args[0])]; ok {
		os.Exit(run())
	}
	args := os.Args[1:]
	if len(args) == 0 {
		usage(os.Stderr, "no program named")
		os.Exit(2)
	}
	if run, ok := programs[args[0]]; ok {
		os.Args = args
		os.Exit(run())
	}
	if slices.Contains([]string{"help", "-h", "--help"}, args[0]) {
		usage(os.Stdout, "")
		os.Exit(0)
	}
	usage(os.Stderr, fmt.Sprintf("unknown program %q", args[0]))
	os.Exit(2)
}

func usage(w io.Writer, problem string) {
	if problem != "" {
		fmt.Fprintf(w, "control-plane: %s\n", problem)
	}
	names := make([]string, 0, len(programs))
	for name := range programs {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(w, "usage: control-plane PROGRAM [ARGUMENT...]\n"+
		"   or: PROGRAM [ARGUMENT...]   through a link of that name\n"+
		"PROGRAM is one of: %s\n", strings.Join(names, ", "))
}
