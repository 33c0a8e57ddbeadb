# shellcheck shell=bash
# clean: remove what was built and tested (the fetched sources stay; remove the folder build for everything)
#   Takes no words. build/third_party and build/downloads stay. The language model is trained again when it is needed, and llama.cpp's
#   packages are fetched again.
takes 0 "$@"
[[ -d build ]] || { say "nothing to clean"; exit 0; }
find build -mindepth 1 -maxdepth 1 ! -name downloads ! -name third_party -exec rm -rf {} +
say "build/ now holds only the fetched sources"
