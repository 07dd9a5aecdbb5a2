#!/usr/bin/env bash
# Brings CRIU 4.1 or newer, so that process images are tested for real: Debian 12's own (3.17) can't
# run on kernels from 6.13 on, and no Python package carries one.
#
# It builds the source that Debian's newer releases distribute, checked by apt against Debian's
# signatures, with headers and tools unpacked beside it. The machine's packages and its apt setup stay
# as they are: lists, sources and downloads of this build lie in a directory of their own, which is
# removed at the end. What is kept is one program with its libraries:
#
#   ${XDG_CACHE_HOME:-~/.cache}/perdure/criu/{bin/criu,lib/}
#
# Prints the program's path as its last line. A second run finds it and builds nothing. Exit codes:
#   0 there is one        3 not root          4 no Linux with apt      5 no compiler or tool
#   6 no network or no such package           7 the build failed       8 it can't work on this kernel
set -euo pipefail

readonly NEEDED=4.1
readonly KEPT="${XDG_CACHE_HOME:-$HOME/.cache}/perdure/criu"
# Newest first; the second is the newest that Debian 13 has, should the first not build here one day.
readonly SUITES=(sid forky trixie)
readonly WANTED=(libcap-dev libnet1-dev libnl-3-dev libprotobuf-c-dev libprotobuf-dev uuid-dev
  protobuf-c-compiler protobuf-compiler pkg-config)

say() { echo "criu: $*" >&2; }
stop() { say "$2"; exit "$1"; }

new_enough() { # does this program run here, and is it new enough?
  local version
  version=$("$1" --version 2>/dev/null | sed -n 's/^Version: *\([0-9.]*\).*/\1/p') || return 1
  [ -n "$version" ] && [ "$(printf '%s\n' "$NEEDED" "$version" | sort -V | head -n 1)" = "$NEEDED" ]
}

finish() { # a program that starts may still not be able to dump on this kernel
  "$1" check >/dev/null 2>&1 || stop 8 "$1 is there, and 'criu check' says that it can't work on this kernel"
  say "$("$1" --version | head -n 1) at $1"
  echo "$1"
  exit 0
}

[ "$(uname -s)" = Linux ] || stop 4 'images of processes need Linux'
[ "$(id -u)" = 0 ] || stop 3 'images of processes need root, and this is user '"$(id -un)"

for found in "${PERDURE_CRIU:-}" "$(command -v criu || true)" "$KEPT/bin/criu"; do
  if [ -n "$found" ] && new_enough "$found"; then finish "$found"; fi
done

command -v apt-get >/dev/null || stop 4 "no CRIU $NEEDED here, and no apt to get its source with"
for tool in gcc make dpkg tar flock sed; do
  command -v "$tool" >/dev/null || stop 5 "no CRIU $NEEDED here, and no $tool to build it with"
done

mkdir -p "$KEPT"
exec 9>"$KEPT/lock"
flock 9 # two suites that start together build it once
if new_enough "$KEPT/bin/criu"; then finish "$KEPT/bin/criu"; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{sources,lists/partial,cache/archives/partial,keys,sys,src}

cp /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources "$work/sources/" 2>/dev/null || true
cp /etc/apt/sources.list "$work/sources/machine.list" 2>/dev/null || true
apt=(-qq -o "Dir::Etc::SourceList=/dev/null" -o "Dir::Etc::SourceParts=$work/sources"
  -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root
  -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30)

say 'reading package lists into a directory of its own'
apt-get "${apt[@]}" update >"$work/log" 2>&1 || say 'a package list could not be read; going on with the others'

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
if [ ! -e "$keyring" ]; then # Ubuntu: its archive has Debian's keys, signed with its own
  (cd "$work/keys" && apt-get "${apt[@]}" download debian-archive-keyring && dpkg -x ./*.deb .) \
    >>"$work/log" 2>&1 || stop 6 "Debian's keys can't be had: $(tail -n 1 "$work/log")"
  keyring="$work/keys$keyring"
fi

say "fetching headers and tools: ${WANTED[*]}"
apt-get "${apt[@]}" install --yes --no-install-recommends --download-only "${WANTED[@]}" >>"$work/log" 2>&1 ||
  stop 6 "what CRIU is built with can't be had: $(tail -n 1 "$work/log")"
for package in "$work"/cache/archives/*.deb; do
  if [ -e "$package" ]; then dpkg -x "$package" "$work/sys"; fi
done

# Debian's mirror as this machine names it, so that a proxy or a mirror of the site is used here too.
mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' "$work/sources" | head -n 1 | tr -d ' ' || true)
sys="$work/sys" multi=$(gcc -print-multiarch)
libraries="$sys/usr/lib/$multi:$sys/lib/$multi"

build() { # from the newest source of one suite; leaves bin/ and lib/ in $work/new
  rm -rf "$work/src" "$work/new" "$work/sources"/*
  mkdir -p "$work/src" "$work/new/bin" "$work/new/lib"
  echo "deb-src [signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} $1 main" >"$work/sources/criu.list"
  apt-get "${apt[@]}" update || return 1
  cd "$work/src"
  # The archive alone: Debian's changes concern its packaging, and are not always on a mirror.
  apt-get "${apt[@]}" source --tar-only criu || return 1
  tar -xf criu_*.orig.tar.* --strip-components 1 || return 1
  sed -i "s#--proto_path=/usr/include#--proto_path=$sys/usr/include --proto_path=/usr/include#" images/Makefile
  env PATH="$sys/usr/bin:$PATH" LD_LIBRARY_PATH="$libraries" LIBRARY_PATH="$libraries" \
    C_INCLUDE_PATH="$sys/usr/include:$sys/usr/include/$multi" LD_RUN_PATH="\$ORIGIN/../lib" \
    PKG_CONFIG_PATH="$sys/usr/lib/$multi/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$sys" \
    make -j"$(nproc)" NO_GNUTLS=1 criu || return 1
  strip -o "$work/new/bin/criu" criu/criu || return 1
  # What the machine doesn't have itself goes along.
  local library
  for library in $(readelf -d criu/criu | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p'); do
    cp -L "$sys/usr/lib/$multi/$library" "$work/new/lib/" 2>/dev/null ||
      cp -L "$sys/lib/$multi/$library" "$work/new/lib/" 2>/dev/null || true
  done
  new_enough "$work/new/bin/criu"
}

for suite in "${SUITES[@]}"; do
  say "building the source of Debian $suite (a minute)"
  if (build "$suite") >>"$work/log" 2>&1; then
    rm -rf "$KEPT/bin" "$KEPT/lib"
    mv "$work/new/lib" "$work/new/bin" "$KEPT/" # the program last: it is what a later run looks for
    finish "$KEPT/bin/criu"
  fi
  say "that failed: $(tail -n 1 "$work/log")"
done
cp "$work/log" "$KEPT/build.log"
stop 7 "no source of CRIU could be built here; see $KEPT/build.log"
