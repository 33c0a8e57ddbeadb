# shellcheck shell=bash
# bench [host|target|size|linux|all] [--update]: tables, and JSON in build/bench; --update: a new budget
#   host    the monitor's plans and the simulated machine, and the key service, in time
#   target  calls, traps and boot on QEMU, in instructions, held against bench/target/budget.json
#   size    bytes of ROM and monitor by folder
#   linux   Linux with and without the monitor, enclaves, a language model in one, in instructions
#   all     all of them (without a word)
#   --update   write what target counts as the new budget: say why in the commit
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
what='' update=()
for argument in "$@"; do
  case $argument in
    host | target | size | linux | all) takes 0 ${what:+"$argument"}; what=$argument ;;
    --update) update=(--update) ;;
    *) fail "bench does not know '$argument'" "./x bench [host|target|size|linux|all] [--update]" ;;
  esac
done
what=${what:-all}
make_ready
mkdir -p build/bench
if [[ $what =~ ^(host|all)$ ]]; then
  heading "Benchmarks: the host"
  build model host_benchmarks
  build/model-checker/bin/host_benchmarks --benchmark_out=build/bench/host.json --benchmark_out_format=json \
    --benchmark_counters_tabular=true
  heading "Benchmarks: the key service, running"
  build host-debug cofferdam-kms
  /usr/bin/python3 bench/kms/run.py --json build/bench/kms.json || fail "the key service gave no figure" "see above"
fi
if [[ $what =~ ^(target|size|linux|all)$ ]]; then
  build_images
fi
if [[ $what =~ ^(target|all)$ ]]; then
  heading "Benchmarks: the target, in instructions"
  python3 tools/qemu/assemble.py bench build/bench
  status=0
  python3 bench/target/run.py build/bench/flash0.bin build/bench/flash1.bin --json build/bench/target.json \
    "${update[@]}" || status=$?
  ((status == 0 || status == 77)) || fail "the figures are not those of the budget" "see above"
fi
if [[ $what =~ ^(size|all)$ ]]; then
  for image in monitor rom; do
    heading "Benchmarks: bytes of the $image by folder"
    python3 bench/size/size.py "build/qemu-virt/bin/$image.map" --json "build/bench/size-$image.json"
  done
fi
if [[ $what =~ ^(linux|all)$ ]]; then
  make_guest_packages_ready
  make_guest_programs_ready
  heading "Benchmarks: Linux with and without the monitor, in instructions"
  python3 bench/linux/run.py --json build/bench/linux.json || fail "a workload gave no figure" "see above"
  build host-debug cofferdam
  heading "Benchmarks: enclaves, in instructions"
  python3 bench/linux/enclaves.py --json build/bench/enclaves.json || fail "a phase or an operation gave no figure" "see above"
  heading "Benchmarks: what an enclave pays while another one starts"
  python3 bench/linux/neighbour.py --json build/bench/neighbour.json || fail "a life gave no figure" "see above"
  make_inference_parts_ready
  build host-debug cofferdam-kms inference-check
  heading "Benchmarks: a language model in an enclave, in instructions"
  # Debian's python3 has boto3, for the owners' key services.
  /usr/bin/python3 bench/linux/inference.py --json build/bench/inference.json || fail "a side gave no figure" "see above"
fi
say "saved in build/bench"
