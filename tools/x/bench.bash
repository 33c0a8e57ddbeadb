# shellcheck shell=bash
# bench [host|target|size|all] [--update]: benchmarks as tables and as JSON in build/bench; --update: a new budget
# shellcheck source=tools/x/lib/ready.bash
source tools/x/lib/ready.bash
# shellcheck source=tools/x/lib/trees.bash
source tools/x/lib/trees.bash
what=all update=()
for argument in "$@"; do
  case $argument in
    host | target | size | all) what=$argument ;;
    --update) update=(--update) ;;
    *) fail "bench does not know '$argument'" "./x bench [host|target|size|all] [--update]" ;;
  esac
done
make_ready
mkdir -p build/bench
if [[ $what =~ ^(host|all)$ ]]; then
  heading "Benchmarks: the host"
  build model host_benchmarks
  build/model/bin/host_benchmarks --benchmark_out=build/bench/host.json --benchmark_out_format=json \
    --benchmark_counters_tabular=true
fi
if [[ $what =~ ^(target|size|all)$ ]]; then
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
say "saved in build/bench"
