//go:build linux

package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// parts maps the first argument of this program to the component that it becomes;
// the remaining arguments are the component's own flags.
var parts = map[string]func(){
	"etcd":        func() { etcdmain.Main(os.Args) },
	"apiserver":   func() { os.Exit(cli.Run(apiserver.NewAPIServerCommand())) },
	"controllers": func() { os.Exit(cli.Run(controllers.NewControllerManagerCommand())) },
	"scheduler":   func() { os.Exit(cli.Run(scheduler.NewSchedulerCommand())) },
}
