//go:build parity

package parity_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestDeploy has the files under deploy read by programs that know their formats: manifests
// against the schemas of Kubernetes, the Dockerfile by hadolint.
func TestDeploy(t *testing.T) {
	bin := filepath.Dir(os.Getenv("PARITY_PYTHON"))
	deploy := filepath.Join("..", "deploy")
	for _, args := range [][]string{
		{"kubernetes-validate", "--strict", filepath.Join(deploy, "kubernetes", "cronjob.yaml"), filepath.Join(deploy, "kubernetes", "store.yaml")},
		{"hadolint", filepath.Join(deploy, "Dockerfile")},
	} {
		if out, err := exec.Command(filepath.Join(bin, args[0]), args[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	// Both refuse what is wrong.
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: x}\nspec: {schedul: \"1 1 1 1 1\"}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(filepath.Join(bin, "kubernetes-validate"), "--strict", bad).CombinedOutput(); err == nil {
		t.Errorf("a manifest with a misspelt key passes: %s", out)
	}
}
