// SPDX-License-Identifier: Apache-2.0

// Command kwok plays the nodes: it gives annotated Node objects and the pods
// bound to them the status a real kubelet would report, as kwok-stages.yaml
// says. It is kwok's published command; only this entry point is ours.
//
// It is a program of its own, not a part of cmd/control-plane, because it sets
// up logging, flags and signals on the process in its own way.
package main

import (
	"fmt"
	"os"

	"github.com/google/uuid"
	"github.com/spf13/pflag"
	"sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

// zeros is a random source that always says the same.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func main() {
	ctx := signals.SetupSignalContext()

	// kwok reads ~/.kwok/kwok.yaml before the files it is told to read. Stages
	// from someone's own kwok would change what the tests see.
	config.WorkDir = os.DevNull

	// kwok leaves alone every node whose lease another kwok holds, and takes a
	// random identity at each start. A restarted cluster would therefore stand
	// still until the leases of its former self ran out. There is one kwok per
	// cluster, so every kwok may be the same one.
	uuid.SetRand(zeros{})

	// Log level and configuration files are needed while the command is being
	// built (its defaults come from the files), hence a first, lenient pass.
	early := pflag.NewFlagSet("kwok", pflag.ContinueOnError)
	early.ParseErrorsAllowlist.UnknownFlags = true
	early.Usage = func() {}
	ctx, _ = log.InitFlags(ctx, early)
	ctx, err := config.InitFlags(ctx, early)
	if err == nil {
		command := cmd.NewCommand(ctx)
		command.PersistentFlags().AddFlagSet(early)
		err = command.ExecuteContext(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kwok:", err)
		os.Exit(1)
	}
}
