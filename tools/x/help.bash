# shellcheck shell=bash
# help: print this list
heading "Cofferdam: ./x VERB [ARGUMENTS]"
for file in tools/x/*.bash; do
  line=$(sed -n 2p "$file")
  printf '  ./x %s\n' "${line#\# }"
done
