#!/usr/bin/env bash
# reproducible.bash SOURCE IMAGES SCRATCH: copies the sources to another folder, builds the images there without a
# compiler cache, and compares them with those of SOURCE. One byte of difference fails.
set -euo pipefail
source_folder=$1 images=$2 scratch=$3/another-folder
boardgen=$source_folder/build/bin/boardgen
[[ -x $boardgen ]] || { echo "there is no $boardgen; build it first: ./x build host" >&2; exit 1; }

rm -rf "$scratch"
mkdir -p "$scratch/build"
trap 'rm -rf "$scratch"' EXIT
(cd "$source_folder" && tar -cf - --exclude=./build --exclude=./build-* --exclude=./.git .) | tar -xf - -C "$scratch"
cp -R "$source_folder/build/third_party" "$scratch/build/third_party"

cd "$scratch"
export CCACHE_DISABLE=1
env -u CMAKE_C_COMPILER_LAUNCHER -u CMAKE_CXX_COMPILER_LAUNCHER \
  cmake --preset qemu-virt-release -DCOFFERDAM_BOARDGEN="$boardgen" >/dev/null
cmake --build build/qemu-virt --parallel "$(nproc)" --target monitor.elf rom  # with their flat images

status=0
for name in monitor.bin rom.bin; do
  ours=$(find "$images" -name "$name" -print -quit)
  theirs=$(find build/qemu-virt -name "$name" -print -quit)
  if cmp "$ours" "$theirs"; then
    echo "$name: $(sha256sum <"$ours" | cut -d ' ' -f 1), $(stat -c %s "$ours") bytes in both folders"
  else
    status=1
  fi
done
exit "$status"
