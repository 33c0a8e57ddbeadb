# shellcheck shell=bash
# setup: install what is missing and fetch the pinned sources (verbs that build do this by themselves)
#   Takes no words. Asks for root (sudo) when packages are missing.
# shellcheck source=tools/x/lib/ready.bash
source tools/x/lib/ready.bash
takes 0 "$@"
heading "Set-up"
make_ready
success "everything that Cofferdam needs is here"
