# shellcheck shell=bash
# The Linux guest's packages: Debian's arm64 kernel 6.12 (cloud flavour), its headers for modules of our own, and a
# static busybox. They are downloaded and unpacked, never installed: apt works on lists and an architecture of its own
# under build/apt, needs no root, and this machine's packages, lists and architectures stay as they are.

GUEST_PACKAGES=build/guest-packages
GUEST_FLAVOUR=cloud-arm64
GUEST_PACKAGES_BY_HAND="use Debian 12 or 13; or lay Debian 13's linux-image, linux-headers (both), linux-kbuild, busybox-static and \
libssl-dev into build/downloads/guest"

write_guest_apt_configuration() {
  local root=$COFFERDAM_ROOT/build/apt native
  native=$(dpkg --print-architecture)
  mkdir -p "$root/lists/partial" "$root/cache/archives/partial" "$root/parts"
  : >"$root/status"
  {
    printf 'Dir::Etc::sourcelist "%s/guest.sources";\n' "$root"
    printf 'Dir::Etc::sourceparts "%s/parts";\nDir::Etc::preferencesparts "%s/parts";\n' "$root" "$root"
    printf 'Dir::Etc::preferences "%s/none";\n' "$root"
    printf 'Dir::State::lists "%s/lists";\nDir::State::status "%s/status";\nDir::Cache "%s/cache";\n' "$root" "$root" "$root"
    printf 'APT::Architecture "%s";\n#clear APT::Architectures;\nAPT::Architectures { "%s"; ' "$native" "$native"
    [[ $native == arm64 ]] || printf '"arm64"; '
    printf '};\nAPT::Sandbox::User "";\nAcquire::Languages "none";\nAcquire::Retries "2";\n'
    # What hooks of this machine do after an update concerns its own lists.
    printf '#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n'
  } >"$root/apt.conf"
}

guest_apt() { APT_CONFIG=$COFFERDAM_ROOT/build/apt/apt.conf "$@"; }

guest_lists=no
make_guest_lists_ready() {
  [[ $guest_lists == no ]] || return 0
  local codename
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  mkdir -p build/apt
  python3 tools/x/lib/apt_sources.py guest "$codename" >build/apt/guest.sources \
    || fail "this machine's apt sources don't name its own release '$codename'" "see /etc/apt/sources.list.d"
  write_guest_apt_configuration
  try_logged apt-update-guest guest_apt apt-get -q update \
    || fail "this machine's archives gave no lists of arm64 packages; read build/logs/apt-update-guest.log" "$GUEST_PACKAGES_BY_HAND"
  guest_lists=yes
}

# The newest 6.12 kernel of the flavour, as the part of the names that its packages share: 6.12.74+deb12 or alike.
newest_guest_kernel() {
  guest_apt apt-cache pkgnames linux-image-6.12 \
    | sed -n "s/^linux-image-\(6\.12\.[0-9][0-9.+a-z]*\)-$GUEST_FLAVOUR\(-unsigned\)\?\(:arm64\)\?$/\1/p" | sort -Vu | tail -n 1
}

has_guest_package() { [[ -n $(guest_apt apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: \([0-9].*\)/\1/p') ]]; }

# The newest .deb of a package that lies in build/downloads/guest, laid there by an earlier run or by hand.
guest_package_at_hand() { find build/downloads/guest -name "$1_*.deb" | sort -V | tail -n 1; }

unpack_guest_package() {  # unpack_guest_package FOLDER PACKAGE[:ARCHITECTURE]
  local name=${2%%:*} file
  file=$(guest_package_at_hand "$name")
  if [[ -z $file ]]; then
    make_guest_lists_ready
    (cd build/downloads/guest && guest_apt apt-get -q download "$2") >"build/logs/download-$name.log" 2>&1 || true
    file=$(guest_package_at_hand "$name")
    if [[ -z $file ]]; then
      tail -n 5 "build/logs/download-$name.log" >&2
      fail "apt could not download $2" "read build/logs/download-$name.log; or lay ${name}_*.deb into build/downloads/guest"
    fi
  fi
  say "$(basename "$file")"
  dpkg-deb -x "$file" "$1" || fail "$file can't be unpacked" "remove it and run the command again"
}

# Leaves OpenSSL in build/guest-openssl, the unpacked packages in build/guest-packages and the kernel's release in build/guest-packages/release.
make_guest_packages_ready() {
  make_guest_openssl_ready
  [[ -s $GUEST_PACKAGES/release ]] && return
  local kernel image package
  heading "Linux for the parent: packages to $GUEST_PACKAGES"
  mkdir -p build/logs build/downloads/guest
  image=$(find build/downloads/guest -name "linux-image-6.12*-${GUEST_FLAVOUR}*_arm64.deb" -printf '%f\n' \
    | sed 's/_.*//' | sort -V | tail -n 1)
  if [[ -z $image ]]; then
    make_guest_lists_ready
    kernel=$(newest_guest_kernel)
    [[ -n $kernel ]] || fail "the archives of this machine's release have no arm64 kernel linux-image-6.12*-$GUEST_FLAVOUR" \
      "$GUEST_PACKAGES_BY_HAND"
    image=linux-image-$kernel-$GUEST_FLAVOUR
    has_guest_package "$image:arm64" || image+=-unsigned
  fi
  kernel=${image#linux-image-}
  kernel=${kernel%-unsigned}
  kernel=${kernel%"-$GUEST_FLAVOUR"}
  rm -rf "$GUEST_PACKAGES" "$GUEST_PACKAGES.part"
  mkdir -p "$GUEST_PACKAGES.part"
  for package in "$image:arm64" "linux-headers-$kernel-$GUEST_FLAVOUR:arm64" "linux-headers-$kernel-common" \
    "linux-kbuild-$kernel:$(dpkg --print-architecture)" busybox-static:arm64; do
    unpack_guest_package "$GUEST_PACKAGES.part" "$package"
  done
  printf '%s\n' "$kernel-$GUEST_FLAVOUR" >"$GUEST_PACKAGES.part/release"
  mv "$GUEST_PACKAGES.part" "$GUEST_PACKAGES"
}

# OpenSSL for the guests' programs: headers and static libraries for arm64, in a folder of their own, so that the parent's
# packages stay as they are. The stamp says which package lies there.
GUEST_OPENSSL=build/guest-openssl

make_guest_openssl_ready() {
  [[ -s $GUEST_OPENSSL/usr/lib/aarch64-linux-gnu/libssl.a && -s $GUEST_OPENSSL/stamp ]] && return
  heading "OpenSSL for the guests' programs: to $GUEST_OPENSSL"
  mkdir -p build/logs build/downloads/guest
  rm -rf "$GUEST_OPENSSL" "$GUEST_OPENSSL.part"
  mkdir -p "$GUEST_OPENSSL.part"
  unpack_guest_package "$GUEST_OPENSSL.part" libssl-dev:arm64
  basename "$(guest_package_at_hand libssl-dev)" >"$GUEST_OPENSSL.part/stamp"
  mv "$GUEST_OPENSSL.part" "$GUEST_OPENSSL"
}
