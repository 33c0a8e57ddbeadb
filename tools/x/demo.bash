# shellcheck shell=bash
# demo [--part PART] [--seconds N] [--quiet]: launch an enclave, verify its attestation document, attack it, destroy it; then Linux as the parent, an enclave from an EIF, and a language model for two owners (minutes)
#   --part enclaves|linux|inference   only this part; enclaves needs no Linux
#   --seconds N   the longest that QEMU may run for one part (240)
#   --quiet       the summary alone
# Ends with what was to be seen, and exit status 1 when some of it is missing.
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
options=("$@") part=all
while (($# > 0)); do
  case $1 in
    --quiet) ;;
    --part)
      [[ ${2:-} =~ ^(enclaves|linux|inference)$ ]] || fail "there is no part '${2:-}'" "--part enclaves, linux or inference"
      part=$2
      shift ;;
    --seconds)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || fail "'${2:-}' is not a number of seconds" "--seconds 240"
      shift ;;
    *) fail "demo does not know '$1'" "./x demo --help" ;;
  esac
  shift
done
make_ready
heading "Build"
build host-debug boardgen provision cofferdam cofferdam-kms inference-check
build qemu-virt-release
[[ $part == enclaves ]] || try_linux_parent
heading "A development identity, a signed monitor, two enclave images: build/demo"
python3 tools/qemu/assemble.py demo build/demo
python3 tools/demo/demo.py build/demo "${options[@]}"
