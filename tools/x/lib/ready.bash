# shellcheck shell=bash
# Makes the machine ready: packages of the distribution, QEMU >= 8.1, the pinned sources under build/third_party.
# What is there already is not asked for again; a second run ends at once.
# shellcheck source=tools/x/lib/sources.bash
source tools/x/lib/sources.bash

PACKAGES=(
  g++ cmake ninja-build ccache                            # the host build
  g++-aarch64-linux-gnu picolibc-aarch64-linux-gnu        # the images
  libtinyxml2-dev libfdt-dev device-tree-compiler         # board compiler
  libssl-dev libp11-kit-dev softhsm2                      # the programs around the monitor
  python3-boto3 python3-cryptography                      # what their tests hold them against
  libcli11-dev nlohmann-json3-dev libarchive-dev          # host programs
  libsqlite3-dev libpq-dev postgresql                     # the key service's store; a server for its tests
  libgtest-dev libgmock-dev libbenchmark-dev              # tests, benchmarks
  clang-19 libclang-rt-19-dev                             # fuzzers, and the tree under sanitizers, which it compiles faster
  python3 git openssl curl ca-certificates bzip2 xz-utils # scripts, downloads
  python3-numpy libopenblas0-serial                       # the language model of tests and demo
  make zstd                                               # the Linux parent: modules, kernels
  qemu-user-static                                        # the model's answers outside an enclave, to compare
  faketime                                                # tests with a clock that is a day off
)
# Further clients for tests, which skip without them. Ubuntu 24.04 has no awscli.
PACKAGES_WHERE_THERE_ARE=(awscli)
QEMU_PACKAGE=qemu-system-arm
QEMU_OLDEST=8.1

missing_packages() {  # prints those of its arguments that are not installed
  local installed package
  installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' "$@" 2>/dev/null || true)"
  for package in "$@"; do
    [[ $installed == *" installed:$package "* ]] || printf '%s\n' "$package"
  done
}

# as_root COMMAND...: runs it as root, or says what a person has to run.
as_root() {
  if ((EUID == 0)); then
    env DEBIAN_FRONTEND=noninteractive "$@"
  elif command -v sudo >/dev/null && { [[ -t 0 && -t 1 ]] || sudo -n true 2>/dev/null; }; then
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    fail "root is needed to install packages, and sudo is not at hand" "run as root: $* ; then ./x setup again"
  fi
}

# run_as_root NAME COMMAND...: as_root, logged; asks for the password first where sudo needs one.
run_as_root() {
  local name=$1
  shift
  if ((EUID != 0)); then as_root true; fi
  run_logged "$name" as_root "$@"
}

apt_updated=no
install_packages() {  # install_packages NAME apt-get-arguments...
  local name=$1
  shift
  if ((EUID != 0)) && ! { command -v sudo >/dev/null && { [[ -t 0 && -t 1 ]] || sudo -n true 2>/dev/null; }; }; then
    fail "packages are missing, and neither root nor sudo is at hand" \
      "run as root: apt-get update && apt-get install --no-install-recommends $* ; then ./x setup again"
  fi
  if [[ $apt_updated == no ]]; then
    run_as_root apt-update apt-get -q update
    apt_updated=yes
  fi
  run_as_root "$name" apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends "$@"
}

make_packages_ready() {
  local missing
  mapfile -t missing < <(missing_packages "${PACKAGES[@]}")
  if ((${#missing[@]} > 0)); then
    say "packages to install: ${missing[*]}"
    install_packages apt-install "${missing[@]}"
  fi
  # Afterwards: a fresh machine knows only now what its distribution has.
  local package there=()
  for package in $(missing_packages "${PACKAGES_WHERE_THERE_ARE[@]}"); do
    if [[ -n $(candidate "$package") ]]; then there+=("$package"); fi
  done
  ((${#there[@]} == 0)) && return
  say "packages to install: ${there[*]}"
  install_packages apt-install-more "${there[@]}"
}

qemu_version() { qemu-system-aarch64 --version 2>/dev/null | sed -n '1s/.*version \([0-9]*\.[0-9]*\).*/\1/p'; }
at_least() { [[ -n $1 && $(printf '%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }
candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/ *Candidate: \([0-9]*:\)\?\([0-9]*\.[0-9]*\).*/\2/p'; }

make_qemu_ready() {
  at_least "$(qemu_version)" "$QEMU_OLDEST" && return
  local codename
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  if [[ $apt_updated == no && -z $(candidate $QEMU_PACKAGE) ]]; then
    run_as_root apt-update apt-get -q update
    apt_updated=yes
  fi
  if at_least "$(candidate $QEMU_PACKAGE)" "$QEMU_OLDEST"; then
    install_packages apt-install-qemu "$QEMU_PACKAGE"
  elif [[ $codename == bookworm ]]; then
    say "QEMU $QEMU_OLDEST or newer comes from bookworm-backports"
    if ! apt-cache policy | grep -q 'bookworm-backports'; then
      mkdir -p build
      python3 tools/x/lib/apt_sources.py backports bookworm >build/cofferdam-backports.sources \
        || fail "no apt entry for bookworm to take the address of bookworm-backports from" \
             "add bookworm-backports to your apt sources, then ./x setup again"
      as_root cp build/cofferdam-backports.sources /etc/apt/sources.list.d/cofferdam-backports.sources
      apt_updated=no
    fi
    install_packages apt-install-qemu -t bookworm-backports "$QEMU_PACKAGE"
  fi
  at_least "$(qemu_version)" "$QEMU_OLDEST" \
    || fail "QEMU $QEMU_OLDEST or newer is needed; this machine offers '$(candidate $QEMU_PACKAGE)'" \
         "install a newer qemu-system-aarch64, then ./x setup again"
}

make_ready() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    fail "./x setup knows Debian 12, Debian 13 and Ubuntu 24.04 only" \
      "install by hand: ${PACKAGES[*]} and QEMU $QEMU_OLDEST or newer with qemu-system-aarch64"
  fi
  make_packages_ready
  make_qemu_ready
  make_sources_ready
}
