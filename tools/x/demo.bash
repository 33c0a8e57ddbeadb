# shellcheck shell=bash
# demo: boot QEMU, launch an enclave, verify its attestation document, attack it, destroy it (about two minutes)
# shellcheck source=tools/x/lib/ready.bash
source tools/x/lib/ready.bash
# shellcheck source=tools/x/lib/trees.bash
source tools/x/lib/trees.bash
make_ready
heading "Build"
build host-debug boardgen provision cofferdam
build qemu-virt-release
heading "A development identity, a signed monitor, two enclave images: build/demo"
python3 tools/qemu/assemble.py demo build/demo
python3 tools/demo/demo.py build/demo "$@"
