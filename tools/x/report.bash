# shellcheck shell=bash
# report [BOARD]: check a board description and write its report with a picture of the memory (default: qemu-virt)
#   BOARD  a folder of boards; the report goes to build/boards/BOARD
# shellcheck source=tools/x/lib/ready.bash
source tools/x/lib/ready.bash
# shellcheck source=tools/x/lib/trees.bash
source tools/x/lib/trees.bash
takes 1 "$@"
board=${1:-qemu-virt}
[[ -f boards/$board/board.xml ]] || fail "there is no boards/$board/board.xml" "one of: $(cd boards && echo */board.xml)"
make_ready
build host-debug boardgen
output=build/boards/$board
mkdir -p "$output"
build/bin/boardgen --output "$output" "boards/$board/board.xml"
heading "Board report: $board"
for file in "$output"/*; do say "$file"; done
