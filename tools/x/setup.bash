# shellcheck shell=bash
# setup: install what is missing and fetch the pinned sources (all other verbs do this by themselves)
# shellcheck source=tools/x/lib/ready.bash
source tools/x/lib/ready.bash
heading "Set-up"
make_ready
success "everything that Cofferdam needs is here"
