# shellcheck shell=bash
# The build trees: one for each configure preset of CMakePresets.json. Configured once, then ninja does what is needed.

# The folder of a preset's tree.
tree_of() {
  case $1 in
    host-debug) printf 'build/host' ;;
    qemu-virt-release) printf 'build/qemu-virt' ;;
    guest-linux) printf 'build/guest-programs' ;;  # the tree; its programs go to build/guest-linux/bin
    model) printf 'build/model-checker' ;;  # build/model holds the language model
    *) printf 'build/%s' "$1" ;;
  esac
}

# try_build PRESET [ninja arguments...]: exit status of cmake or ninja.
try_build() {
  local preset=$1 tree
  tree=$(tree_of "$1")
  shift
  if command -v ccache >/dev/null && [[ -z ${COFFERDAM_NO_CCACHE:-} ]]; then
    # What a compiler says of the headers that it read tells a hit as well, and spares a preprocessor's run at each miss.
    export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_DEPEND=1
  fi
  if [[ ! -f $tree/build.ninja || CMakePresets.json -nt $tree/build.ninja ]]; then
    try_logged "configure-$preset" cmake --preset "$preset" || { show_build_errors "configure-$preset"; return 1; }
    touch "$tree/build.ninja"
    say "configure-$preset: done in $(elapsed "$STEP_SECONDS")"
  fi
  try_logged "build-$preset" ninja -C "$tree" "$@" \
    || { show_build_errors "build-$preset"; return 1; }
  say "build-$preset: done in $(elapsed "$STEP_SECONDS")"
}

show_build_errors() {
  {
    grep -E '(error:|FAILED:|CMake Error)' "build/logs/$1.log" | head -n 20 || true
    printf -- '--- the end of build/logs/%s.log\n' "$1"
    tail -n 25 "build/logs/$1.log"
  } >&2
}

build() { try_build "$@" || fail "the build '$1' failed" "read build/logs/build-$1.log (or configure-$1.log)"; }

build_host() { build host-debug all test_binaries; }
build_images() {
  build host-debug boardgen
  build qemu-virt-release
}
