//go:build linux

package main

import (
	_ "embed" // the script of the node
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// realNode is a node whose pods are containers: a kubelet on containerd and runc, which are this
// machine's, with a bridge as the network of the pods. It shows what a process node cannot:
// images and their entrypoints, users, capabilities and read-only roots that are enforced,
// memory limits, the kubelet's own words for what goes wrong, and port-forward and attach by
// containerd. It needs root, and Linux with overlayfs, veth and bridges.
//
// Nothing outlives it but its cgroups and its bridge, which stop removes: its processes have a
// namespace of their own, which ends with their first.
type realNode struct {
	name string
	// kubelet is the path of the program.
	kubelet string
	// bridge is the network interface of the pods, of which ip is the address of the node.
	bridge string
	ip     net.IP
	port   int
	// group is the cgroup of the pods.
	group string
}

// newRealNode makes the interface of a node. The networks of 198.18.0.0/15 are for measurements
// of networks, so that no other machine should have an address of them.
func newRealNode(kubelet string, api, port int) (*realNode, error) {
	for _, program := range []string{"containerd", "containerd-shim-runc-v2", "runc", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("a node with containers needs %s: %w", program, err)
		}
	}
	n := &realNode{name: "real-0", kubelet: kubelet, bridge: fmt.Sprintf("aiperf%d", api),
		ip: net.IPv4(198, 18, byte(api), 1), port: port, group: fmt.Sprintf("aiperf-kube-%d", api)}
	for _, args := range []string{"link add " + n.bridge + " type bridge", "addr add " + n.ip.String() + "/24 dev " + n.bridge,
		"link set " + n.bridge + " up"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("ip %s: %w: %s", args, err, out), n.remove())
		}
	}
	return n, nil
}

// remove removes the interface and the cgroups.
func (n *realNode) remove() error {
	var errs []error
	if out, err := exec.Command("ip", "link", "del", n.bridge).CombinedOutput(); err != nil {
		errs = append(errs, fmt.Errorf("%w: %s", err, out))
	}
	for _, root := range n.hierarchies() {
		var groups []string
		err := filepath.WalkDir(filepath.Join(root, n.group), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				groups = append(groups, path)
			}
			return nil // what has gone meanwhile is not missed
		})
		errs = append(errs, err)
		// A group can be removed once those within it are.
		for _, g := range slices.Backward(groups) {
			if err := syscall.Rmdir(g); err != nil {
				errs = append(errs, fmt.Errorf("rmdir %s: %w", g, err))
			}
		}
	}
	return errors.Join(errs...)
}

// hierarchies are where cgroups are: one place of version 2, or one for each controller of version 1.
func (n *realNode) hierarchies() []string {
	const top = "/sys/fs/cgroup"
	if _, err := os.Stat(top + "/cgroup.controllers"); err == nil {
		return []string{top}
	}
	all, err := filepath.Glob(top + "/*/cgroup.procs")
	if err != nil {
		return nil
	}
	for i := range all {
		all[i] = filepath.Dir(all[i])
	}
	return all
}

// groups makes the cgroups of the pods' parent, in which a kubelet makes those of its pods.
func (n *realNode) groups() error {
	for _, root := range n.hierarchies() {
		dir := filepath.Join(root, n.group)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		// A new group has no processor and no memory until it is given those of its parent.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			text, err := os.ReadFile(filepath.Join(root, file))
			if err == nil && strings.HasSuffix(root, "cpuset") {
				err = os.WriteFile(filepath.Join(dir, file), text, 0o644)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		// Version 2 has controllers in those groups alone whose parents say so.
		if have, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers")); err == nil && root == "/sys/fs/cgroup" {
			var plus []string
			for _, c := range strings.Fields(string(have)) {
				plus = append(plus, "+"+c)
			}
			if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte(strings.Join(plus, " ")), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

//go:embed real.sh
var realScript string

// real starts the node.
func (m *machine) real(n *realNode) error {
	if err := n.groups(); err != nil {
		return err
	}
	if err := os.MkdirAll(m.file("cni"), 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"kubelet.yaml":    fmt.Sprintf(kubeletYAML, n.ip, n.port, m.dir, n.group),
		"containerd.toml": fmt.Sprintf(containerdTOML, m.dir),
		"resolv.conf":     "",
		"cni/pods.conflist": fmt.Sprintf(podNetwork, n.bridge,
			net.IPv4(n.ip.To4()[0], n.ip.To4()[1], n.ip.To4()[2], 0), m.dir, n.ip),
	} {
		if err := os.WriteFile(m.file(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	cmd := exec.Command("bash", "-c", realScript, "real.sh", m.dir, n.kubelet, n.name, n.ip.String())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	return m.begin(n.name, cmd)
}

// kubeletYAML is the configuration of a kubelet: address, port, directory, cgroup. Whoever has a
// certificate of the cluster may ask it for anything, which only the API server has. It evicts
// no pod for what else this machine does.
const kubeletYAML = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %[1]s
port: %[2]d
readOnlyPort: 0
healthzPort: 0
tlsCertFile: %[3]s/server.pem
tlsPrivateKeyFile: %[3]s/server.key
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: false}
  x509: {clientCAFile: %[3]s/ca.pem}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://%[3]s/containerd.sock
resolvConf: %[3]s/resolv.conf
podLogsDir: %[3]s/kubelet/podlogs
volumePluginDir: %[3]s/kubelet/exec
cgroupDriver: cgroupfs
cgroupRoot: /%[4]s
cgroupsPerQOS: true
enforceNodeAllocatable: [none]
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
makeIPTablesUtilChains: false
protectKernelDefaults: false
registerNode: true
evictionHard: {memory.available: "0%%", nodefs.available: "0%%", imagefs.available: "0%%", nodefs.inodesFree: "0%%"}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
nodeStatusUpdateFrequency: 2s
featureGates: {KubeletInUserNamespace: true}
`

// containerdTOML is the configuration of containerd, version 1.6 or later: directory.
const containerdTOML = `version = 2
root = "%[1]s/containerd"
state = "%[1]s/containerd-state"
oom_score = 0
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "%[1]s/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/pause:test"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "%[1]s/cni"
`

// podNetwork is the network of the pods: bridge, network, directory, route. The bridge has its
// address already, so that the plugin has nothing to set on this machine; pods reach it and each
// other, and nothing else.
const podNetwork = `{
  "cniVersion": "0.4.0", "name": "pods",
  "plugins": [{
    "type": "bridge", "bridge": %[1]q, "isGateway": false, "ipMasq": false,
    "ipam": {"type": "host-local", "dataDir": "%[3]s/cni-state",
      "ranges": [[{"subnet": "%[2]s/24", "gateway": "%[4]s"}]]}
  }]
}
`
