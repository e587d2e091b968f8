//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	authentication "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// mount makes the directories of a container's volumes.
func (p *pod) mount(c v1.Container) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	dirs := map[string]string{}
	for _, m := range c.VolumeMounts {
		i := slices.IndexFunc(p.spec.Spec.Volumes, func(v v1.Volume) bool { return v.Name == m.Name })
		if i < 0 {
			return fmt.Errorf("no volume %q", m.Name)
		}
		dir := filepath.Join(p.dir, "volumes", m.Name)
		files, err := p.files(ctx, p.spec.Spec.Volumes[i].VolumeSource)
		if err != nil {
			return err
		}
		source := p.spec.Spec.Volumes[i].VolumeSource
		if source.HostPath != nil {
			dir = source.HostPath.Path
		}
		if source.PersistentVolumeClaim != nil {
			if dir, err = p.claimed(ctx, source.PersistentVolumeClaim.ClaimName); err != nil {
				return err
			}
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				return err
			}
		}
		dirs[strings.TrimSuffix(m.MountPath, "/")] = filepath.Join(dir, m.SubPath)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dirs = dirs
	return nil
}

// claimed is the directory of the host that a claim is bound to.
func (p *pod) claimed(ctx context.Context, claim string) (string, error) {
	c, err := p.node.client.CoreV1().PersistentVolumeClaims(p.spec.Namespace).Get(ctx, claim, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	v, err := p.node.client.CoreV1().PersistentVolumes().Get(ctx, c.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	if v.Spec.HostPath == nil {
		return "", fmt.Errorf("a process node has no volumes of the kind of %s, only directories of the host", v.Name)
	}
	return v.Spec.HostPath.Path, nil
}

// files are those of a volume; of an empty directory or a directory of the host there are none.
func (p *pod) files(ctx context.Context, v v1.VolumeSource) (map[string][]byte, error) {
	switch {
	case v.Secret != nil:
		return p.secret(ctx, v.Secret.SecretName, v.Secret.Items, v.Secret.Optional)
	case v.ConfigMap != nil:
		return p.configMap(ctx, v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.Optional)
	case v.Projected != nil:
		all := map[string][]byte{}
		for _, s := range v.Projected.Sources {
			files, err := p.projection(ctx, s)
			if err != nil {
				return nil, err
			}
			maps.Copy(all, files)
		}
		return all, nil
	case v.DownwardAPI != nil:
		return p.fields(v.DownwardAPI.Items)
	case v.EmptyDir != nil, v.HostPath != nil, v.PersistentVolumeClaim != nil:
		return nil, nil
	}
	return nil, fmt.Errorf("a process node has no volumes of this kind: %+v", v)
}

// projection are the files of one source of a projected volume.
func (p *pod) projection(ctx context.Context, s v1.VolumeProjection) (map[string][]byte, error) {
	switch {
	case s.Secret != nil:
		return p.secret(ctx, s.Secret.Name, s.Secret.Items, s.Secret.Optional)
	case s.ConfigMap != nil:
		return p.configMap(ctx, s.ConfigMap.Name, s.ConfigMap.Items, s.ConfigMap.Optional)
	case s.DownwardAPI != nil:
		return p.fields(s.DownwardAPI.Items)
	case s.ServiceAccountToken != nil:
		request := &authentication.TokenRequest{Spec: authentication.TokenRequestSpec{
			ExpirationSeconds: s.ServiceAccountToken.ExpirationSeconds,
			BoundObjectRef:    &authentication.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: p.spec.Name, UID: p.spec.UID},
		}}
		if s.ServiceAccountToken.Audience != "" {
			request.Spec.Audiences = []string{s.ServiceAccountToken.Audience}
		}
		t, err := p.node.client.CoreV1().ServiceAccounts(p.spec.Namespace).CreateToken(ctx, p.spec.Spec.ServiceAccountName,
			request, metav1.CreateOptions{})
		if err != nil {
			return nil, err
		}
		return map[string][]byte{s.ServiceAccountToken.Path: []byte(t.Status.Token)}, nil
	}
	return nil, fmt.Errorf("a process node has no projections of this kind: %+v", s)
}

// secret are the entries of a Secret, all of them or the items.
func (p *pod) secret(ctx context.Context, name string, items []v1.KeyToPath, optional *bool) (map[string][]byte, error) {
	s, err := p.node.client.CoreV1().Secrets(p.spec.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		if optional != nil && *optional {
			return nil, nil
		}
		return nil, err
	}
	return chosen(s.Data, items), nil
}

// configMap is as secret.
func (p *pod) configMap(ctx context.Context, name string, items []v1.KeyToPath, optional *bool) (map[string][]byte, error) {
	m, err := p.node.client.CoreV1().ConfigMaps(p.spec.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		if optional != nil && *optional {
			return nil, nil
		}
		return nil, err
	}
	all := map[string][]byte{}
	for k, text := range m.Data {
		all[k] = []byte(text)
	}
	maps.Copy(all, m.BinaryData)
	return chosen(all, items), nil
}

// chosen are the items of data under their paths, or all of data if there are none.
func chosen(data map[string][]byte, items []v1.KeyToPath) map[string][]byte {
	if len(items) == 0 {
		return data
	}
	some := map[string][]byte{}
	for _, i := range items {
		some[i.Path] = data[i.Key]
	}
	return some
}

// fields are the files of fields of the pod.
func (p *pod) fields(items []v1.DownwardAPIVolumeFile) (map[string][]byte, error) {
	all := map[string][]byte{}
	for _, i := range items {
		if i.FieldRef == nil {
			return nil, fmt.Errorf("file %s is of no field", i.Path)
		}
		text, err := p.field(i.FieldRef.FieldPath)
		if err != nil {
			return nil, err
		}
		all[i.Path] = []byte(text)
	}
	return all, nil
}

// field is a field of the pod by its path.
func (p *pod) field(path string) (string, error) {
	s := p.snapshot()
	if name, ok := strings.CutPrefix(path, "metadata.labels['"); ok {
		return s.Labels[strings.TrimSuffix(name, "']")], nil
	}
	if name, ok := strings.CutPrefix(path, "metadata.annotations['"); ok {
		return s.Annotations[strings.TrimSuffix(name, "']")], nil
	}
	fields := map[string]string{
		"metadata.name":           s.Name,
		"metadata.namespace":      s.Namespace,
		"metadata.uid":            string(s.UID),
		"spec.nodeName":           p.node.name,
		"spec.serviceAccountName": s.Spec.ServiceAccountName,
		"status.podIP":            p.ip,
		"status.podIPs":           p.ip,
		"status.hostIP":           s.Status.HostIP,
	}
	text, ok := fields[path]
	if !ok {
		return "", fmt.Errorf("a process node has no field %q", path)
	}
	return text, nil
}

// environment is a container's, as pairs of name and value in the order of the spec.
func (p *pod) environment(c v1.Container) ([][2]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	env := [][2]string{{"KUBERNETES_SERVICE_HOST", p.node.server[0]}, {"KUBERNETES_SERVICE_PORT", p.node.server[1]}}
	for _, e := range c.Env {
		text, err := p.variable(ctx, e, env)
		if err != nil {
			return nil, err
		}
		env = append(env, [2]string{e.Name, text})
	}
	return env, nil
}

// variable is the value of one variable.
func (p *pod) variable(ctx context.Context, e v1.EnvVar, before [][2]string) (string, error) {
	from := e.ValueFrom
	switch {
	case from == nil:
		return expand(e.Value, before), nil
	case from.FieldRef != nil:
		return p.field(from.FieldRef.FieldPath)
	case from.SecretKeyRef != nil:
		files, err := p.secret(ctx, from.SecretKeyRef.Name, nil, from.SecretKeyRef.Optional)
		if err != nil {
			return "", err
		}
		text, ok := files[from.SecretKeyRef.Key]
		if !ok && (from.SecretKeyRef.Optional == nil || !*from.SecretKeyRef.Optional) {
			return "", fmt.Errorf("couldn't find key %s in Secret %s/%s", from.SecretKeyRef.Key, p.spec.Namespace, from.SecretKeyRef.Name)
		}
		return string(text), nil
	case from.ConfigMapKeyRef != nil:
		files, err := p.configMap(ctx, from.ConfigMapKeyRef.Name, nil, from.ConfigMapKeyRef.Optional)
		if err != nil {
			return "", err
		}
		return string(files[from.ConfigMapKeyRef.Key]), nil
	}
	return "", fmt.Errorf("a process node cannot set the variable %s", e.Name)
}

// expand replaces $(NAME) by variables; a name that there is not stays as it is.
func expand(text string, env [][2]string) string {
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		for _, e := range slices.Backward(env) {
			if e[0] == ref[2:len(ref)-1] {
				return e[1]
			}
		}
		return ref
	})
}

var reference = regexp.MustCompile(`\$\([A-Za-z_][A-Za-z0-9_]*\)`)

// path replaces the mount paths in a text, which may be a script, by their directories.
func (p *pod) path(text string) string {
	p.mu.Lock()
	dirs := p.dirs
	p.mu.Unlock()
	// A longer path comes first, since a mount may lie within another.
	paths := slices.SortedFunc(maps.Keys(dirs), func(a, b string) int { return len(b) - len(a) })
	for i, mount := range paths {
		whole := regexp.MustCompile(`(^|[\s="':;(>])` + regexp.QuoteMeta(mount) + `($|[/\s"';:)&|])`)
		text = whole.ReplaceAllString(text, fmt.Sprintf("${1}\x00%d\x00${2}", i))
	}
	for i, mount := range paths {
		text = strings.ReplaceAll(text, fmt.Sprintf("\x00%d\x00", i), dirs[mount])
	}
	return text
}
