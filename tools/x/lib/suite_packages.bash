# shellcheck shell=bash
# Debian's arm64 packages with all that they depend on, of any suite: downloaded, never installed. apt works on lists and an
# empty status of its own under build/apt/suites, so nothing counts as being there already, and this machine stays as it is.

# Sets SUITE_APT to the suite's folder and makes its lists ready. suite_lists SUITE [update]
suite_lists() {
  local suite=$1 codename
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  SUITE_APT=$COFFERDAM_ROOT/build/apt/suites/$suite
  mkdir -p "$SUITE_APT/lists/partial" "$SUITE_APT/cache/archives/partial" "$SUITE_APT/parts"
  : >"$SUITE_APT/status"
  python3 tools/x/lib/apt_sources.py suite "$suite" "$codename" >"$SUITE_APT/suite.sources" \
    || fail "this machine's apt sources don't name its own release '$codename'" "see /etc/apt/sources.list.d"
  {
    printf 'Dir::Etc::sourcelist "%s/suite.sources";\n' "$SUITE_APT"
    printf 'Dir::Etc::sourceparts "%s/parts";\nDir::Etc::preferencesparts "%s/parts";\n' "$SUITE_APT" "$SUITE_APT"
    printf 'Dir::Etc::preferences "%s/none";\nDir::State "%s";\n' "$SUITE_APT" "$SUITE_APT"
    printf 'Dir::State::lists "%s/lists";\nDir::State::status "%s/status";\nDir::Cache "%s/cache";\n' "$SUITE_APT" "$SUITE_APT" "$SUITE_APT"
    printf 'APT::Architecture "arm64";\n#clear APT::Architectures;\nAPT::Architectures { "arm64"; };\n'
    printf 'APT::Sandbox::User "";\nAPT::Install-Recommends "false";\nAcquire::Languages "none";\nAcquire::Retries "2";\n'
    printf 'Debug::NoLocking "true";\nAPT::Get::Assume-Yes "true";\nDpkg::Use-Pty "0";\n'
    # What this machine does after an update, or before an installation, concerns its own packages.
    printf '#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n#clear DPkg::Pre-Install-Pkgs;\n'
    printf '#clear DPkg::Pre-Invoke;\n#clear DPkg::Post-Invoke;\n'
  } >"$SUITE_APT/apt.conf"
  if [[ ${2:-} == update || ! -e $SUITE_APT/updated ]]; then
    run_logged "apt-update-$suite" suite_apt update
    : >"$SUITE_APT/updated"
  fi
}

suite_apt() { APT_CONFIG=$SUITE_APT/apt.conf apt-get -q "$@"; }

# Downloads packages and all that they depend on; writes "NAME VERSION ARCHITECTURE" of each, sorted, into the file LIST.
suite_download() {  # suite_download LIST PACKAGE...
  local list=$1 log=build/logs/rootfs-resolve.log
  shift
  mkdir -p build/logs
  if ! suite_apt --simulate install "$@" >"$log" 2>&1; then
    grep -E '^(E:| [a-z0-9.+-]+ : )' "$log" >&2 || tail -n 10 "$log" >&2
    fail "apt finds no way to install: $*" "check the names; --update reads new lists; the whole answer is in $log"
  fi
  sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*\[\([a-z0-9]*\)\]).*/\1 \2 \3/p' "$log" | sort >"$list"
  run_logged rootfs-download suite_apt install --download-only "$@"
}
