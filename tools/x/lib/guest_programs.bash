# shellcheck shell=bash
# Builds what the Linux guests run: the parent's kernel modules, with the headers of its kernel, and the static programs of guests/. They land in
# build/guest-linux/{modules,bin}; what is newer than its sources is not built again.

GUEST_LINUX=build/guest-linux

newer_than_sources() {  # newer_than_sources TARGET SOURCE...
  local target=$1 source
  shift
  [[ -s $target ]] || return 1
  for source in "$@"; do [[ $target -nt $source ]] || return 1; done
}

build_guest_modules() {
  local release packages common folder=$COFFERDAM_ROOT/$GUEST_LINUX/kbuild module
  if newer_than_sources $GUEST_LINUX/modules/attack.ko guests/parent/modules/* guests/parent/*.h $GUEST_PACKAGES/release; then
    return
  fi
  release=$(<$GUEST_PACKAGES/release)
  packages=$COFFERDAM_ROOT/$GUEST_PACKAGES/usr/src
  common=$packages/linux-headers-${release%"-$GUEST_FLAVOUR"}-common
  rm -rf "$folder"
  mkdir -p "$folder/modules" $GUEST_LINUX/modules
  cp guests/parent/*.h "$folder"
  cp guests/parent/modules/* "$folder/modules"
  # The headers' own Makefile expects them installed below /usr/src; the one that it includes finds everything itself.
  # No BTF: that would need pahole, and nobody reads it here.
  run_logged build-guest-modules make -C "$packages/linux-headers-$release" -f "$common/Makefile" ARCH=arm64 \
    CROSS_COMPILE=aarch64-linux-gnu- CC=aarch64-linux-gnu-gcc KERNELRELEASE="$release" \
    CONFIG_DEBUG_INFO_BTF_MODULES= M="$folder/modules" modules
  for module in "$folder"/modules/*.ko; do
    aarch64-linux-gnu-strip --strip-debug "$module" -o "$GUEST_LINUX/modules/$(basename "$module")"
  done
}

# The preset's programs land in build/guest-linux/bin; the sourcing script has sourced trees.bash.
build_guest_programs() { build guest-linux; }

make_guest_programs_ready() {
  build_guest_modules
  build_guest_programs
}
