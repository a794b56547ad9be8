// Readers asks the code of GitOps tools what they think of an object.
//
// It reads one JSON document a line: {"object": …, "lua": script of an Argo CD health check,
// "flux": {"current", "inProgress", "failed"}}, and answers each with one line:
// {"argocd": {"status", "message"}, "kstatus": …, "flux": …} or {"error": …}.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type question struct {
	Object json.RawMessage `json:"object"`
	Lua    string          `json:"lua"`
	Flux   healthChecks    `json:"flux"`
}

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type answer struct {
	ArgoCD  verdict `json:"argocd"`
	Kstatus string  `json:"kstatus"`
	Flux    string  `json:"flux"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<24)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		said, err := ask(lines.Bytes())
		if err != nil {
			_ = out.Encode(map[string]string{"error": err.Error()})
			continue
		}
		_ = out.Encode(said)
	}
}

func ask(line []byte) (answer, error) {
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{}, err
	}
	object := &unstructured.Unstructured{}
	// Whole numbers have to become int64 as they do in the tools' own clients.
	if err := object.UnmarshalJSON(asked.Object); err != nil {
		return answer{}, err
	}
	argo, err := argoHealth(object, asked.Lua)
	if err != nil {
		return answer{}, err
	}
	plain, err := kstatus(object)
	if err != nil {
		return answer{}, err
	}
	flux, err := fluxHealth(object, asked.Flux)
	if err != nil {
		return answer{}, err
	}
	return answer{ArgoCD: argo, Kstatus: plain, Flux: flux}, nil
}
