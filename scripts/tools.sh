#!/usr/bin/env bash
# Installs what skyplan calls (kustomize, helm) and the servers that it is tested against, pinned, below
# $XDG_CACHE_HOME/skyplan/tools, where skyplan itself looks last. What cannot be had is named; the tests that need it say "not run".
set -uo pipefail
here=$(cd "$(dirname "$0")/tools" && pwd)
tools=${XDG_CACHE_HOME:-$HOME/.cache}/skyplan/tools
versitygw=1.8.0 fake_gcs=1.56.1 registry=0.22.1
# Later ones of kustomize take a newer Go than the control plane does.
kustomize=5.8.2 helm=3.22.0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
missing=0

# Into a folder beside the final one, which is there whole or not at all.
install() { # name target command...
  local name=$1 target=$2
  shift 2
  if [[ -e $target ]]; then
    echo "ok       $name"
    return
  fi
  rm -rf "$target.part" && mkdir -p "$target.part"
  if "$@" "$target.part" >"$log" 2>&1 && mv "$target.part" "$target"; then
    echo "ok       $name (installed)"
  else
    echo "missing  $name: $(tail -n 1 "$log")"
    rm -rf "$target.part"
    missing=$((missing + 1))
  fi
}

with_go() { # module folder
  GOBIN=$2 CGO_ENABLED=0 go install "$1"
}

with_helm() { # version folder
  # Built from its module it knows no version but the minor one.
  GOBIN=$2 CGO_ENABLED=0 go install -ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=v$1" \
    "helm.sh/helm/v3/cmd/helm@v$1"
}

with_pip() { # folder
  # No virtual environment: that holds its own path, and this folder is renamed.
  python3 -m pip install --quiet --disable-pip-version-check --requirement "$here/moto/requirements.txt" --target "$1/lib"
}

with_npm() { # folder
  cp "$here"/azurite/{package.json,package-lock.json,.npmrc} "$1" && npm ci --ignore-scripts --prefix "$1"
}

key() { # file
  sha256sum "$1" | cut -c1-12
}

install "kustomize $kustomize" "$tools/kustomize-$kustomize" \
  with_go "sigs.k8s.io/kustomize/kustomize/v5@v$kustomize"
install "helm $helm" "$tools/helm-$helm" with_helm "$helm"
install "registry $registry (OCI)" "$tools/registry-$registry" \
  with_go "github.com/google/go-containerregistry/cmd/registry@v$registry"
install "versitygw $versitygw (S3)" "$tools/versitygw-$versitygw" \
  with_go "github.com/versity/versitygw/cmd/versitygw@v$versitygw"
install "fake-gcs-server $fake_gcs (GCS)" "$tools/fake-gcs-server-$fake_gcs" \
  with_go "github.com/fsouza/fake-gcs-server@v$fake_gcs"
install "moto (S3)" "$tools/moto-$(key "$here/moto/requirements.txt")" with_pip
install "azurite (Azure Blob)" "$tools/azurite-$(key "$here/azurite/package-lock.json")" with_npm
for link in kustomize-$kustomize helm-$helm registry-$registry versitygw-$versitygw fake-gcs-server-$fake_gcs "moto-$(key "$here/moto/requirements.txt")" \
  "azurite-$(key "$here/azurite/package-lock.json")"; do
  name=${link%-*}
  [[ -e $tools/$link ]] && ln -sfn "$link" "$tools/$name"
done

if command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; then
  echo "ok       Postgres"
elif [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null && apt-get install --yes --no-install-recommends postgresql >"$log" 2>&1; then
  echo "ok       Postgres (installed)"
else
  echo "missing  Postgres: install the package postgresql"
  missing=$((missing + 1))
fi
((missing == 0)) || echo "$missing missing: the tests that need them will be counted as not run"
