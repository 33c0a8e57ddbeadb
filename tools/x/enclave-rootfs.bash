# shellcheck shell=bash
# enclave-rootfs --package NAME... [--suite NAME] [--add DIR] -o FILE.tar: an enclave's root from Debian packages; --help
# shellcheck source=tools/x/lib/suite_packages.bash
source tools/x/lib/suite_packages.bash

usage() {
  cat <<'TEXT'
usage: ./x enclave-rootfs --package NAME... [OPTION]... -o FILE.tar

Assembles the root file system of an enclave from Debian's arm64 packages and everything that they depend on. Needs no root and
installs nothing. The tar archive goes into an image with: cofferdam eif build ... --rootfs FILE.tar -- /bin/app
FILE.tar.json lists the packages with versions and digests; the same packages give the same bytes.

  --package NAME[=VERSION]   a package; give more names behind it, or the option again
  --suite NAME      the suite they come from (default: this machine's own release); another one is looked for at the same archive
  --without NAME    leave a package out that only others' installation would need (debconf, dpkg); may be given again
  --add DIR         lay what DIR holds over the root; may be given again
  --keep-documents  keep manuals, translations and documentation (default: copyright files alone)
  --update          read the suite's lists anew (default: those at hand, so that a second run gives the same packages)
  -o FILE           the archive to write
TEXT
}

packages=() arguments=() suite='' output='' update='' last=''
while (($# > 0)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --update) update=update ;;
    --keep-documents) arguments+=("$1") ;;
    --package | --suite | --without | --add | -o | --output)
      [[ $# -ge 2 && -n $2 ]] || fail "$1 needs a value" "./x enclave-rootfs --help"
      case $1 in
        --package) packages+=("$2") ;;
        --suite) suite=$2 ;;
        -o | --output) output=$2 ;;
        *) arguments+=("$1" "$2") ;;
      esac
      last=$1
      shift ;;
    -*) fail "there is no option $1" "./x enclave-rootfs --help" ;;
    *)
      [[ $last == --package ]] || fail "'$1' belongs to no option" "./x enclave-rootfs --help"
      packages+=("$1") ;;
  esac
  shift
done
((${#packages[@]} > 0)) || fail "no package is named" "./x enclave-rootfs --package busybox-static -o rootfs.tar"
[[ -n $output ]] || fail "no archive is named" "add -o rootfs.tar"
[[ -z $suite || $suite =~ ^[a-z][a-z0-9.-]*$ ]] || fail "'$suite' is no name of a suite" "bookworm, trixie, unstable ..."
for package in "${packages[@]}"; do
  [[ $package =~ ^[a-z0-9][a-z0-9.+-]*(=[A-Za-z0-9.+~:-]+)?$ ]] || fail "'$package' is no name of a package" "./x enclave-rootfs --help"
done
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || fail "apt-get and dpkg-deb are needed" "run this on Debian or Ubuntu"
command -v python3 >/dev/null || fail "python3 is needed" "install the package python3, or run ./x setup"
[[ -n $suite ]] || suite=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")

heading "Root file system of an enclave: ${packages[*]} of $suite"
suite_lists "$suite" $update
suite_download "$SUITE_APT/wanted" "${packages[@]}"
exec python3 tools/guest/enclave_rootfs.py --suite "$suite" --wanted "$SUITE_APT/wanted" --archives "$SUITE_APT/cache/archives" \
  --asked "${packages[*]}" "${arguments[@]}" --output "$output"
