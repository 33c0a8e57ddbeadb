# shellcheck shell=bash
# model [FILE.gguf]: makes the small language model of tests and demo (build/model), by training it; docs/model.md
#   FILE.gguf  a copy of it, besides build/model/cofferdam.gguf
# shellcheck source=tools/x/lib/ready.bash
source tools/x/lib/ready.bash
# shellcheck source=tools/x/lib/inference_parts.bash
source tools/x/lib/inference_parts.bash

takes 1 "$@"
output=${1:-}
[[ $output != -* ]] || fail "there is no option $output" "./x model [FILE.gguf]"
heading "Language model of tests and demo"
make_model_ready
if [[ -n $output ]]; then cp "$MODEL" "$output"; fi
success "${output:-$MODEL}: $(stat -Lc %s "$MODEL") bytes, $(readlink "$MODEL")"
