# shellcheck shell=bash
# What an inference enclave is made of besides our programs: the small language model and llama.cpp's packages.

MODEL=build/model/cofferdam.gguf
LLAMA_ROOTFS=build/inference/llama.tar

# What the recipe makes is kept under the recipe's digest, so that it is trained once.
make_model_ready() {
  local digest file
  if ! /usr/bin/python3 -c 'import numpy' 2>/dev/null; then make_packages_ready; fi
  digest=$(/usr/bin/python3 tools/model/make_model.py --recipe)
  file=build/model/${digest:0:16}.gguf
  mkdir -p build/model
  if [[ ! -s $file ]]; then
    run_logged model /usr/bin/python3 tools/model/make_model.py -o "$file"
  fi
  ln -sfn "${file##*/}" "$MODEL"
}

# llama.cpp is in Debian's unstable suite alone.
make_llama_ready() {
  mkdir -p "${LLAMA_ROOTFS%/*}"
  [[ -s $LLAMA_ROOTFS ]] || ./x enclave-rootfs --suite unstable --package llama.cpp -o "$LLAMA_ROOTFS"
}

make_inference_parts_ready() {
  make_model_ready
  make_llama_ready
}

# All that Linux as the parent and the inference enclave need. Where it can't be had, tests say that they are skipped, and the demo
# what is missing, and why; the sourcing script has sourced guest_packages.bash and guest_programs.bash.
try_linux_parent() {
  if [[ -n ${LINUX_PARTS_PID:-} ]]; then
    try_logged linux-parts wait_for_linux_parts || true
    LINUX_PARTS_PID=
    cat build/logs/setup-linux.log
  fi
  (make_guest_packages_ready && make_guest_programs_ready) || say "there is no Linux parent: see above"
  (make_inference_parts_ready) || say "there is no inference enclave: see above"
}

# What of it waits for the network or keeps one core busy is begun early, beside other work; try_linux_parent waits for it.
begin_linux_parts() {
  mkdir -p build/logs
  setsid ./x setup linux >build/logs/setup-linux.log 2>&1 </dev/null &  # a process group of its own, which ends with this program
  LINUX_PARTS_PID=$!
  at_end 'if jobs -pr | grep -qx "$LINUX_PARTS_PID"; then kill -- "-$LINUX_PARTS_PID"; fi'
}
wait_for_linux_parts() { tail --pid="$LINUX_PARTS_PID" -f build/logs/setup-linux.log; }
