#!/usr/bin/env bash
# The shop of examples/shop on this machine: plan, apply, status, a second plan without changes.
# `demo.sh down` takes it away.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
skyplan=$root/target/debug/skyplan
kubectl=${XDG_CACHE_HOME:-$HOME/.cache}/skyplan/control-plane/current/kubectl
clusters=${XDG_STATE_HOME:-$HOME/.local/state}/skyplan/local
demo=$root/target/demo/shop

show() {
  printf '\n\033[1m$ skyplan -C target/demo/shop %s\033[0m\n' "$*"
  "$skyplan" -C "$demo" "$@"
}

if [[ ${1:-} == down ]]; then
  [[ -d $demo ]] || { echo "there is no demo to take away"; exit 0; }
  show destroy --yes
  rm -rf "$demo"
  exit
fi

# A copy, so that you can change it as you like.
if [[ ! -d $demo ]]; then
  mkdir -p "$(dirname "$demo")"
  cp -r "$root/examples/shop" "$demo"
fi
show plan
show apply --yes
show status
show plan
cat <<TEXT

Three real Kubernetes control planes are running. Look around:
  $kubectl --kubeconfig $clusters/gcp/kubeconfig get pods -A -o wide
  $kubectl --kubeconfig $clusters/store/kubeconfig -n shop get all
Change something in target/demo/shop (replicas, a price, a latency) and plan again:
  $skyplan -C $demo plan
Take it all away:
  make demo-down
TEXT
