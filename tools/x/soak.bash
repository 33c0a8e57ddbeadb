# shellcheck shell=bash
# soak [MINUTES]: long runs of the model, of every fuzzer (30 minutes unless told), and of Linux as the parent (an hour more)
#   MINUTES  for the model and the fuzzers together; what they find is kept in build/soak, the logs in build/logs
# shellcheck source=tools/x/lib/ready.bash
source tools/x/lib/ready.bash
# shellcheck source=tools/x/lib/trees.bash
source tools/x/lib/trees.bash
# shellcheck source=tools/x/lib/guest_packages.bash
source tools/x/lib/guest_packages.bash
# shellcheck source=tools/x/lib/guest_programs.bash
source tools/x/lib/guest_programs.bash
takes 1 "$@"
minutes=${1:-30}
[[ $minutes =~ ^[1-9][0-9]*$ ]] || fail "'$minutes' is not a number of minutes" "./x soak 30"
make_ready
heading "Soak: build"
build model model_random_calls
build host-debug boardgen
build host-asan fuzzers

# Half of the time for the model, the other half for the fuzzers, one after the other.
end=$((SECONDS + minutes * 30))
seed=$(date +%s)
heading "Soak: random runs of the shipped monitor against the specification, from seed $seed, $((minutes * 30)) s"
while ((SECONDS < end)); do
  COFFERDAM_SEED=$seed COFFERDAM_RUNS=64 COFFERDAM_STEPS=20000 \
    run_logged "soak-model-$seed" build/model-checker/tests/model_random_calls \
    --gtest_filter=RandomCalls.MonitorAndSpecificationAgree
  seed=$((seed + 64))
done

mapfile -t fuzzers < <(find build/host-asan -type f -name '*_fuzz' -perm -u+x | sort)
((${#fuzzers[@]} > 0)) || fail "there is no fuzzer in build/host-asan" "read build/logs/build-host-asan.log"
each=$((minutes * 30 / ${#fuzzers[@]} + 1))
for fuzzer in "${fuzzers[@]}"; do
  name=$(basename "$fuzzer")
  corpus=build/soak/$name
  mkdir -p "$corpus" "build/host-asan/tests/fuzz/seeds/$name"
  heading "Soak: $name, $each s; what it finds is kept in $corpus"
  run_logged "soak-$name" "$fuzzer" -max_total_time="$each" -timeout=20 -rss_limit_mb=2048 \
    -artifact_prefix="build/soak/$name-" "$corpus" "build/host-asan/tests/fuzz/seeds/$name"
done
build host-debug boardgen provision cofferdam
build qemu-virt-release
heading "Soak: the monitor that checks itself, on QEMU; as long as it takes"
run_logged soak-checked python3 tests/qemu/checked/checked.py soak

# The tests of the Linux parent with their full counts; how long they take depends on the machine.
heading "Soak: Linux as the parent: every core 100 times off and on, 64 resets, every page attacked; 400 lives of enclaves, 1 GiB through vsock"
build_images
make_guest_packages_ready
make_guest_programs_ready
export COFFERDAM_HOTPLUG=100 COFFERDAM_RESETS=64 COFFERDAM_CALLS=200000 COFFERDAM_STRIDE=4096
export COFFERDAM_CPU=max COFFERDAM_CYCLES=200 COFFERDAM_LINUX_CYCLES=200 COFFERDAM_KILLS=50 COFFERDAM_FLOOD=5000 COFFERDAM_VSOCK_MIB=1024 COFFERDAM_CORE_STATE=60
for case in hotplug reset attack core_state enclaves lifecycle misbehave vsock canary; do
  run_logged "soak-linux-$case" python3 "tests/qemu/linux/$case.py"
  grep -E '^(yes|NO|skipped| )' "build/logs/soak-linux-$case.log"
done
success "nothing was found in $minutes minutes; the logs are in build/logs"
