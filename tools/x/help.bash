# shellcheck shell=bash
# help: print this list
#   ./x help VERB and ./x VERB --help say what words a verb takes.
takes 1 "$@"
(($# == 0)) || exec ./x "$1" --help
heading "Cofferdam: ./x VERB [ARGUMENTS]"
for file in tools/x/*.bash; do
  line=$(sed -n 2p "$file")
  printf '  ./x %s\n' "${line#\# }"
done
