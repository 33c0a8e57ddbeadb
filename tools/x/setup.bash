# shellcheck shell=bash
# setup [linux]: install what is missing and fetch the pinned sources (verbs that build do this by themselves)
#   linux  besides, what Linux as the parent and the inference enclave are made of: packages, the language model
#   Asks for root (sudo) when packages are missing.
# shellcheck source=tools/x/lib/ready.bash
source tools/x/lib/ready.bash
# shellcheck source=tools/x/lib/guest_packages.bash
source tools/x/lib/guest_packages.bash
# shellcheck source=tools/x/lib/inference_parts.bash
source tools/x/lib/inference_parts.bash
takes 1 "$@"
[[ -z ${1:-} || $1 == linux ]] || fail "setup does not know '$1'" "./x setup --help"
heading "Set-up"
make_ready
if [[ ${1:-} == linux ]]; then
  missing=()
  (make_guest_packages_ready) || missing+=("Linux as the parent")
  (make_inference_parts_ready) || missing+=("the inference enclave")
  ((${#missing[@]} == 0)) || fail "not all is here for: ${missing[*]}" "what failed stands above"
fi
success "everything that Cofferdam needs is here"
