#!/bin/sh
# Call it with a node's name once that machine is proved to be off: from your cluster's node-termination hook, after the
# cloud has confirmed that the instance is terminated, or after its power was cut. Never for a node that is only not ready:
# it may come back with its network and send what it had promised.
set -eu
node="$1"
by="${2:-node controller}"
kubectl get pods --all-namespaces --selector app.kubernetes.io/name=perdure-worker \
    --field-selector "spec.nodeName=$node" --output jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}' |
    while read -r pod; do
        perdure worker fence "$pod" --by "$by"
    done
