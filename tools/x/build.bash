# shellcheck shell=bash
# build [host|qemu-virt|all]: host programs to build/bin and tests to build/host; images to build/qemu-virt
#   host       host programs and tests
#   qemu-virt  ROM, monitor and its guests, as shipped; and boardgen, which makes their tables
#   all        both (without a word)
# shellcheck source=tools/x/lib/ready.bash
source tools/x/lib/ready.bash
# shellcheck source=tools/x/lib/trees.bash
source tools/x/lib/trees.bash
takes 1 "$@"
what=${1:-all}
[[ $what =~ ^(host|qemu-virt|all)$ ]] || fail "there is nothing called '$what' to build" "./x build host, qemu-virt or all"
make_ready
heading "Build: $what"
[[ $what == qemu-virt ]] || build_host
[[ $what == host ]] || build_images
success "built; host programs are in build/bin, images in build/qemu-virt"
