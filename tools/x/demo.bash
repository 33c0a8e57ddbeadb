# shellcheck shell=bash
# demo: launch an enclave, verify its attestation document, attack it, destroy it; then Linux as the parent, an enclave from an EIF, and a language model for two owners (minutes)
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
make_ready
heading "Build"
build host-debug boardgen provision cofferdam cofferdam-kms
build qemu-virt-release
make_guest_packages_ready
make_guest_programs_ready
make_inference_parts_ready
heading "A development identity, a signed monitor, two enclave images: build/demo"
python3 tools/qemu/assemble.py demo build/demo
python3 tools/demo/demo.py build/demo "$@"
