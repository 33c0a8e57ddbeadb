# shellcheck shell=bash
# inference-image --service FILE --add DIR -o FILE.eif: an enclave that serves a language model; inference-image --help
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
for word in "$@"; do
  [[ $word != -h && $word != --help ]] || exec python3 tools/guest/inference_image.py --help
done
# Standard output belongs to the measurements.
{
  make_ready
  build host-debug cofferdam inference-check
  make_guest_packages_ready
  make_guest_programs_ready
  make_llama_ready
} >&2
exec python3 tools/guest/inference_image.py "$@"
