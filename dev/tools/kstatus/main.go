// Kstatus reads objects, one JSON document after the other, and prints how each stands: a line
// of JSON with the status and the message that Flux computes for it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	if err := judge(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func judge(objects io.Reader, verdicts io.Writer) error {
	decoder, encoder := json.NewDecoder(objects), json.NewEncoder(verdicts)
	for {
		var text json.RawMessage
		if err := decoder.Decode(&text); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		// Its own reading of JSON: numbers are integers to Kubernetes, to Go they would be floats.
		var object unstructured.Unstructured
		if err := object.UnmarshalJSON(text); err != nil {
			return err
		}
		found, err := status.Compute(&object)
		if err != nil {
			return err
		}
		if err := encoder.Encode(verdict{found.Status.String(), found.Message}); err != nil {
			return err
		}
	}
}
