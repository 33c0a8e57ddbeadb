// The two ramdisks of an image as AWS's builder lays them out (docs/enclave-images.md): the first holds what makes the enclave
// ready, the second the application. Measured apart, PCR1 and PCR2.
#pragma once

#include "tools/cofferdam/image/folder_input.hpp"

namespace cofferdam {

struct BaseRamdisk {
  std::string init;                  // a static program, the first process
  std::vector<std::string> modules;  // NAME.ko, also compressed, in the order of loading; perhaps "FILE PARAMETERS"
  std::vector<std::string> folders;  // laid over its root
};
// Throws Unreadable.
[[nodiscard]] Bytes base_ramdisk(const BaseRamdisk& base);

struct ApplicationRamdisk {
  std::vector<std::string> roots;  // folders and tar archives, laid one over the other below /rootfs
  std::vector<std::string> command;
  std::vector<std::string> environment;  // NAME=VALUE
  ReadAttributes attributes;
};
// Throws Unreadable: also a command that the root does not hold, and text that /cmd or /env can't carry.
[[nodiscard]] Bytes application_ramdisk(const ApplicationRamdisk& application, std::vector<std::string>& warnings);

}  // namespace cofferdam
