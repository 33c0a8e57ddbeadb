# shellcheck shell=bash
# The third-party sources that the images link: pinned by sha256, fetched from the source pool of the archives that
# this machine's apt names, else from upstream, unpacked to build/third_party. Never committed. Their versions stand in this file
# and nowhere else (a rule of tools/check_tree.py): what builds them names folders without one.

# name | file | sha256 | folder of the pool | upstream
PINNED_SOURCES=(
  "mbedtls|mbedtls_3.6.6.orig.tar.bz2|8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a|m/mbedtls|https://github.com/Mbed-TLS/mbedtls/releases/download/mbedtls-3.6.6/mbedtls-3.6.6.tar.bz2"
  "libcbor|libcbor_0.10.2.orig.tar.gz|e75f712215d7b7e5c89ef322a09b701f7159f028b8b48978865725f00f79875b|libc/libcbor|https://github.com/PJK/libcbor/archive/refs/tags/v0.10.2.tar.gz"
  "dtc|device-tree-compiler_1.7.2.orig.tar.xz|92d8ca769805ae1f176204230438fe52808f4e1c7944053c9eec0e649b237539|d/device-tree-compiler|https://mirrors.edge.kernel.org/pub/software/utils/dtc/dtc-1.7.2.tar.xz"
)

matches_sha256() { [[ -f $1 ]] && printf '%s  %s\n' "$2" "$1" | sha256sum --check --status; }

# fetch FILE SHA256 URL...: the first address that answers with the pinned bytes; leaves build/downloads/FILE.
fetch() {
  local file=$1 sha256=$2 url target=build/downloads/$1
  shift 2
  mkdir -p build/downloads
  matches_sha256 "$target" "$sha256" && return
  rm -f "$target"
  for url in "$@"; do
    say "asking $url"
    if try_logged "fetch-$file" curl --fail --location --silent --show-error --connect-timeout 15 --max-time 300 \
      --retry 2 --output "$target.part" "$url"; then
      if matches_sha256 "$target.part" "$sha256"; then
        mv "$target.part" "$target"
        return
      fi
      say "  its sha256 is another; not used"
    fi
    rm -f "$target.part"
  done
  fail "no address has $file with sha256 $sha256" \
    "lay the file at $target by hand (any origin: its sha256 is checked), then ./x setup again"
}

make_source_ready() {  # one line of PINNED_SOURCES
  local name file sha256 pool upstream archive archives urls=()
  IFS='|' read -r name file sha256 pool upstream <<<"$1"
  local folder=build/third_party/$name stamp=build/third_party/$name.sha256
  if [[ -d $folder && -f $stamp && $(<"$stamp") == "$sha256" ]]; then
    return
  fi
  mapfile -t archives < <(python3 tools/x/lib/apt_sources.py archives)
  for archive in "${archives[@]}"; do
    urls+=("$archive/pool/main/$pool/$file" "$archive/pool/updates/main/$pool/$file" "$archive/pool/universe/$pool/$file")
  done
  fetch "$file" "$sha256" "${urls[@]}" "$upstream"
  rm -rf "$folder" "$folder.part" "$stamp"
  mkdir -p "$folder.part"
  # With the time of now: a build tree that has compiled another version finds all of it changed.
  run_logged "unpack-$name" tar -xmf "build/downloads/$file" -C "$folder.part" --strip-components=1
  mv "$folder.part" "$folder"
  printf '%s\n' "$sha256" >"$stamp"
}

make_sources_ready() {
  local line
  for line in "${PINNED_SOURCES[@]}"; do make_source_ready "$line"; done
  make_httplib_ready
}

# cpp-httplib is one header, pinned by its own sha256 as well: the archive's pool moves on with its suites, and upstream's
# archives are made anew by their host, the file in them is not.
HTTPLIB_FOLDER=build/third_party/cpp-httplib
HTTPLIB_VERSION=0.41.0
HTTPLIB_SHA256=e9112546cbae828180f72c2ae6da4bfd8d15ae38138bd99b898e5e30128acc28
HTTPLIB_POOL=("cpp-httplib_$HTTPLIB_VERSION+ds.orig.tar.xz" 7acb492bffdd95165677d22145c2c4890e6432c5ef53d0f781defe8dec48f567 c/cpp-httplib)
HTTPLIB_UPSTREAM=https://raw.githubusercontent.com/yhirose/cpp-httplib/v$HTTPLIB_VERSION/httplib.h

make_httplib_ready() {
  matches_sha256 $HTTPLIB_FOLDER/httplib.h $HTTPLIB_SHA256 && return
  local file=${HTTPLIB_POOL[0]} archive archives urls=() header=build/downloads/httplib-$HTTPLIB_VERSION.h
  mapfile -t archives < <(python3 tools/x/lib/apt_sources.py archives)
  for archive in "${archives[@]}"; do
    urls+=("$archive/pool/main/${HTTPLIB_POOL[2]}/$file" "$archive/pool/universe/${HTTPLIB_POOL[2]}/$file")
  done
  if ! matches_sha256 "$header" $HTTPLIB_SHA256; then
    # fetch ends the script when no address answers: in a subshell it ends that.
    if (fetch "$file" "${HTTPLIB_POOL[1]}" "${urls[@]}") 2>build/logs/fetch-httplib-pool.log; then
      tar -xOf "build/downloads/$file" --occurrence=1 --wildcards '*/httplib.h' >"$header" || true
    fi
    fetch "httplib-$HTTPLIB_VERSION.h" $HTTPLIB_SHA256 "$HTTPLIB_UPSTREAM"
  fi
  rm -rf $HTTPLIB_FOLDER
  mkdir -p $HTTPLIB_FOLDER
  cp "$header" $HTTPLIB_FOLDER/httplib.h
}
