package main

import (
	"context"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type healthChecks struct {
	Current    string `json:"current"`
	InProgress string `json:"inProgress"`
	Failed     string `json:"failed"`
}

// kstatus is what `flux` and `helm --wait` think without any expression of ours.
func kstatus(object *unstructured.Unstructured) (string, error) {
	result, err := status.Compute(object)
	if err != nil {
		return "", err
	}
	return string(result.Status), nil
}

// fluxHealth is what a Kustomization with healthCheckExprs thinks.
func fluxHealth(object *unstructured.Unstructured, checks healthChecks) (string, error) {
	evaluator, err := cel.NewStatusEvaluator(&kustomize.HealthCheckExpressions{
		Current: checks.Current, InProgress: checks.InProgress, Failed: checks.Failed,
	})
	if err != nil {
		return "", err
	}
	result, err := evaluator.Evaluate(context.Background(), object)
	if err != nil {
		return "", err
	}
	return string(result.Status), nil
}
