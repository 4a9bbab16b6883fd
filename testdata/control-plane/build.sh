#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the control plane for tests and demos into the user's cache, once per
# content: <cache>/skyplan/control-plane/<key>/, with `current` linking to it.
# Prints that folder as the last line on standard output. Nothing is written
# into the source tree. A first build takes some eight minutes of CPU time.
set -euo pipefail

die() {
	printf 'control-plane: %s\n' "$@" >&2
	exit 1
}
say() { printf 'control-plane: %s\n' "$*" >&2; }

cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

programs=(etcd kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubectl kubelet)

if [[ -n ${XDG_CACHE_HOME:-} ]]; then
	cache=$XDG_CACHE_HOME
elif [[ -n ${HOME:-} ]]; then
	cache=$HOME/.cache
else
	die 'neither XDG_CACHE_HOME nor HOME is set: nowhere to build to'
fi
[[ $cache == /* ]] || die "the cache folder must be an absolute path, not '$cache' (XDG_CACHE_HOME)"
root=$cache/skyplan/control-plane

for tool in flock sha256sum; do
	command -v "$tool" >/dev/null || die "'$tool' not found (packages util-linux and coreutils)"
done

# The result runs here, whatever the caller's shell usually builds for.
unset GOOS GOARCH GOFLAGS
export GOWORK=off CGO_ENABLED=0

command -v go >/dev/null ||
	die 'Go is not installed, or not on PATH.' \
		'Install Go 1.26 or newer (any Go from 1.21 on fetches it by itself) and run this again.'
# Asked for here, beside go.mod, so that Go may switch to a newer toolchain.
go_version=$(go version) ||
	die 'the go command does not work in this folder; see its message above.' \
		'If it may not fetch a newer toolchain, install Go 1.26 or set GOTOOLCHAIN=auto.'
if [[ $go_version =~ go1\.([0-9]+) ]] && ((BASH_REMATCH[1] < 26)); then
	die "Go 1.26 or newer is needed; found: $go_version" \
		'Install it, or let Go fetch it: GOTOOLCHAIN=auto (Go 1.21 or newer).'
fi

# version_of MODULE: the version go.mod asks for, so that it is written once.
version_of() {
	local module version _
	while read -r module version _; do
		if [[ $module == "$1" ]]; then
			printf '%s\n' "$version"
			return
		fi
	done <go.mod
	die "go.mod does not require $1"
}
kubernetes=$(version_of k8s.io/kubernetes)
etcd=$(version_of go.etcd.io/etcd/server/v3)
kwok=$(version_of sigs.k8s.io/kwok)

# Modules carry no version of their own in the binary: without these flags the
# server calls itself v0.0.0, and clients' skew checks go wrong. There are two
# copies of the variables: one is reported, one is in the user agent.
IFS=. read -r major minor _ <<<"${kubernetes#v}"
ldflags='-s -w'
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	ldflags+=" -X $package.gitVersion=$kubernetes -X $package.gitMajor=$major -X $package.gitMinor=$minor"
	ldflags+=" -X $package.gitTreeState=clean"
done
flags=(-mod=readonly -trimpath -buildvcs=false "-ldflags=$ldflags")

key=$({
	printf '%s\n' "$go_version" "${flags[@]}" "${programs[@]}"
	sha256sum go.mod go.sum kwok-stages.yaml cmd/*/*.go
} | sha256sum)
key=${key:0:16}
target=$root/$key

# VERSION is written last, so a folder that has it has everything, unless
# someone deleted a part.
complete() {
	local file
	for file in control-plane kwok "${programs[@]}"; do
		[[ -x $target/$file ]] || return 1
	done
	[[ -s $target/kwok-stages.yaml && -s $target/VERSION ]]
}

# A link is replaced by renaming a new one over it: there is no moment without.
finish() {
	if [[ $(readlink -- "$root/current" || true) != "$key" ]]; then
		ln -s -- "$key" "$root/.current.$$"
		mv -fT -- "$root/.current.$$" "$root/current"
	fi
	printf '%s\n' "$target"
	exit 0
}

complete && finish # needs no lock: folders appear complete, by a rename

mkdir -p -- "$root"
exec 9>"$root/.lock"
if ! flock --nonblock 9; then
	say 'another build is running; waiting for it'
	flock 9
fi
complete && finish                # the one we waited for may have been ours
rm -rf -- "$root"/.build.*        # holding the lock: left by a killed build

say "building Kubernetes $kubernetes, etcd $etcd and kwok $kwok with ${go_version#go version }"
work=$(mktemp -d -- "$root/.build.XXXXXX")
trap 'rm -rf -- "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
chmod 755 -- "$work"

# Without the lock's descriptor: go may leave helpers behind that outlive us.
go build "${flags[@]}" -o "$work/" ./cmd/control-plane ./cmd/kwok 1>&2 9>&- ||
	die 'the build failed; see the messages above. It needs the Go module proxy (GOPROXY)' \
		'the first time, 3 GB of memory and 5 GB of disk for the Go caches.'

for program in "${programs[@]}"; do
	ln -s -- control-plane "$work/$program"
done
cp -- kwok-stages.yaml "$work/"
printf 'kubernetes %s\netcd %s\nkwok %s\n' "$kubernetes" "$etcd" "$kwok" >"$work/VERSION"

if [[ -e $target ]]; then
	say "replacing the incomplete $target"
	mv -T -- "$target" "$work.old"
	rm -rf -- "$work.old"
fi
mv -T -- "$work" "$target"
say "done: $(du -sh -- "$target" | cut -f1) in ${SECONDS}s"
finish
