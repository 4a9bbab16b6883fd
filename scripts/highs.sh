#!/usr/bin/env bash
# Whether the feature `highs` can be built here: says why not, and fails. Nothing is built.
set -uo pipefail

libclang() {
  local folders=() folder file
  [[ -n ${LIBCLANG_PATH:-} ]] && folders+=("$LIBCLANG_PATH")
  command -v llvm-config >/dev/null && folders+=("$(llvm-config --libdir)")
  folders+=(/usr/lib/llvm-*/lib /usr/lib/*-linux-gnu /usr/lib64 /usr/lib /usr/local/lib
    /opt/homebrew/opt/llvm/lib /usr/local/opt/llvm/lib /Library/Developer/CommandLineTools/usr/lib)
  for folder in "${folders[@]}"; do
    for file in "$folder"/libclang.so* "$folder"/libclang-*.so* "$folder"/libclang.dylib; do
      [[ -e $file ]] && return 0
    done
  done
  return 1
}

missing=()
command -v cmake >/dev/null || missing+=(cmake)
command -v "${CXX:-c++}" >/dev/null || missing+=("a C++ compiler (${CXX:-c++})")
libclang || missing+=(libclang)
if ((${#missing[@]})); then
  printf -v list '%s, ' "${missing[@]}"
  echo "HiGHS cannot be built here: missing ${list%, } (Debian: apt-get install cmake g++ libclang-dev)"
  exit 1
fi
