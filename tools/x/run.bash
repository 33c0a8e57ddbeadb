# shellcheck shell=bash
# run [--add DIR] [--cpus N] [--memory MIB] [--bare] [-- COMMAND]: Linux as the parent; run --guest IMAGE; run --help
# shellcheck source=tools/x/lib/ready.bash
source tools/x/lib/ready.bash
# shellcheck source=tools/x/lib/trees.bash
source tools/x/lib/trees.bash
# shellcheck source=tools/x/lib/guest_packages.bash
source tools/x/lib/guest_packages.bash
# shellcheck source=tools/x/lib/guest_programs.bash
source tools/x/lib/guest_programs.bash

bare=no guest=no
for word in "$@"; do
  case $word in
    --) break ;;
    --bare) bare=yes ;;
    --guest | --guest=*) guest=yes ;;
    -h | --help) exec python3 tools/guest/run.py --help ;;
  esac
done
# Standard output belongs to COMMAND.
{
  make_ready
  if [[ $bare == no ]]; then
    build host-debug boardgen provision
    build qemu-virt-release
  fi
  if [[ $guest == no ]]; then
    make_guest_packages_ready
    make_guest_programs_ready
  fi
} >&2
exec python3 tools/guest/run.py "$@"
