# shellcheck shell=bash
# test [host|asan|tsan|fuzz|image|qemu|all] [TEST-NAME-PATTERN]: build what it needs, run the tests, count them
#   host   unit tests, model checker, refinement, scenarios on the simulated machine, programs and their clients, tree rules,
#          compile failures
#   asan   the same under AddressSanitizer and UndefinedBehaviorSanitizer, without the longest searches; in `all` stage host has only
#          these, and the programs that images and QEMU's tests need are this stage's
#   tsan   the simulated machine with its threads under ThreadSanitizer
#   fuzz   every fuzzer over its corpus and for a few seconds more
#   image  rules about the finished images, and that two folders give the same bytes
#   qemu   from reset through the ROM to an attestation document, Linux as the parent, and the attacks, in QEMU
#   all    all of them, one after the other (without a word)
#   TEST-NAME-PATTERN  a regular expression: only tests whose name has it
# shellcheck source=tools/x/lib/ready.bash
source tools/x/lib/ready.bash
# shellcheck source=tools/x/lib/trees.bash
source tools/x/lib/trees.bash
# shellcheck source=tools/x/lib/guest_packages.bash
source tools/x/lib/guest_packages.bash
# shellcheck source=tools/x/lib/guest_programs.bash
source tools/x/lib/guest_programs.bash
# shellcheck source=tools/x/lib/inference_parts.bash
source tools/x/lib/inference_parts.bash
# shellcheck source=tools/x/lib/node_client.bash
source tools/x/lib/node_client.bash

ALL_STAGES=(host asan tsan fuzz image qemu)
takes 2 "$@"
stages=("${1:-all}")
[[ ${stages[0]} == all ]] && stages=("${ALL_STAGES[@]}")
[[ " ${ALL_STAGES[*]} " == *" ${stages[0]} "* ]] \
  || fail "there is no test stage '${stages[0]}'" "./x test [$(IFS='|'; printf '%s' "${ALL_STAGES[*]}")|all]"
pattern=${2:-.}

reports=() failed_steps=()
# ctest_stage STAGE TREE ctest-arguments...: runs the tests, writes build/reports/STAGE.xml.
ctest_stage() {
  local stage=$1 tree=$2
  shift 2
  rm -f "build/reports/$stage.xml"
  local none=error  # a stage without a test has lost its label; a pattern of a person's may fit none in this stage
  [[ $pattern == . ]] || none=ignore
  try_logged "test-$stage" ctest --test-dir "$tree" --parallel "$(nproc)" --output-on-failure --no-tests=$none \
    --output-junit "$COFFERDAM_ROOT/build/reports/$stage.xml" -R "$pattern" "$@" || true
  if [[ $none == error ]] && grep -q 'No tests were found' "build/logs/test-$stage.log"; then
    say "test-$stage: no test has this stage's label"
    failed_steps+=(--failed "ctest-$stage")
  elif [[ -f build/reports/$stage.xml ]]; then
    reports+=("build/reports/$stage.xml")
    say "test-$stage: $(grep -E 'tests passed|No tests' "build/logs/test-$stage.log" | tail -n 1), in $(elapsed "$STEP_SECONDS")"
    sed -n '/^The following tests FAILED/,$p' "build/logs/test-$stage.log" | grep -v '^Errors while' || true
  else
    failed_steps+=(--failed "ctest-$stage")
    tail -n 20 "build/logs/test-$stage.log"
  fi
}
needs() { try_build "$@" || failed_steps+=(--failed "build-$1"); }  # the tests that were built still run

# One tree's programs and tests of the host serve all stages. With stage asan among several that is the tree under sanitizers, and
# stage host has only what searches too long there.
host_preset=host-debug
if ((${#stages[@]} > 1)); then host_preset=host-asan; fi
host_tree=$(tree_of "$host_preset")

host_stage() {
  if [[ $host_preset == host-asan ]]; then
    needs host-debug boardgen searches -k 0
    ctest_stage host build/host -L '^search$'
  else
    needs host-debug all test_binaries -k 0
    try_node_client "$pattern"
    ctest_stage host build/host -LE '^(image|qemu|fuzz)$'
  fi
}

run_stage() {
  case $1 in
    host) host_stage ;;
    asan)
      needs host-debug boardgen
      needs host-asan all test_binaries -k 0
      try_node_client "$pattern"
      ctest_stage asan build/host-asan -LE '^(image|qemu|fuzz|search)$' ;;
    tsan) needs host-debug boardgen; needs host-tsan tests_for_tsan -k 0; ctest_stage tsan build/host-tsan -L 'tsan' ;;
    fuzz) needs host-debug boardgen; needs host-asan fuzzers -k 0; ctest_stage fuzz build/host-asan -L '^fuzz$' ;;
    image) needs host-debug boardgen; needs qemu-virt-release; ctest_stage image "$host_tree" -L '^image$' ;;
    qemu) needs "$host_preset"; needs qemu-virt-release; try_linux_parent; ctest_stage qemu "$host_tree" -L '^qemu$' ;;
  esac
}

# Scratch files in memory where there is plenty: stores and databases that live for a test spend more time in a disk's file system than in
# their own code. Some tests run programs there, and PostgreSQL's user has to get there.
scratch_in_memory() {
  local available options memory bound
  [[ -z ${TMPDIR:-} ]] && read -r available options < <(findmnt -nbo AVAIL,OPTIONS --mountpoint /dev/shm) || return 0
  memory=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)  # KiB
  bound=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || true)  # bytes, of a container; or "max", or nothing
  if [[ $bound =~ ^[0-9]+$ ]] && ((bound / 1024 < memory)); then memory=$((bound / 1024)); fi
  if ((available > 6 << 30 && memory > 12 << 20)) && [[ ,$options, != *,noexec,* && -w /dev/shm ]]; then
    TMPDIR=$(mktemp -d /dev/shm/cofferdam.XXXXXX)
    export TMPDIR
    chmod 711 "$TMPDIR"
    at_end 'rm -rf "$TMPDIR"'
  fi
}

make_ready
scratch_in_memory
# clang's sanitizers name functions and lines with llvm-symbolizer, which is not among our packages; binutils has one too.
symbolizer=external_symbolizer_path=$(command -v addr2line)
export ASAN_OPTIONS=${ASAN_OPTIONS:-$symbolizer} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:$symbolizer}
mkdir -p build/reports
start=$SECONDS
if [[ " ${stages[*]} " == *" qemu "* ]]; then begin_linux_parts; fi
for index in "${!stages[@]}"; do
  heading "Tests: ${stages[index]} ($((index + 1)) of ${#stages[@]}), $(elapsed $((SECONDS - start))) gone"
  run_stage "${stages[index]}"
done
heading "Tests: the sum, after $(elapsed $((SECONDS - start)))"
python3 tools/x/lib/sum_junit.py "${failed_steps[@]}" "${reports[@]}"
