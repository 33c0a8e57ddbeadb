// The file systems, links and the loopback interface that programs expect, and the move into the image's own root.
#pragma once

namespace enclave_init {

// /dev, and the console as standard input, output and error; then /proc and /sys. Gives up when one of the three can't be
// mounted.
void mount_first();
// Makes /rootfs, where an archive brought one, the root of everything. The mounts made before move with it.
// True: there was one.
[[nodiscard]] bool enter_root();
// What a program expects beside those: /dev/pts, /dev/shm, /run, /tmp, cgroups, /dev/fd and its kin. What the kernel does
// not have is left out.
void mount_rest();
// Loopback up. A kernel without networks goes without.
void bring_up_loopback();

}  // namespace enclave_init
